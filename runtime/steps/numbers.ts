import { PelletError } from '../errors.ts'
import type { Quantisation, Tensor, TensorData } from '../tensor.ts'
import { fromFloat16 } from './float16.ts'

/**
 * A tensor's numbers as they are stored, and what they stand for. Most of what a detector gives is below its threshold: such
 * maps are compared as they are, and only what passes is worked out.
 */
export interface Numbers {
  /** As stored: whole numbers where the tensor is quantised. */
  readonly data: ArrayLike<number>
  /** The real number that the one stored at `index` stands for. */
  at(index: number): number
  /** What is to be stored at `index` at least to stand for `real` or more: not rounded, and alike for all of one feature. */
  least(real: number, index: number): number
}

/**
 * The numbers of any tensor, without a copy: quantised ones stay so, by tensor or by feature. float16 and 64-bit integers
 * alone are copied, as `toFloat32` does.
 * @throws PelletError `function_failed` without a tensor
 */
export function numbersOf(tensor: Tensor | undefined): Numbers {
  const stored = storedIn(tensorFor('numbersOf', tensor))
  const data = stored ?? floatsOf('numbersOf', tensor)
  if (!stored || !tensor?.quant) return { data, at: (index) => data[index]!, least: (real) => real }
  const { scales, zeroPoints } = featuresOf(tensor.quant)
  const [features, scale, zeroPoint] = [scales.length, scales[0]!, zeroPoints[0]!]
  if (features === 1)
    return { data, at: (index) => (data[index]! - zeroPoint) * scale, least: (real) => real / scale + zeroPoint }
  return {
    data,
    at: (index) => (data[index]! - zeroPoints[index % features]!) * scales[index % features]!,
    least: (real, index) => real / scales[index % features]! + zeroPoints[index % features]!,
  }
}

/**
 * The tensor's values as real numbers; a float32 tensor gives its own array. `what` is who asks, in the message.
 * @throws PelletError `function_failed` without a tensor
 */
export function floatsOf(what: string, tensor: Tensor | undefined): Float32Array {
  const { data, type, quant } = tensorFor(what, tensor)
  if (data instanceof Float32Array && !quant) return data
  const values = new Float32Array(data.length)
  if (type === 'float16') for (let i = 0; i < values.length; i++) values[i] = fromFloat16(data[i] as number)
  else if (quant) dequantise(data, quant, values)
  else for (let i = 0; i < values.length; i++) values[i] = Number(data[i])
  return values
}

// --- internal ---

/** The data where JavaScript reads them as numbers. */
function storedIn({ type, data }: Tensor): Exclude<TensorData, BigUint64Array | BigInt64Array> | undefined {
  const isOther = type === 'float16' || data instanceof BigUint64Array || data instanceof BigInt64Array
  return isOther ? undefined : data
}

function tensorFor(what: string, tensor: Tensor | undefined): Tensor {
  if (tensor?.data) return tensor
  throw new PelletError(
    'function_failed',
    `${what}: expected a tensor, found ${tensor === undefined ? 'undefined' : typeof tensor}; the model has no output of the name that was read`,
  )
}

/** As lists of one length; of 1 where the whole tensor has one scale and one zero point. */
function featuresOf({ scale, zeroPoint }: Quantisation) {
  const [scales, zeroPoints] = [[scale].flat(), [zeroPoint].flat()]
  const length = Math.max(scales.length, zeroPoints.length)
  const filled = (values: readonly number[]) => Float64Array.from({ length }, (_, i) => values[i % values.length]!)
  return { scales: filled(scales), zeroPoints: filled(zeroPoints) }
}

function dequantise(data: TensorData, quant: Quantisation, values: Float32Array): void {
  const { scales, zeroPoints } = featuresOf(quant)
  const features = scales.length
  if (features === 1) {
    const [scale, zeroPoint] = [scales[0]!, zeroPoints[0]!]
    for (let i = 0; i < values.length; i++) values[i] = (Number(data[i]) - zeroPoint) * scale
    return
  }
  for (let i = 0, feature = 0; i < values.length; i++, feature = feature + 1 === features ? 0 : feature + 1)
    values[i] = (Number(data[i]) - zeroPoints[feature]!) * scales[feature]!
}

import type { ArrayOver } from '../buffers.ts'
import type { TensorInfo } from '../engines/engine.ts'
import { PelletError } from '../errors.ts'
import type { Quantisation, Tensor, TensorData, TensorType } from '../tensor.ts'
import { roundHalfEven, toFloat16 } from './float16.ts'

/** Elements that real numbers can become: integers of 64 bits cannot hold what a number holds. */
export type Elements = Exclude<TensorData, BigUint64Array | BigInt64Array>

type ArrayOf = ArrayOver<Elements> & (new (length: number) => Elements)

/** The array for an input's type. @throws PelletError `invalid_manifest` where there is none */
export function arrayOf(what: string, { name, type }: Pick<TensorInfo, 'name' | 'type'>): ArrayOf {
  const found = arrays[type]
  if (found) return found
  const expected = Object.keys(arrays).join(', ')
  throw new PelletError('invalid_manifest', `${what}: expected input "${name}" of type ${expected}, found ${type}`)
}

/**
 * Makes the function that turns a real number of a feature into an element: quantised, rounded (halves to even, as numpy does)
 * and clamped to the type's range, or as float16 bits.
 */
export function toElement(type: TensorType, quant?: Quantisation): (real: number, feature: number) => number {
  const [scales, zeroPoints] = [[quant?.scale ?? 1].flat(), [quant?.zeroPoint ?? 0].flat()]
  const range = ranges[type]
  return (real, feature) => {
    if (type === 'float16') return toFloat16(real)
    const value = quant ? real / scales[feature % scales.length]! + zeroPoints[feature % zeroPoints.length]! : real
    return range ? Math.min(Math.max(roundHalfEven(value), range[0]), range[1]) : value
  }
}

/**
 * Real numbers as a model's input, in its type and dimensions (free ones are 1): quantised where it is, so that one step serves
 * a HEF and an ONNX. A float32 input has the very array that is given.
 * @throws PelletError `function_failed` where they are more or fewer than the input holds
 */
export function toTensor(info: TensorInfo, values: Float32Array): Tensor {
  const { name, type, quant } = info
  const dims = info.shape.map((size) => (typeof size === 'number' ? size : 1))
  const count = dims.reduce((all, size) => all * size, 1)
  if (count !== values.length)
    throw new PelletError(
      'function_failed',
      `toTensor: expected ${count} numbers for the input "${name}" [${info.shape.join(', ')}], found ${values.length}`,
    )
  if (type === 'float32') return { type, dims, data: values }
  const data = new (arrayOf('toTensor', info))(count)
  const toStored = toElement(type, quant)
  for (let i = 0; i < count; i++) data[i] = toStored(values[i]!, i)
  return { type, dims, data }
}

// --- internal ---

const arrays: Partial<Record<TensorType, ArrayOf>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
}

const ranges: Partial<Record<TensorType, [low: number, high: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
  uint32: [0, 4_294_967_295],
  int32: [-2_147_483_648, 2_147_483_647],
}

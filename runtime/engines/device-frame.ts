import type { NpuEdge, NpuModelInfo } from '../../ffi/shim/npu.ts'
import type { Tensor, Tensors } from '../tensor.ts'
import { arrayTypes, checkInputs } from './check-inputs.ts'
import type { ModelTensors, TensorInfo } from './engine.ts'

/** What HailoRT says that a model takes and gives, in the words of every engine. As `tensorsOfHef`, which the file says. */
export function toDescription({ inputs, outputs }: NpuModelInfo): ModelTensors {
  return { inputs: inputs.map(toTensorInfo), outputs: outputs.map(toTensorInfo) }
}

/**
 * The bytes of one frame, input after input. float32 for an input of whole numbers is quantised as HailoRT does it.
 * @throws PelletError `invalid_input` as every engine
 */
export function toFrame(
  infos: readonly TensorInfo[],
  { inputs: edges }: Pick<NpuModelInfo, 'inputs'>,
  given: Tensors,
): Uint8Array[] {
  const isFloat = (name: string) => Object.hasOwn(given, name) && given[name]?.type === 'float32'
  checkInputs(
    infos.map((info) => (isFloat(info.name) ? { ...info, type: 'float32' } : info)),
    given,
  )
  return edges.map((edge) => {
    const { data } = given[edge.name]!
    const isToQuantise = edge.type !== 'float32' && isFloat(edge.name)
    const { buffer, byteOffset, byteLength } = isToQuantise ? quantise(data as Float32Array, edge) : data
    return new Uint8Array(buffer, byteOffset, byteLength)
  })
}

/** Takes in the bytes of a frame's outputs as they come; each output has memory of its own. */
export class FrameReader {
  readonly #parts: Uint8Array[]
  #part = 0
  #at = 0

  constructor({ outputs }: Pick<NpuModelInfo, 'outputs'>) {
    // Not zeroed: an answer that does not fill them is none.
    this.#parts = outputs.map(({ bytes }) => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer))
  }

  /** @returns false where they are more than the outputs have */
  add(chunk: Uint8Array): boolean {
    let rest = chunk
    while (rest.length > 0) {
      const part = this.#parts[this.#part]
      if (!part) return false
      const taken = rest.subarray(0, part.length - this.#at)
      part.set(taken, this.#at)
      this.#at += taken.length
      rest = rest.subarray(taken.length)
      if (this.#at < part.length) continue
      this.#part++
      this.#at = 0
    }
    return true
  }

  get isWhole(): boolean {
    return this.#part === this.#parts.length
  }

  toTensors(infos: readonly TensorInfo[]): Tensors {
    return Object.fromEntries(infos.map((info, index) => [info.name, toTensor(info, this.#parts[index]!)]))
  }
}

// --- internal ---

/** hailo_format_order_t */
const orders = { nhw: 5, nc: 6 }

function toTensorInfo({ name, type, height, width, features, order, nms, quant }: NpuEdge): TensorInfo {
  if (nms) return { name, type, shape: [nms.classes, 1 + 5 * nms.maxBoxesPerClass] }
  const shape =
    order === orders.nc ? [1, features] : order === orders.nhw ? [1, height, width] : [1, height, width, features]
  if (type === 'float32' || quant.length === 0) return { name, type, shape }
  const [first] = quant
  const scale = quant.length === 1 ? first!.scale : quant.map((one) => one.scale)
  const zeroPoint = quant.length === 1 ? first!.zeroPoint : quant.map((one) => one.zeroPoint)
  return { name, type, shape, quant: { scale, zeroPoint } }
}

function toTensor({ type, shape, quant }: TensorInfo, { buffer }: Uint8Array): Tensor {
  return { type, dims: shape as number[], data: new arrayTypes[type](buffer), ...(quant && { quant }) }
}

/** Clipped to what can be told, divided, moved, and rounded half to even, in single precision as HailoRT computes. */
function quantise(values: Float32Array, { type, quant }: NpuEdge): Uint8Array | Uint16Array {
  const { scale, zeroPoint, min, max } = quant[0] ?? { scale: 1, zeroPoint: 0, min: 0, max: 0 }
  const { fround } = Math
  const isLimited = max > min
  const largest = type === 'uint8' ? 255 : 65_535
  const wholes = type === 'uint8' ? new Uint8Array(values.length) : new Uint16Array(values.length)
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    const clipped = isLimited ? Math.min(max, Math.max(min, value)) : value
    const exact = fround(fround(fround(clipped) / fround(scale)) + fround(zeroPoint))
    // Beyond 2 ** 23 a single has no fraction: what is added rounds, half to even.
    const whole = fround(fround(exact + halfway) - halfway)
    wholes[index] = Math.min(largest, Math.max(0, whole))
  }
  return wholes
}

const halfway = 1.5 * 2 ** 23

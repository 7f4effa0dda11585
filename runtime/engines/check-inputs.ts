import { PelletError } from '../errors.ts'
import type { ErrorDetail } from '../errors.ts'
import type { Tensor, TensorData, Tensors, TensorType } from '../tensor.ts'
import type { TensorInfo } from './engine.ts'

/** The typed array that carries each element type. */
export const arrayTypes: Record<
  TensorType,
  { new (buffer: ArrayBufferLike): TensorData; readonly BYTES_PER_ELEMENT: number }
> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  bool: Uint8Array,
}

/**
 * Compares the inputs of one run with what the model takes; free dimensions take any positive size.
 * @throws PelletError `invalid_input` with one detail for each input that is wrong
 */
export function checkInputs(expected: readonly TensorInfo[], inputs: Tensors): void {
  const details: ErrorDetail[] = []
  const names = expected.map((info) => `"${info.name}"`).join(', ')
  for (const info of expected) {
    const tensor = Object.hasOwn(inputs, info.name) ? inputs[info.name] : undefined
    const problem = tensor === undefined ? missing(info) : check(info, tensor)
    if (problem) details.push({ loc: [info.name], ...problem })
  }
  for (const name of Object.keys(inputs)) {
    if (expected.some((info) => info.name === name)) continue
    const msg = `There is no input "${name}": the model takes ${names}. Leave it out or name one of these.`
    details.push({ loc: [name], msg, type: 'unexpected_input' })
  }
  if (details.length === 0) return
  throw new PelletError('invalid_input', details.map((detail) => detail.msg).join(' '), { details })
}

/** `float32 [N, 3, 640, 640]`; a free dimension without a name is shown as `?`. */
export function toText(type: string, shape: readonly (number | string)[]): string {
  return `${type} [${shape.map((dim) => (dim === '' ? '?' : dim)).join(', ')}]`
}

// --- internal ---

type Problem = Omit<ErrorDetail, 'loc'>

function missing({ name, type, shape }: TensorInfo): Problem {
  return { msg: `Input "${name}" is missing: expected ${toText(type, shape)}.`, type: 'missing_input' }
}

function check({ name, type, shape }: TensorInfo, { type: foundType, dims, data }: Tensor): Problem | undefined {
  const problem = (kind: string, why: string): Problem => ({
    msg: `Input "${name}": expected ${toText(type, shape)}, found ${toText(foundType, dims)}: ${why}.`,
    type: kind,
  })
  if (foundType !== type) return problem('wrong_type', `the elements must be ${type}, not ${foundType}`)
  if (!(data instanceof arrayTypes[type])) {
    const found = (data as object | null | undefined)?.constructor?.name ?? String(data)
    return problem('wrong_type', `${type} is carried in a ${arrayTypes[type].name}, not in a ${found}`)
  }
  if (dims.length !== shape.length) {
    return problem('wrong_shape', `it must have ${shape.length} dimensions, not ${dims.length}`)
  }
  for (const [axis, size] of dims.entries()) {
    const wanted = shape[axis]
    if (typeof wanted === 'number' ? size === wanted : Number.isSafeInteger(size) && size > 0) continue
    const rule = typeof wanted === 'number' ? wanted : 'a whole number of at least 1'
    return problem('wrong_shape', `dimension ${axis} must be ${rule}, not ${size}`)
  }
  const length = dims.reduce((product, size) => product * size, 1)
  if (data.length !== length) return problem('wrong_length', `that is ${length} elements, and ${data.length} are there`)
  return undefined
}

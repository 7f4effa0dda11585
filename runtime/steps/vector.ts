import { PelletError } from '../errors.ts'
import type { Tensor } from '../tensor.ts'
import { floatsOf } from './numbers.ts'

/** One of the best: its place in the tensor, its value, and its name where labels were given. */
export interface Scored {
  index: number
  score: number
  label?: string
}

/**
 * The values as real numbers, whatever the tensor holds: float16 bits, quantised integers ((value - zeroPoint) * scale, by
 * feature too), 64-bit integers. A float32 tensor gives its own array, not a copy. Beyond 2^24 integers are rounded to float32.
 * @throws PelletError `function_failed` without a tensor
 */
export function toFloat32(tensor: Tensor | undefined): Float32Array {
  return floatsOf('toFloat32', tensor)
}

/**
 * The `k` highest values, highest first; of equal ones the first comes first. NaN is never among them. `labels` name
 * indices; one without a label has none. Takes one row: dimensions such as [1000] or [1, 1000].
 * @throws PelletError `function_failed` without a tensor, or with one of several rows
 */
export function topK(tensor: Tensor | undefined, k: number, labels?: readonly string[]): Scored[] {
  const values = rowOf('topK', tensor)
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`topK: expected k as a whole number from 1, found ${k}`)
  return best(values, k).map((index) => scored(values, index, labels))
}

/**
 * The index of the highest value, the first of equal ones; NaN is passed over, 0 when there is nothing else. Takes one row.
 * @throws PelletError `function_failed` without a tensor, or with one of several rows
 */
export function argMax(tensor: Tensor | undefined): number {
  return best(rowOf('argMax', tensor), 1)[0] ?? 0
}

/**
 * exp(x) / sum(exp(x)) along `axis` (negative: from the end), as a float32 tensor of the same dimensions. The maximum is
 * subtracted first, so that large logits do not overflow.
 * @throws PelletError `function_failed` without a tensor
 */
export function softmax(tensor: Tensor | undefined, axis = -1): Tensor {
  const values = floatsOf('softmax', tensor)
  const { dims } = tensor!
  const at = axis < 0 ? axis + dims.length : axis
  if (!Number.isInteger(at) || at < 0 || at >= dims.length)
    throw new RangeError(`softmax: expected an axis of the dimensions [${dims.join(', ')}], found ${axis}`)
  const length = dims[at]!
  const step = product(dims.slice(at + 1))
  const data = new Float32Array(values.length)
  for (let block = 0; block < values.length; block += length * step) {
    for (let start = block; start < block + step; start++) {
      const end = start + length * step
      let maximum = -Infinity
      for (let i = start; i < end; i += step) if (values[i]! > maximum) maximum = values[i]!
      let sum = 0
      for (let i = start; i < end; i += step) sum += data[i] = Math.exp(values[i]! - maximum)
      for (let i = start; i < end; i += step) data[i] = data[i]! / sum
    }
  }
  return { type: 'float32', dims: [...dims], data }
}

/**
 * Each row (last dimension) divided by its Euclidean length, as a float32 tensor of the same dimensions: then the dot
 * product of two rows is their cosine. A row of zeros stays so.
 * @throws PelletError `function_failed` without a tensor
 */
export function l2Normalize(tensor: Tensor | undefined): Tensor {
  const values = floatsOf('l2Normalize', tensor)
  const { dims } = tensor!
  const length = dims.at(-1) ?? 1
  const data = new Float32Array(values.length)
  for (let start = 0; start < values.length; start += length) {
    let sum = 0
    for (let i = start; i < start + length; i++) sum += values[i]! * values[i]!
    const factor = sum > 0 ? 1 / Math.sqrt(sum) : 0
    for (let i = start; i < start + length; i++) data[i] = values[i]! * factor
  }
  return { type: 'float32', dims: [...dims], data }
}

// --- internal ---

function rowOf(what: string, tensor: Tensor | undefined): Float32Array {
  const values = floatsOf(what, tensor)
  const { dims } = tensor!
  if (dims.filter((size) => size !== 1).length > 1)
    throw new PelletError(
      'function_failed',
      `${what}: expected one row such as [1, ${values.length}], found dimensions [${dims.join(', ')}]`,
    )
  return values
}

function product(dims: readonly number[]): number {
  return dims.reduce((all, size) => all * size, 1)
}

function scored(values: Float32Array, index: number, labels: readonly string[] | undefined): Scored {
  const label = labels?.[index]
  return { index, score: values[index]!, ...(label !== undefined && { label }) }
}

/** Indices of the `k` best: a heap of k with the worst on top, so that most values cost one comparison. */
function best(values: Float32Array, k: number): number[] {
  const heap: number[] = []
  const worse = (a: number, b: number) => values[a]! < values[b]! || (values[a] === values[b] && a > b)

  function sink(): void {
    for (let at = 0; ;) {
      const left = 2 * at + 1
      const right = left + 1
      let worst = at
      if (left < heap.length && worse(heap[left]!, heap[worst]!)) worst = left
      if (right < heap.length && worse(heap[right]!, heap[worst]!)) worst = right
      if (worst === at) return
      ;[heap[at], heap[worst]] = [heap[worst]!, heap[at]!]
      at = worst
    }
  }

  function rise(): void {
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1
      if (!worse(heap[at]!, heap[parent]!)) return
      ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
      at = parent
    }
  }

  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue
    if (heap.length < k) {
      heap.push(i)
      rise()
    } else if (values[i]! > values[heap[0]!]!) {
      heap[0] = i
      sink()
    }
  }
  return heap.sort((a, b) => (worse(a, b) ? 1 : -1))
}

import type { Tensors } from '../tensor.ts'
import { arrayTypes } from './check-inputs.ts'
import type { Session } from './engine.ts'

/** The way to another thread and back costs about 0.1 ms, and 0.2 ms of processor time (TCN, 900 values). */
const quickMs = 1
const runs = 3

/**
 * Whether a model runs so fast that a thread of its own costs more than it saves; measured on zeros. Not where the model
 * leaves its sizes open or refuses zeros: then it is not known.
 */
export async function isQuick({ inputs, run }: Session): Promise<boolean> {
  const zeros: Tensors = {}
  for (const { name, type, shape } of inputs) {
    const dims = shape.filter((size) => typeof size === 'number')
    if (dims.length < shape.length) return false
    const ArrayOf = arrayTypes[type]
    const length = dims.reduce((all, size) => all * size, 1)
    zeros[name] = { type, dims, data: new ArrayOf(new ArrayBuffer(length * ArrayOf.BYTES_PER_ELEMENT)) }
  }
  try {
    // The first run of a session also makes its memory; one that is far off needs no second.
    for (let i = 0; i < runs; i++) {
      const startedAt = performance.now()
      await run(zeros)
      const ms = performance.now() - startedAt
      if (ms < quickMs) return true
      if (ms > 20 * quickMs) return false
    }
  } catch {
    // What a run wants beyond its shapes is the function's to know.
  }
  return false
}

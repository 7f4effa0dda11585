import type { Tensors } from '../tensor.ts'
import type { Elements } from './pack.ts'

/**
 * An array for a model's input. Its values are whatever they were: all of them are to be written. New memory costs more than
 * packing a picture into it (1 x 3 x 640 x 640 float32: 2.5 ms, most of it page faults), so that arrays which nobody but the
 * engine saw are used again.
 */
export function lendArray(ArrayOf: new (length: number) => Elements, length: number): Elements {
  const at = free.findIndex((array) => array instanceof ArrayOf && array.length === length)
  const array = at < 0 ? new ArrayOf(length) : free.splice(at, 1)[0]!
  lent.add(array)
  return array
}

/** Takes back what was lent, once the engine is done with it; only where no code of a function ever held the tensors. */
export function takeBack(tensors: Tensors): void {
  for (const { data } of Object.values(tensors)) {
    if (!lent.delete(data as Elements)) continue
    free.unshift(data as Elements)
    if (free.length > most) free.pop()
  }
}

// --- internal ---

/** One is with the engine while the next request's is packed. */
const most = 2
const free: Elements[] = []
const lent = new WeakSet<Elements>()

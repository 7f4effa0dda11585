/** Typed arrays that can be made over a buffer. */
export interface ArrayOver<Elements> {
  new (buffer: ArrayBuffer): Elements
  readonly BYTES_PER_ELEMENT: number
}

/**
 * An array for a model's input. Its values are whatever they were: all of them are to be written. New memory costs more than
 * packing a picture into it (1 x 3 x 640 x 640 float32: 2.5 ms, most of it page faults), so what the engine is done with is
 * used again.
 */
export function lendArray<Elements>(ArrayOf: ArrayOver<Elements>, length: number): Elements {
  const sizeBytes = length * ArrayOf.BYTES_PER_ELEMENT
  const at = free.findIndex(({ byteLength }) => byteLength === sizeBytes)
  const buffer = at === -1 ? new ArrayBuffer(sizeBytes) : free.splice(at, 1)[0]!
  lent.add(buffer)
  return new ArrayOf(buffer)
}

/** Whether a buffer was lent from here, so that the engine may have it as it is; others are their makers' to keep. */
export function isLent(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return lent.has(buffer)
}

/** The engine is done with what was lent. */
export function takeBack(buffer: ArrayBuffer): void {
  free.unshift(buffer)
  if (free.length > most) free.pop()
}

// --- internal ---

/** One is with the engine while the next request's is packed. */
const most = 2
const free: ArrayBuffer[] = []
const lent = new WeakSet<ArrayBufferLike>()

import { PelletError } from '../errors.ts'
import { ByteQueue } from './byte-queue.ts'

export interface RawPart {
  /** Headers, blank line and content; undefined where that is more than is taken. */
  bytes: Buffer | undefined
  /** How much of the body was read for it, what is around it included. */
  readBytes: number
}

/**
 * The parts of a multipart body (RFC 2046, 5.1) as they come; not more than one of them is in memory.
 * @throws PelletError `invalid_request` when the last boundary is missing
 */
export async function* splitParts(
  source: AsyncIterable<Buffer>,
  boundary: string,
  maxBytes: number,
): AsyncGenerator<RawPart> {
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  const queue = new ByteQueue()
  // The first delimiter may stand without a line break before it.
  queue.append(Buffer.from('\r\n'))
  let readBytes = 0
  let searched = 0
  let isTooLarge = false
  /** What stands before the first delimiter is no part. */
  let isPreamble = true
  for await (const chunk of source) {
    queue.append(chunk)
    readBytes += chunk.length
    for (;;) {
      const at = queue.indexOf(delimiter, searched)
      const behind = at === -1 ? undefined : afterDelimiter(queue, at + delimiter.length)
      if (behind === 'unknown') {
        searched = at
        break
      }
      if (at !== -1 && behind === undefined) {
        searched = at + 2
        continue
      }
      if (at === -1) {
        searched = Math.max(0, queue.length - delimiter.length + 1)
        if (queue.length > maxBytes + maxHeadBytes || isPreamble || isTooLarge) {
          isTooLarge ||= !isPreamble
          queue.take(searched)
          searched = 0
        }
        break
      }
      const bytes = queue.take(at)
      if (!isPreamble) {
        yield { bytes: isTooLarge || bytes.length > maxBytes + maxHeadBytes ? undefined : bytes, readBytes }
        readBytes = 0
      }
      if (behind!.isLast) return
      queue.take(behind!.next - at)
      isPreamble = false
      isTooLarge = false
      searched = 0
      // A part without headers begins with its blank line.
    }
  }
  const found = isPreamble ? 'none' : 'an early end'
  const where = isPreamble ? '' : ' behind the last part'
  throw new PelletError(
    'invalid_request',
    `body as multipart/form-data: expected the boundary ${JSON.stringify(boundary)}${where}, found ${found}`,
  )
}

// --- internal ---

const maxHeadBytes = 16_384
/** Behind a delimiter; they are looked at anew with each chunk that comes. */
const maxBlanks = 1000

/** A delimiter is followed by two dashes, or by blanks and a line break; else it is the beginning of a longer word. */
function afterDelimiter(
  queue: ByteQueue,
  from: number,
): { isLast: true } | { isLast: false; next: number } | 'unknown' | undefined {
  let at = from
  if (queue.at(at) === 0x2d) {
    const second = queue.at(at + 1)
    return second === undefined ? 'unknown' : second === 0x2d ? { isLast: true } : undefined
  }
  while (queue.at(at) === 0x20 || queue.at(at) === 0x09) if (++at - from > maxBlanks) return undefined
  const [first, second] = [queue.at(at), queue.at(at + 1)]
  if (first === undefined || (first === 0x0d && second === undefined)) return 'unknown'
  return first === 0x0d && second === 0x0a ? { isLast: false, next: at + 2 } : undefined
}

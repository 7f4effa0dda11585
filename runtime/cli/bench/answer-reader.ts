/** An answer as far as a load generator looks at it. */
export interface Answer {
  status: number
  /** Status line and headers as they came. */
  head: string
  /** Of an error: how its body begins. */
  body: string
  /** Whether the connection may carry another request. */
  isKept: boolean
}

/**
 * Reads the answers of one HTTP/1.1 connection and drops their bodies. It does as little as it can: what the load generator
 * takes of the processor is missing to the server beside it, and node's own client takes four times as much.
 */
export class AnswerReader {
  #pending: Buffer | undefined
  #answer: Answer | undefined
  /** Bytes of the body, or of its chunk, that are still to come. */
  #left = 0
  #framing: 'length' | 'chunks' | 'close' = 'length'
  #isLastChunk = false

  /** @returns the answer once all of it is here. @throws Error where it is no HTTP */
  push(bytes: Buffer): Answer | undefined {
    if (this.#pending) {
      bytes = Buffer.concat([this.#pending, bytes])
      this.#pending = undefined
    }
    if (!this.#answer) {
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) {
        this.#pending = bytes
        return undefined
      }
      this.#begin(bytes.toString('latin1', 0, end + 2))
      bytes = bytes.subarray(end + 4)
      // What comes before the answer itself, such as 100 Continue.
      if (this.#answer!.status < 200) {
        this.#answer = undefined
        return this.push(bytes)
      }
    }
    if (this.#framing === 'chunks') return this.#readChunks(bytes) ? this.#finish() : undefined
    this.#skip(bytes, 0)
    return this.#framing === 'length' && this.#left === 0 ? this.#finish() : undefined
  }

  /** The connection was ended. @returns the answer that ends with it */
  end(): Answer | undefined {
    return this.#answer && this.#framing === 'close' ? this.#finish() : undefined
  }

  // --- internal ---

  #begin(head: string): void {
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]
    if (status === undefined) throw new Error(`expected an HTTP/1.1 answer, found ${JSON.stringify(head.slice(0, 60))}`)
    const length = valueIn(head, 'content-length')
    const isBodiless = status === '204' || status === '304' || status.startsWith('1')
    const isChunked = !isBodiless && valueIn(head, 'transfer-encoding')?.toLowerCase() === 'chunked'
    this.#framing = isChunked ? 'chunks' : length !== undefined || isBodiless ? 'length' : 'close'
    this.#left = isBodiless || isChunked ? 0 : Number(length ?? 0)
    this.#isLastChunk = false
    const isKept = this.#framing !== 'close' && valueIn(head, 'connection')?.toLowerCase() !== 'close'
    this.#answer = { status: Number(status), head, body: '', isKept }
  }

  #finish(): Answer {
    const answer = this.#answer!
    this.#answer = undefined
    return answer
  }

  /** @returns where it goes on behind the bytes that were due */
  #skip(bytes: Buffer, at: number): number {
    const end = this.#framing === 'close' ? bytes.length : Math.min(bytes.length, at + this.#left)
    const answer = this.#answer!
    if (answer.status >= 400 && answer.body.length < keptOfErrors) answer.body += bytes.toString('utf8', at, end)
    this.#left -= end - at
    return end
  }

  /** @returns whether the last one was read */
  #readChunks(bytes: Buffer): boolean {
    let at = 0
    for (;;) {
      at = this.#skip(bytes, at)
      if (this.#left > 0) return false
      const end = bytes.indexOf('\r\n', at)
      if (end === -1) {
        this.#pending = bytes.subarray(at)
        return false
      }
      const line = bytes.toString('latin1', at, end)
      at = end + 2
      // Empty: behind a chunk, or at the end of all. Others behind the last chunk are trailers.
      if (line === '' && this.#isLastChunk) return true
      if (line === '' || this.#isLastChunk) continue
      this.#left = parseInt(line, 16)
      if (Number.isNaN(this.#left)) throw new Error(`expected the size of a chunk, found ${JSON.stringify(line)}`)
      this.#isLastChunk = this.#left === 0
    }
  }
}

/** A header's value in the head of an answer. @param name in small letters */
export function valueIn(head: string, name: string): string | undefined {
  // Node and most servers write a header's name in one of these ways; a search by letters in any case costs three times.
  let at = head.indexOf(`\r\n${name}:`)
  if (at === -1) at = head.toLowerCase().indexOf(`\r\n${name}:`)
  if (at === -1) return undefined
  return head.slice(at + name.length + 3, head.indexOf('\r\n', at + 2)).trim()
}

// --- internal ---

/** Characters of an error's body: its message is among them. */
const keptOfErrors = 16_384

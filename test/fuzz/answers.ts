/** An answer as it came. */
export interface Answer {
  status: number
  /** By lower-case name. */
  headers: Record<string, string>
  /** Undefined where it is longer than what is looked at. */
  body: string | undefined
  bodyBytes: number
}

const maxBodyBytes = 8_000_000

/** Reads answers from the bytes of a connection, one after the other; interim ones (1xx) are left out. */
export class AnswerReader {
  readonly answers: Answer[] = []
  readonly #isHead: boolean
  #head = Buffer.alloc(0)
  #current: Answer | undefined
  #parts: Buffer[] = []
  /** Bytes of the body that are still to come; Infinity: until the connection ends. */
  #missing = 0
  #isChunked = false
  #isLast = false
  /** Of a chunk's size, or of the line break behind a chunk. */
  #line = ''

  constructor(isHead: boolean) {
    this.#isHead = isHead
  }

  /** Bytes of what is no whole answer. */
  get rest(): number {
    return this.#head.length + (this.#current ? this.#current.bodyBytes + 1 : 0)
  }

  push(chunk: Buffer): void {
    let bytes = chunk
    while (bytes.length > 0) bytes = this.#read(bytes)
  }

  /** The connection has ended. */
  end(): void {
    if (this.#missing === Infinity && !this.#isChunked) this.#finish()
  }

  // --- internal ---

  #read(bytes: Buffer): Buffer {
    if (!this.#current) return this.#readHead(bytes)
    return this.#isChunked && this.#missing === Infinity ? this.#readSize(bytes) : this.#readBody(bytes)
  }

  /** The line that says how long the next chunk is. */
  #readSize(bytes: Buffer): Buffer {
    const end = bytes.indexOf('\n')
    this.#line += bytes.toString('latin1', 0, end === -1 ? bytes.length : end)
    if (end === -1) return Buffer.alloc(0)
    const text = this.#line.trim()
    this.#line = ''
    // Behind a chunk stands an empty line; behind the last, too, and no trailers.
    if (text === '' && this.#isLast) this.#finish()
    else if (text !== '' && parseInt(text, 16) === 0) this.#isLast = true
    else if (text !== '') this.#missing = parseInt(text, 16)
    return bytes.subarray(end + 1)
  }

  #readHead(bytes: Buffer): Buffer {
    this.#head = Buffer.concat([this.#head, bytes])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return Buffer.alloc(0)
    const [first = '', ...lines] = this.#head.toString('latin1', 0, end).split('\r\n')
    const rest = this.#head.subarray(end + 4)
    this.#head = Buffer.alloc(0)
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1] ?? NaN)
    if (status >= 100 && status < 200) return rest
    const headers = Object.fromEntries(lines.map((line) => splitHeader(line)))
    this.#current = { status, headers, body: '', bodyBytes: 0 }
    const hasNone = this.#isHead || status === 204 || status === 304
    this.#isChunked = !hasNone && headers['transfer-encoding'] === 'chunked'
    const length = headers['content-length']
    this.#missing = hasNone ? 0 : length === undefined ? Infinity : Number(length)
    if (this.#missing === 0) this.#finish()
    return rest
  }

  #readBody(bytes: Buffer): Buffer {
    const part = bytes.subarray(0, Math.min(bytes.length, this.#missing))
    this.#missing -= part.length
    this.#current!.bodyBytes += part.length
    if (this.#current!.bodyBytes <= maxBodyBytes) this.#parts.push(part)
    else this.#parts = []
    const rest = bytes.subarray(part.length)
    if (this.#missing === 0 && this.#isChunked) this.#missing = Infinity
    else if (this.#missing === 0) this.#finish()
    return rest
  }

  #finish(): void {
    const answer = this.#current!
    answer.body = answer.bodyBytes > maxBodyBytes ? undefined : Buffer.concat(this.#parts).toString()
    this.answers.push(answer)
    this.#current = undefined
    this.#parts = []
    this.#missing = 0
    this.#isLast = false
  }
}

// --- internal ---

function splitHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

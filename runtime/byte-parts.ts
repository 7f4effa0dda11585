/** Parts that are smaller are copied together, into blocks that grow from this size up. */
const smallBytes = 4096
const largestBlockBytes = 65_536

/**
 * A body as it comes, in parts. A caller decides how small they are, and each is an object of two hundred bytes: ten megabytes
 * of chunks of one byte would be most of a gigabyte.
 */
export class ByteParts {
  readonly #parts: Buffer[] = []
  /** What small parts are copied into, and how much of it is written. */
  #block: Buffer | undefined
  #written = 0
  #nextBlockBytes = smallBytes

  /** What is large enough, or comes first, is kept as it is: not to be changed. */
  add(part: Buffer): void {
    const isFirst = this.#parts.length === 0 && this.#written === 0
    if (isFirst || part.length >= smallBytes) {
      this.#close()
      this.#parts.push(part)
      return
    }
    if (!this.#block || this.#block.length - this.#written < part.length) {
      this.#close()
      this.#block = Buffer.allocUnsafeSlow(this.#nextBlockBytes)
      this.#nextBlockBytes = Math.min(this.#nextBlockBytes * 2, largestBlockBytes)
    }
    part.copy(this.#block, this.#written)
    this.#written += part.length
  }

  /** All that came, in order. */
  take(): Buffer[] {
    this.#close()
    return this.#parts.splice(0)
  }

  // --- internal ---

  /** What follows is written behind what is in the block. */
  #close(): void {
    if (!this.#block || this.#written === 0) return
    this.#parts.push(this.#block.subarray(0, this.#written))
    this.#block = this.#block.subarray(this.#written)
    this.#written = 0
  }
}

/**
 * Passes on together what comes in one turn of the loop: a caller may write chunks of one byte, and ten thousand of them
 * come in one read.
 */
export function gatherTurn(pass: (part: Buffer) => void): { add(chunk: Buffer): void; flush(): void } {
  const parts = new ByteParts()
  let turn: NodeJS.Immediate | undefined
  const flush = () => {
    clearImmediate(turn)
    turn = undefined
    for (const part of parts.take()) pass(part)
  }
  const add = (chunk: Buffer) => {
    parts.add(chunk)
    turn ??= setImmediate(flush)
  }
  return { add, flush }
}

/** Bytes in the order in which they came, to be searched over the borders of the chunks that they came in. */
export class ByteQueue {
  #bytes = Buffer.alloc(0)
  #start = 0
  #end = 0

  get length(): number {
    return this.#end - this.#start
  }

  append(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) {
      // What was taken is a view of the old memory, which is never written to again.
      const grown = Buffer.allocUnsafe(Math.max(65_536, (this.length + chunk.length) * 2))
      this.#bytes.copy(grown, 0, this.#start, this.#end)
      this.#end -= this.#start
      this.#start = 0
      this.#bytes = grown
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Where a word begins, from the first byte that is left; -1: nowhere. */
  indexOf(word: Buffer, from: number): number {
    return this.#bytes.subarray(this.#start, this.#end).indexOf(word, from)
  }

  at(index: number): number | undefined {
    return index < this.length ? this.#bytes[this.#start + index] : undefined
  }

  /** Takes so many bytes from the front: a view. */
  take(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#start, this.#start + length)
    this.#start += length
    return taken
  }
}

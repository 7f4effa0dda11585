import { PelletError } from '../errors.ts'
import { formatBytes } from '../units.ts'

/**
 * Bytes that main holds for jobs and batches until it is their turn: bodies are gathered only for these, and only so many.
 */
export class Room {
  readonly #maxBytes: () => number
  readonly #waiting = new Set<() => void>()
  #bytes = 0

  constructor(maxBytes: () => number) {
    this.#maxBytes = maxBytes
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes()
  }

  /** @throws PelletError `overloaded` when there is no room for so many more */
  take(bytes: number): void {
    const maxBytes = this.#maxBytes()
    if (this.#bytes + bytes > maxBytes)
      throw new PelletError(
        'overloaded',
        `expected at most ${formatBytes(maxBytes)} of bodies that wait (max_bytes_in_flight), found more; try again`,
        { retryAfterMs: 1000 },
      )
    this.#bytes += bytes
  }

  /** Takes them whether there is room or not: for bytes that are there already. */
  hold(bytes: number): void {
    this.#bytes += bytes
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes
    if (this.isFull) return
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** Resolves when it is not full any more. */
  async hasRoom(): Promise<void> {
    while (this.isFull) await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }
}

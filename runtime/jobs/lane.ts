/**
 * Places for the requests that main makes itself for one deployment: so many at once, the others in the order in which they
 * came. What waits here is in nobody's queue.
 */
export class Lane {
  readonly #places: () => number
  readonly #waiting = new Set<() => void>()
  #taken = 0

  /** @param places how many there are now */
  constructor(places: () => number) {
    this.#places = places
  }

  /** Nobody is in it. */
  get isIdle(): boolean {
    return this.#taken === 0 && this.#waiting.size === 0
  }

  /**
   * Waits for a place.
   * @returns what gives it back
   * @throws the signal's reason when that aborts before
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#taken >= this.#places()) await this.#turn(signal)
    else this.#taken++
    let isBack = false
    return () => {
      if (isBack) return
      isBack = true
      this.#taken--
      this.#admit()
    }
  }

  // --- internal ---

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.delete(enter)
        reject(signal.reason as Error)
      }
      this.#waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #admit(): void {
    for (const enter of this.#waiting) {
      if (this.#taken >= this.#places()) return
      this.#waiting.delete(enter)
      this.#taken++
      enter()
    }
  }
}

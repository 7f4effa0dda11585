/** Lets as many in at a time as there is room for, in the order of arrival. */
export class Turnstile {
  #room: number
  readonly #waiting: (() => void)[] = []

  constructor(room: number) {
    this.#room = room
  }

  /** Resolves when it is this caller's turn; `leave` is then due. */
  enter(): Promise<void> {
    if (this.#room === 0) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#room--
    return Promise.resolve()
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#room++
  }
}

/** Lets in at a time what there is room for, in the order of arrival. */
export class Turnstile {
  readonly size: number
  #room: number
  readonly #waiting: { weight: number; enter: () => void }[] = []

  constructor(size: number) {
    this.size = size
    this.#room = size
  }

  /**
   * Resolves when it is this caller's turn; `leave` with the same weight is then due.
   * @param weight what the caller takes of the room; never in where that is more than `size`
   */
  enter(weight = 1): Promise<void> {
    if (this.#waiting.length > 0 || weight > this.#room)
      return new Promise((enter) => this.#waiting.push({ weight, enter }))
    this.#room -= weight
    return Promise.resolve()
  }

  leave(weight = 1): void {
    this.#room += weight
    for (let next = this.#waiting[0]; next && next.weight <= this.#room; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#room -= next.weight
      next.enter()
    }
  }
}

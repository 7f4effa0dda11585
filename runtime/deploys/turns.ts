/** Work that is done one after the other: each decides by what the one before has made. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #current = ''

  /** Whose work is under way; empty for nobody's. */
  get current(): string {
    return this.#current
  }

  take<Result>(who: string, work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(async () => {
      this.#current = who
      try {
        return await work()
      } finally {
        this.#current = ''
      }
    })
    this.#last = result.catch(() => {})
    return result
  }
}

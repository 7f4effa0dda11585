/** Work that is done one after the other: each decides by what the one before has made. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #current: string | undefined

  /** Whose work is under way. */
  get current(): string | undefined {
    return this.#current
  }

  take<Result>(who: string, work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(async () => {
      this.#current = who
      try {
        return await work()
      } finally {
        this.#current = undefined
      }
    })
    this.#last = result.catch(() => {})
    return result
  }
}

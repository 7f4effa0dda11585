import type { Clock } from '../clock.ts'
import type { Isolate } from '../isolate/isolate.ts'

/** Why an isolate is examined. `exchange`: main gave this request up; the isolate may not have. */
export interface Doubt {
  cause: string
  exchange?: string
}

/** What may follow from an examination; the owner of the isolates does it. */
export interface Verdicts {
  isAlive(isolate: Isolate): boolean
  suspend(isolate: Isolate): void
  resume(isolate: Isolate): void
  retire(isolate: Isolate): void
  hung(isolate: Isolate, message: string): void
}

/** An isolate in doubt that is silent for so long is replaced, whatever becomes of it. */
const doubtfulAfterMs = 250
/** An isolate in doubt has this long to say that it still works. A long inference may be in the way. */
const hungAfterMs = 3000
/** Between two looks at whether a request that was given up still runs. */
const longestPauseMs = 500

/** Finds out what became of isolates in doubt. */
export class Examiner {
  readonly #clock: Clock
  readonly #verdicts: Verdicts

  constructor(clock: Clock, verdicts: Verdicts) {
    this.#clock = clock
    this.#verdicts = verdicts
  }

  /** An isolate that may have ended, or hang: lets it go on, retires it, or has it ended. */
  async examine(isolate: Isolate, { cause, exchange }: Doubt): Promise<void> {
    const verdicts = this.#verdicts
    verdicts.suspend(isolate)
    let active = await isolate.ping(doubtfulAfterMs)
    if (active === undefined && verdicts.isAlive(isolate)) {
      // Those who wait need not wait for the outcome: another isolate is loaded for them, this one takes no more.
      verdicts.retire(isolate)
      active = await isolate.ping(hungAfterMs - doubtfulAfterMs)
    }
    const isRunning = () => exchange !== undefined && active?.includes(exchange) === true
    // The end of its connection, which the steps heed, may reach the isolate after the question: they get a moment.
    for (let pauseMs = 10; isRunning() && pauseMs < longestPauseMs; pauseMs *= 2) {
      await this.#pause(pauseMs)
      active = await isolate.ping(hungAfterMs)
    }
    if (!verdicts.isAlive(isolate)) return
    if (active === undefined) {
      const { name } = isolate.deployment
      const seconds = hungAfterMs / 1000
      verdicts.hung(isolate, `${name}: it did not answer for ${seconds} s after ${cause}; its code loops or blocks`)
      return
    }
    // Steps end when they notice the signal; one that never does would pile up, so its isolate is replaced.
    if (isRunning()) verdicts.retire(isolate)
    else verdicts.resume(isolate)
  }

  /** Waits until a request that main gave up has ended in the isolate as well, at the latest until its deadline. */
  async outlast(isolate: Isolate, exchange: string, deadlineAt: number): Promise<void> {
    for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      const leftMs = deadlineAt - this.#clock.now()
      const active = leftMs > 0 ? await isolate.ping(leftMs) : undefined
      if (!this.#verdicts.isAlive(isolate) || active?.includes(exchange) === false) return
      if (active === undefined) return this.examine(isolate, { cause: 'a deadline passed', exchange })
      await this.#pause(Math.min(pauseMs, leftMs))
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.alarm(this.#clock.now() + ms, resolve))
  }
}

import type { Clock } from '../../clock.ts'

/** The longest that each may take; a device that takes longer hangs, and only the end of the process frees it. */
export const operationLimits = {
  open: 20_000,
  identify: 10_000,
  load: 60_000,
  unload: 20_000,
  close: 10_000,
  priority: 10_000,
  query: 30_000,
}
export type OperationLimits = Record<keyof typeof operationLimits, number>

export interface TurnsOptions {
  clock: Clock
  limits: OperationLimits
  /** An operation hangs. Nothing waits for it any more. */
  onHung(message: string): void
}

/** One control operation of the device at a time, in the order in which they came, each within its time. */
export class Turns {
  readonly #options: TurnsOptions
  #last: Promise<unknown> = Promise.resolve()
  #operation: { what: string; sinceMs: number } | undefined

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  /** What is under way, and since when on the clock. */
  get operation(): { what: string; sinceMs: number } | undefined {
    return this.#operation
  }

  /** Runs `work` when all that came before is over. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }

  /** One call of the device, in a turn. */
  async call<T>(operation: keyof OperationLimits, name: string, work: () => Promise<T>): Promise<T> {
    const { clock, limits, onHung } = this.#options
    const sinceMs = clock.now()
    const what = name === '' ? operation : `${operation} ${name}`
    this.#operation = { what, sinceMs }
    const cancel = clock.alarm(sinceMs + limits[operation], () =>
      onHung(`${what}: expected the NPU's answer within ${limits[operation]} ms, found none`),
    )
    try {
      return await work()
    } finally {
      cancel()
      this.#operation = undefined
    }
  }
}

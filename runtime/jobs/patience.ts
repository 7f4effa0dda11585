import type { ErrorCode } from '../errors.ts'

/**
 * How long what was refused is tried again, in milliseconds since the deployment last served anything of the kind. Busy
 * passes; what cannot be loaded most likely stays so.
 */
const patienceMs: Partial<Record<ErrorCode, number>> = {
  queue_full: 300_000,
  dropped: 300_000,
  overloaded: 300_000,
  load_failed: 30_000,
  out_of_memory: 30_000,
}
/** It broke while it ran: perhaps for another's sake, perhaps for its own, and then it must not break the next as well. */
const mostCrashes = 1
const longestPauseMs = 10_000

/** Whether a request that nobody watches is made again after a refusal, and when. One for each deployment. */
export class Patience {
  readonly #now: () => number
  #refusedSince: number | undefined

  /** @param now in milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * @param code the error's; undefined: it was answered well
   * @param retryAfterMs what the refusal says; undefined: nothing
   * @param attempts how often the request was made
   * @returns how long to wait before it is made again; undefined: its answer stands
   */
  pauseMs(code: string | undefined, retryAfterMs: number | undefined, attempts: number): number | undefined {
    const mostMs = patienceMs[code as ErrorCode]
    if (mostMs === undefined) this.#refusedSince = undefined
    if (retryAfterMs === undefined) return undefined
    const pauseMs = Math.min(retryAfterMs, longestPauseMs)
    if (code === 'isolate_crashed') return attempts <= mostCrashes ? pauseMs : undefined
    if (mostMs === undefined) return undefined
    this.#refusedSince ??= this.#now()
    return this.#now() + pauseMs - this.#refusedSince <= mostMs ? pauseMs : undefined
  }

  /** Nothing is wanted any more: what comes later begins anew. */
  forget(): void {
    this.#refusedSince = undefined
  }
}

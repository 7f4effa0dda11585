/** Time as the scheduler sees it: monotonic, in milliseconds, and replaceable in tests. */
export interface Clock {
  now(): number
  /** Calls back at or after `at` (on this clock). Returns what takes it back. */
  alarm(at: number, callback: () => void): () => void
}

/** setTimeout fires at once for longer delays (2^31 ms); alarms beyond it are set again on the way. */
const longestTimeoutMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  alarm(at, callback) {
    let timer: NodeJS.Timeout
    const set = () => {
      const delay = Math.max(0, at - performance.now())
      timer = setTimeout(delay > longestTimeoutMs ? set : callback, Math.min(delay, longestTimeoutMs))
      timer.unref()
    }
    set()
    return () => clearTimeout(timer)
  },
}

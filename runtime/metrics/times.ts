/**
 * Durations in buckets, as a Prometheus histogram has them. Counting one is a few comparisons and two additions; prom-client's
 * own histogram puts the labels together anew for each (0.5 us, and a request has ten of them).
 */
export class Times {
  readonly #boundsS: readonly number[]
  /** Of each bucket alone; the last is above all bounds. */
  readonly #counts: number[]
  count = 0
  sumS = 0

  /** @param boundsS upper ends of the buckets in seconds, rising */
  constructor(boundsS: readonly number[]) {
    this.#boundsS = boundsS
    this.#counts = Array<number>(boundsS.length + 1).fill(0)
  }

  addMs(ms: number): void {
    const seconds = ms / 1000
    let at = 0
    while (at < this.#boundsS.length && seconds > this.#boundsS[at]!) at++
    this.#counts[at]!++
    this.count++
    this.sumS += seconds
  }

  /** Adds all that another one of the same buckets has counted. */
  merge(other: Times): void {
    for (const [at, count] of other.#counts.entries()) this.#counts[at]! += count
    this.count += other.count
    this.sumS += other.sumS
  }

  /** The buckets as they are exported: each with all that are below it. */
  buckets(): { le: string; count: number }[] {
    let below = 0
    return this.#counts.map((count, at) => {
      below += count
      return { le: at === this.#boundsS.length ? '+Inf' : String(this.#boundsS[at]), count: below }
    })
  }
}

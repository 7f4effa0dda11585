import type { ServerResponse } from 'node:http'
import type { RouteTarget } from '../http/route-table.ts'

/** What became of a deployment's inference requests since Pellet started. */
export interface Tally {
  /** Answered well. */
  inferences: number
  /** Answered with a 5xx. */
  errors: number
  /** What the last 5xx said. */
  lastError?: string
  /** How long the last answered inference took, from its headers to the end of its answer. */
  latencyMs?: number
}

/** Counts for each deployment, on the path of every request: plain numbers. */
export class Tallies {
  readonly #tallies = new Map<string, Tally>()

  of(name: string): Tally {
    let tally = this.#tallies.get(name)
    if (!tally) this.#tallies.set(name, (tally = { inferences: 0, errors: 0 }))
    return tally
  }

  /** Counts a request when it is over. */
  watch({ deployment }: RouteTarget, res: ServerResponse): void {
    const since = performance.now()
    res.once('close', () => {
      // The caller left before there was an answer.
      if (!res.headersSent) return
      const tally = this.of(deployment.name)
      if (res.statusCode >= 500) tally.errors++
      else if (res.statusCode < 400) {
        tally.inferences++
        tally.latencyMs = Math.round((performance.now() - since) * 1000) / 1000
      }
    })
  }
}

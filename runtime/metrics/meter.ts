import type { ServerResponse } from 'node:http'
import type { Deployment } from '../deployments/deployment.ts'
import type { CacheCount } from '../results/cache-rows.ts'
import { Instruments } from './instruments.ts'

/** What became of a deployment's inference requests since Pellet started. */
export interface Tally {
  /** Answered well. */
  inferences: number
  /** Answered with a 5xx. */
  errors: number
  /** What the last 5xx said. */
  lastError?: string
  /** How long the last one that was answered well took, from its headers to the end of its answer. */
  latencyMs?: number
}

/** Told before a request is over: what it fails with. */
export type Failed = (status: number, code: string, message: string) => void

export interface MeterOptions {
  version: string
  /** Names of the deployments whose model is loaded now. */
  loaded(): Set<string>
  kept(): CacheCount[]
}

/** Counts inference requests for status routes and metrics; on the path of each of them. */
export class Meter {
  readonly #options: MeterOptions
  readonly #tallies = new Map<string, Tally>()
  readonly #all: Instruments
  readonly #alone = new Map<string, Instruments>()

  constructor(options: MeterOptions) {
    this.#options = options
    this.#all = new Instruments(options)
  }

  /** A deployment goes live: its series begin at zero, and are kept for it alone where it has ports of its own. */
  deploy(deployment: Deployment): void {
    const { name, manifest } = deployment
    this.#all.add(deployment)
    if (manifest.listen.length === 0) return
    const alone = this.#alone.get(name) ?? new Instruments(this.#options)
    alone.add(deployment)
    this.#alone.set(name, alone)
  }

  /** A deployment is gone. What was counted of it stays in the series of all. */
  remove(name: string): void {
    this.#all.remove(name)
    this.#alone.delete(name)
    this.#tallies.delete(name)
  }

  tallyOf(name: string): Tally {
    let tally = this.#tallies.get(name)
    if (!tally) this.#tallies.set(name, (tally = { inferences: 0, errors: 0 }))
    return tally
  }

  /** Prometheus text of all deployments, or of one that has ports of its own. */
  text(name?: string): Promise<string> {
    return ((name !== undefined && this.#alone.get(name)) || this.#all).text()
  }

  /**
   * A request begins; it is counted when its answer is over.
   * @param route e.g. `POST /v1/detect`
   */
  begin(deployment: Deployment, route: string, res: ServerResponse): Failed {
    const since = performance.now()
    let failure: { status: number; code: string; message: string } | undefined
    res.once('close', () => {
      const ms = performance.now() - since
      const status = failure?.status ?? (res.writableFinished ? res.statusCode : callerLeft)
      const tally = this.tallyOf(deployment.name)
      // No model had a part in an answer that was kept.
      const isKept = deployment.manifest.cache !== undefined && res.getHeader('x-cache') === 'hit'
      if (status < 400 && !isKept) {
        tally.inferences++
        tally.latencyMs = Math.round(ms * 1000) / 1000
      } else if (status >= 500) {
        tally.errors++
        if (failure) tally.lastError = failure.message
      }
      const request = { deployment, route, status, ms, code: failure?.code, isKept }
      this.#all.count(request)
      this.#alone.get(deployment.name)?.count(request)
    })
    return (status, code, message) => (failure = { status, code, message })
  }
}

// --- internal ---

/** What proxies count a caller as who did not wait for the answer; it is never sent. */
const callerLeft = 499

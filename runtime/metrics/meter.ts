import type { ServerResponse } from 'node:http'
import { modelNameOf, type Deployment } from '../deployments/deployment.ts'
import { DeploymentCounts, type Tally } from './counts.ts'
import type { Facts } from './facts.ts'
import type { Families } from './families.ts'
import { createInstruments, type Books, type DeployResult } from './instruments.ts'
import { LifeCounts } from './lives.ts'
import { RequestCount } from './request-count.ts'

/** Counts what happens, for status routes and metrics. */
export class Meter {
  readonly #facts: Facts
  readonly #books: Books = { live: new Map(), counts: new Map(), deploys: { done: 0, failed: 0 } }
  readonly #tallies = new Map<string, Tally>()
  readonly #all: Families
  readonly #alone = new Map<string, Families>()
  /** Told of the lives of isolates. */
  readonly lives = new LifeCounts((name) => this.#countsOf(name))

  constructor(facts: Facts) {
    this.#facts = facts
    this.#all = createInstruments(facts, this.#books)
  }

  /** A deployment goes live: its series begin at zero. They are exported for it alone, too, where it has ports of its own. */
  deploy(deployment: Deployment): void {
    const { name, manifest } = deployment
    this.#books.live.set(name, deployment)
    const counts = this.#countsOf(name)
    for (const { method, path } of manifest.routes) counts.routeOf(`${method} ${path}`)
    counts.modelOf(modelNameOf(deployment))
    if (manifest.listen.length > 0 && !this.#alone.has(name))
      this.#alone.set(name, createInstruments(this.#facts, this.#books, name))
  }

  /** A deployment is gone, and what could be said of it now. What was counted of it stays, as of a process that goes on. */
  remove(name: string): void {
    this.#books.live.delete(name)
    this.#alone.delete(name)
    this.#tallies.delete(name)
  }

  /** A deploy or a rollback has ended. */
  deployed(result: DeployResult): void {
    this.#books.deploys[result]++
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
  begin(deployment: Deployment, route: string, res: ServerResponse): RequestCount {
    const { name } = deployment
    const request = new RequestCount(deployment, route, res)
    res.once('close', () => request.end(this.#countsOf(name), this.tallyOf(name)))
    return request
  }

  // --- internal ---

  #countsOf(name: string): DeploymentCounts {
    let counts = this.#books.counts.get(name)
    if (!counts) this.#books.counts.set(name, (counts = new DeploymentCounts()))
    return counts
  }
}

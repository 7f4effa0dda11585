import type { Config } from './config.ts'
import { forDebugging } from './deployments/debugging.ts'
import { fileOf, isFailed, isSame, shownEngine } from './deployments/deployment.ts'
import type { Compilation, Deployment, DeploymentResult, Origin } from './deployments/deployment.ts'
import type { Dispatcher } from './deployments/dispatcher.ts'
import { removeOldBundles } from './deployments/old-bundles.ts'
import type { Preloads } from './deployments/preloads.ts'
import { ProblemLog } from './deployments/problem-log.ts'
import { reconcile } from './deployments/reconcile.ts'
import { Sources, type Joined } from './deployments/sources.ts'
import type { StagedRevision } from './deployments/staged.ts'
import type { OwnPorts } from './http/own-ports.ts'
import { RouteTable } from './http/route-table.ts'
import type { Logger } from './log.ts'
import type { Meter } from './metrics/meter.ts'
import { routeNames } from './manifest/paths.ts'

export interface LiveOptions {
  config: Config
  log: Logger
  dispatcher: Dispatcher
  preloads: Preloads
  meter: Meter
  ports: OwnPorts
  /** The deployment that somebody debugs. */
  inspected: string | undefined
  /** The routes are others now. */
  onRoutes(): void
}

/** What serves: kept as the project's files and what is deployed want it. */
export class Live {
  routes = new RouteTable([], [])
  readonly #options: LiveOptions
  readonly #problems: ProblemLog
  readonly #sources = new Sources()
  /** By name: when the revision that serves went live, in ms since 1970. */
  readonly #since = new Map<string, number>()
  /** A deploy, from its decision until it is live. */
  #switching: Promise<void> | undefined
  #isOver = false

  constructor(options: LiveOptions) {
    this.#options = options
    this.#problems = new ProblemLog(options.log)
  }

  /** Begins with what was deployed before and what the project's files give. */
  start(dropped: readonly DeploymentResult[], deployed: readonly DeploymentResult[]): Promise<void> {
    for (const result of deployed) this.#sources.set(result.name, result)
    return this.take(dropped)
  }

  /**
   * Takes what the project's files give now: what changed goes live or goes away, all else is left as it is. Resolves when
   * each new port was tried once.
   * @param renewed what was deployed, compiled anew, since the NPU came or went; where it was replaced meanwhile, it stays so
   */
  async take(dropped: readonly DeploymentResult[], renewed: readonly DeploymentResult[] = []): Promise<void> {
    this.#sources.dropped = dropped
    await this.#settled()
    for (const result of renewed) if (!isFailed(result)) this.#sources.renew(result)
    await this.#apply()
  }

  /** As `take`, where other files give what they gave before. */
  takeSome(results: readonly DeploymentResult[]): Promise<void> {
    return this.take(this.#sources.droppedWith(results))
  }

  /** What would serve and what would be refused, were this deployed under the name, or nothing any more. */
  rehearse(name: string, deployed: Deployment | undefined): Compilation {
    return this.#reconcile(this.#sources.joinedWith(name, deployed))
  }

  /**
   * Has a name served by what is deployed, or by nothing that is: in the turn in which `commit` has made it so for good.
   * Meanwhile nothing else changes, so that what `commit` decides holds.
   * @param staged its isolate, warm
   * @throws what `commit` throws; then nothing has changed
   */
  async switch(
    name: string,
    deployed: Deployment | undefined,
    commit: () => Promise<void>,
    staged?: StagedRevision,
  ): Promise<void> {
    await this.#settled()
    const switching = async () => {
      await commit()
      this.#sources.set(name, deployed)
      await this.#apply(staged)
    }
    await (this.#switching = switching().finally(() => (this.#switching = undefined)))
  }

  /** The project's files of a name: where something is deployed under it, they are shadowed. */
  droppedAs(name: string): Origin | undefined {
    return this.#sources.droppedAs(name)
  }

  /** When the revision that serves went live, in ms since 1970. */
  since(name: string): number | undefined {
    return this.#since.get(name)
  }

  /** Nothing changes any more. */
  stop(): void {
    this.#isOver = true
  }

  // --- internal ---

  async #settled(): Promise<void> {
    while (this.#switching) await this.#switching.catch(() => {})
  }

  #reconcile({ results }: Joined): Compilation {
    const { inspected, config } = this.#options
    const live = [...this.routes.deployments.values()]
    const wanted = results.map((result) => (result.name === inspected ? forDebugging(result) : result))
    return reconcile({ live, results: wanted, ownPort: config.port })
  }

  async #apply(staged?: StagedRevision): Promise<void> {
    if (this.#isOver) return
    const { config, dispatcher, preloads, ports, onRoutes } = this.#options
    const before = this.routes.deployments
    const joined = this.#sources.joined()
    const { deployments, failures } = this.#reconcile(joined)
    const loaded = loadedOf(dispatcher)
    this.#problems.update(failures, new Set(deployments.map(fileOf)))
    const names = new Set(deployments.map(({ name }) => name))
    for (const name of before.keys()) if (!names.has(name)) this.#remove(name)
    const changed = deployments.filter((deployment) => !isSame(before.get(deployment.name), deployment))
    for (const deployment of deployments) {
      if (staged?.deployment.revision === deployment.revision) staged.promote(deployment)
      else dispatcher.deploy(deployment)
    }
    for (const deployment of changed) this.#deploy(deployment)
    this.routes = new RouteTable(deployments, failures)
    onRoutes()
    for (const deployment of changed)
      preloads.warm(deployment, !before.has(deployment.name), loaded.has(deployment.name))
    const compiled = [...joined.results, ...joined.shadowed.values()].flatMap((one) => (isFailed(one) ? [] : one))
    const bundles = [...compiled, ...dispatcher.revisions()].flatMap(({ bundleFile }) => bundleFile ?? [])
    void removeOldBundles(config.dataFolder, new Set(bundles))
    // After the preloads: what asks at these ports finds its deployment loading, not ready by mistake.
    await ports.update(deployments)
  }

  /** A revision goes live: its deployment is new, or those in flight finish on the old one. */
  #deploy(deployment: Deployment): void {
    const { log, meter } = this.#options
    const { name, revision, manifest, notes, origin } = deployment
    const engine = shownEngine(deployment)
    meter.deploy(deployment)
    this.#since.set(name, origin.deployed?.atMs || Date.now())
    for (const note of notes) log.info({ deployment: name }, note)
    const routes = routeNames(manifest.routes)
    log.info({ deployment: name, revision: revision.slice(0, 12), engine, routes }, 'deployed')
  }

  #remove(name: string): void {
    const { log, dispatcher, meter, preloads } = this.#options
    dispatcher.remove(name)
    meter.remove(name)
    preloads.remove(name)
    this.#since.delete(name)
    log.info({ deployment: name }, 'removed: its files are gone, or what was deployed is deleted')
  }
}

// --- internal ---

/** Names of the deployments whose model is loaded. */
function loadedOf(dispatcher: Dispatcher): Set<string> {
  const rows = dispatcher.snapshot().filter(({ state }) => state === 'ready')
  return new Set(rows.map(({ name }) => name))
}

import { rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { Storage } from 'unstorage'
import { Gate } from './auth/gate.ts'
import { TokenStore } from './auth/token-store.ts'
import { systemClock, type Clock } from './clock.ts'
import { adminSocketPath, type Config } from './config.ts'
import type { Compiled } from './deployments/compiler.ts'
import { forDebugging } from './deployments/debugging.ts'
import { fileOf, isFailed } from './deployments/deployment.ts'
import type { Compilation, Deployment, DeploymentResult, Origin } from './deployments/deployment.ts'
import { Dispatcher } from './deployments/dispatcher.ts'
import type { Inspect } from './deployments/isolates.ts'
import { removeOldBundles } from './deployments/old-bundles.ts'
import { Preloads } from './deployments/preloads.ts'
import { ProblemLog } from './deployments/problem-log.ts'
import { reconcile } from './deployments/reconcile.ts'
import { Sources, type Joined } from './deployments/sources.ts'
import { openSizeBook, type SizeBook } from './deployments/size-book.ts'
import { Deploys } from './deploys/deploys.ts'
import { createHandler } from './http/app.ts'
import { createAcceptedHandler } from './http/accepted.ts'
import { listenForCalls } from './http/calls.ts'
import { InheritedSockets } from './http/inherited.ts'
import {
  answersSent,
  closeListeners,
  isAnswered,
  listenInherited,
  listenTcp,
  listenUnix,
  type Listener,
} from './http/listeners.ts'
import { createOwnHandler } from './http/own-port.ts'
import { OwnPorts } from './http/own-ports.ts'
import { Proxy, stopping } from './http/proxy.ts'
import { RouteTable } from './http/route-table.ts'
import type { Logger, Logs } from './log.ts'
import type { LogRing } from './log-ring.ts'
import { JobDesk } from './jobs/desk.ts'
import { factsOf } from './metrics/facts.ts'
import { messageOf } from './errors.ts'
import { ModelFetches } from './models/fetches.ts'
import { Meter } from './metrics/meter.ts'
import { ResultCache } from './results/result-cache.ts'
import type { Damage } from './storage/atomic-fs.ts'
import { createResultsDriver, resultsTraits } from './storage/results-driver.ts'
import { createDataStore, formatDamage } from './storage/storage.ts'
import { callsSocketName } from './isolate/calls.ts'
import { createPrivateFolder, socketFolderOf } from './socket-folder.ts'
import { createTidier } from './tidy-memory.ts'
import { readVersion } from './version.ts'
import { Vitals } from './vitals.ts'

/** How long every answer says `Connection: close` before nothing new is accepted. */
const farewellMs = 500
/** What an answer that is ready may take to be written, even when the grace time is over. */
const flushMs = 250

/** What was there before: in the data folder, and open. */
interface Kept {
  storage: Storage
  tokens: TokenStore
  sizes: SizeBook
  sockets: InheritedSockets
}

export interface StartOptions {
  /** Whose isolate has a debugger. */
  inspect?: Inspect | undefined
  /** Open before this process; instead of those that the configuration names. */
  sockets?: InheritedSockets
}

/** The composition root: one running Pellet. */
export class Pellet {
  readonly version = readVersion()
  readonly config: Config
  readonly log: Logger
  /** What the log said last. */
  readonly ring: LogRing
  readonly clock: Clock = systemClock
  readonly dispatcher: Dispatcher
  readonly preloads: Preloads
  readonly storage: Storage
  readonly results: ResultCache
  readonly proxy: Proxy
  readonly ports: OwnPorts
  readonly meter: Meter
  readonly desk: JobDesk
  readonly deploys: Deploys
  readonly vitals: Vitals
  readonly tokens: TokenStore
  /** Of all that listens on TCP. */
  readonly gate: Gate
  routes = new RouteTable([], [])
  readonly #problems: ProblemLog
  readonly #fetches: ModelFetches
  readonly #sources = new Sources()
  readonly #liveSince = new Map<string, number>()
  /** The record of a deploy is being written. */
  #switching: Promise<void> | undefined
  readonly #inspected: string | undefined
  #listeners: Listener[] = []
  #calls: Server | undefined
  #socketFolder: string
  #ownsFolder = false
  #state: 'starting' | 'running' | 'stopping' = 'starting'
  #refuseNew = false
  #stopped: Promise<void> | undefined
  /** Ends what would hold a stop up. */
  readonly #ending = new AbortController()
  #onStarted: () => void = () => {}
  /** Resolves when the routes are known, or will never be. */
  readonly started = new Promise<void>((resolve) => (this.#onStarted = resolve))

  /**
   * Starts everything.
   * @param compiled what the project and its deployments give, under way in a process of its own: when it answers, the
   * listeners stand
   * @throws Error when a port is taken, another Pellet runs on the data folder, or the compilation was ended
   */
  static async start(
    config: Config,
    logs: Logs,
    compiled: Promise<Compiled>,
    { inspect, sockets = new InheritedSockets([], config.port) }: StartOptions = {},
  ): Promise<Pellet> {
    const onDamaged = (damage: Damage) => logs.log.warn(formatDamage(damage))
    const kept = await createResultsDriver(config.cacheStore, onDamaged)
    const storage = createDataStore({
      folder: config.dataFolder,
      mounts: { ...(kept && { results: kept }) },
      onDamaged,
    })
    const tokens = await TokenStore.open(storage, (message) => logs.log.warn(message))
    const all = { storage, tokens, sizes: await openSizeBook(storage), sockets }
    const pellet = new Pellet(config, logs, all, inspect)
    try {
      await pellet.#listen(sockets)
      const { dropped, deployed } = await compiled
      for (const result of deployed) pellet.#sources.set(result.name, result)
      await pellet.take(dropped)
      void pellet.deploys.collect()
    } catch (error) {
      await pellet.stop()
      throw error
    }
    return pellet
  }

  private constructor(
    config: Config,
    { log, ring }: Logs,
    { storage, tokens, sizes, sockets }: Kept,
    inspect?: Inspect,
  ) {
    this.#inspected = inspect?.name
    this.config = config
    this.log = log
    this.ring = ring
    this.#problems = new ProblemLog(log)
    this.storage = storage
    this.tokens = tokens
    this.gate = new Gate({ tokens, log, isPublic: config.public, isStrict: config.requireToken })
    this.#socketFolder = socketFolderOf(config.dataFolder)
    const { clock } = this
    this.meter = new Meter(factsOf(this))
    this.dispatcher = new Dispatcher({
      log,
      clock,
      root: config.root,
      socketFolder: this.#socketFolder,
      memoryBytes: config.memoryBytes,
      allowUrls: () => config.allowUrls,
      sizes,
      inspect,
      lives: this.meter.lives,
      onQuiet: createTidier(() => this.#isQuiet()),
    })
    this.vitals = new Vitals(clock.now, log)
    this.vitals.watch(() => this.dispatcher.stalls())
    this.vitals.start()
    this.preloads = new Preloads(this.dispatcher)
    this.results = new ResultCache({
      storage,
      ...resultsTraits(config.cacheStore),
      maxBytes: config.cacheMaxBytes,
      version: this.version,
      log,
      now: Date.now,
    })
    this.proxy = new Proxy({
      config,
      dispatcher: this.dispatcher,
      results: this.results,
      log,
      begin: (...request) => this.meter.begin(...request),
      isStopping: (req) => this.#refuseNew && !this.desk.ownRequests.has(req),
    })
    const concurrencyOf = (name: string) => this.routes.deployments.get(name)?.manifest.limits.concurrency ?? 1
    this.desk = new JobDesk({ config, log, clock, storage, concurrencyOf })
    this.deploys = new Deploys({ host: this, config, log, storage, ending: this.#ending.signal })
    this.#fetches = new ModelFetches({
      config,
      log,
      signal: this.#ending.signal,
      take: (results) => void this.take(this.#sources.droppedWith(results)).catch((e) => log.error(messageOf(e))),
    })
    this.ports = new OwnPorts({
      log,
      host: config.host,
      inherited: (port) => sockets.own(port),
      createHandler: (name) => createOwnHandler(this, name),
    })
  }

  /** Where the main listener is, e.g. `http://127.0.0.1:11500`. */
  get address(): string {
    return this.#listeners.at(-1)?.address ?? ''
  }

  isStarting(): boolean {
    return this.#state === 'starting'
  }

  isStopping(): boolean {
    return this.#state === 'stopping'
  }

  /** Nothing new is accepted any more, while what was accepted is still served. */
  isRefusing(): boolean {
    return this.#refuseNew
  }

  isReady(): boolean {
    return this.#state === 'running' && this.preloads.waitingFor() === ''
  }

  notReadyReason(): string {
    if (this.#state !== 'running') return `Pellet is ${this.#state}`
    return `waiting for ${this.preloads.waitingFor()} to be loaded`
  }

  /**
   * Takes what the project's files give now: what changed goes live or goes away, all else is left as it is. Resolves when
   * each new port was tried once.
   */
  async take(dropped: readonly DeploymentResult[]): Promise<void> {
    this.#sources.dropped = dropped
    // What is decided for a deploy while its record is written must still be so when it is.
    while (this.#switching) await this.#switching.catch(() => {})
    await this.#apply()
  }

  /** What would serve and what would be refused, were this deployed under the name, or nothing any more. */
  rehearse(name: string, deployed: Deployment | undefined): Compilation {
    return this.#reconcile(this.#sources.joinedWith(name, deployed))
  }

  /**
   * Has a name served by what is deployed, or by nothing that is: in the turn in which `commit` has made it so for good.
   * @throws PelletError `stopping`, and what `commit` throws; then nothing has changed
   */
  async switch(name: string, deployed: Deployment | undefined, commit: () => Promise<void>): Promise<void> {
    while (this.#switching) await this.#switching.catch(() => {})
    if (this.#state !== 'running') throw stopping()
    await (this.#switching = commit().finally(() => (this.#switching = undefined)))
    this.#sources.set(name, deployed)
    await this.#apply()
  }

  /** The project's files of a name: where something is deployed under it, they are shadowed. */
  droppedAs(name: string): Origin | undefined {
    return this.#sources.droppedAs(name)
  }

  /** When the revision that serves went live, in ms since 1970. */
  liveSince(name: string): number | undefined {
    return this.#liveSince.get(name)
  }

  /** Serves what was accepted, refuses what is new, ends all isolates. Safe to call twice. */
  stop(graceMs = this.config.graceMs): Promise<void> {
    return (this.#stopped ??= this.#stop(graceMs))
  }

  // --- internal ---

  #reconcile({ results }: Joined): Compilation {
    const live = [...this.routes.deployments.values()]
    const wanted = results.map((result) => (result.name === this.#inspected ? forDebugging(result) : result))
    return reconcile({ live, results: wanted, ownPort: this.config.port })
  }

  async #apply(): Promise<void> {
    if (this.#state === 'stopping') return
    const before = this.routes.deployments
    const joined = this.#sources.joined()
    const { deployments, failures } = this.#reconcile(joined)
    const loaded = this.#loaded()
    this.#fetches.update(failures)
    this.#problems.update(failures, new Set(deployments.map(fileOf)))
    const names = new Set(deployments.map(({ name }) => name))
    for (const name of before.keys()) if (!names.has(name)) this.#remove(name)
    const changed = deployments.filter(({ name, revision }) => before.get(name)?.revision !== revision)
    for (const deployment of deployments) this.dispatcher.deploy(deployment)
    for (const deployment of changed) this.#deploy(deployment)
    this.routes = new RouteTable(deployments, failures)
    this.#onRoutes()
    for (const deployment of changed)
      this.preloads.warm(deployment, !before.has(deployment.name), loaded.has(deployment.name))
    const compiled = [...joined.results, ...joined.shadowed.values()].flatMap((one) => (isFailed(one) ? [] : one))
    const bundles = [...compiled, ...this.dispatcher.revisions()].flatMap(({ bundleFile }) => bundleFile ?? [])
    void removeOldBundles(this.config.dataFolder, new Set(bundles))
    // After the preloads: what asks at these ports finds its deployment loading, not ready by mistake.
    await this.ports.update(deployments)
  }

  async #listen({ admin, main }: InheritedSockets): Promise<void> {
    const { config } = this
    const adminHandler = createHandler(this)
    const listening = admin ? listenInherited(adminHandler, admin) : listenUnix(adminHandler, adminSocketPath(config))
    this.#listeners.push(await listening)
    // Two may have an admin socket each, and one data folder.
    if (await isAnswered(join(this.#socketFolder, callsSocketName)))
      throw new Error(`${config.dataFolder}: another Pellet runs on this data folder; stop it, or set data`)
    createPrivateFolder(this.#socketFolder)
    this.#ownsFolder = true
    const { proxy } = this
    await this.desk.open(this.#socketFolder, createAcceptedHandler(this))
    this.#calls = await listenForCalls(join(this.#socketFolder, callsSocketName), { proxy, routes: () => this.routes })
    const handler = createHandler(this, this.gate)
    for (const socket of main) this.#listeners.push(await listenInherited(handler, socket))
    if (main.length === 0) this.#listeners.push(await listenTcp(handler, config.host, config.port))
  }

  /** The routes are others now: what is kept for a deployment, and speaks of its revision, is renewed here. */
  #onRoutes(): void {
    this.results.deploy(this.routes.deployments)
    this.#state = 'running'
    this.#onStarted()
  }

  /** A revision goes live: its deployment is new, or those in flight finish on the old one. */
  #deploy(deployment: Deployment): void {
    const { log } = this
    const { name, revision, manifest, engine, notes } = deployment
    this.meter.deploy(deployment)
    this.#liveSince.set(name, deployment.origin.deployed?.atMs || Date.now())
    for (const note of notes) log.info({ deployment: name }, note)
    const routes = manifest.routes.map(({ method, path }) => `${method} ${path}`)
    log.info({ deployment: name, revision: revision.slice(0, 12), engine, routes }, 'deployed')
  }

  #remove(name: string): void {
    this.dispatcher.remove(name)
    this.meter.remove(name)
    this.preloads.remove(name)
    this.#liveSince.delete(name)
    this.log.info({ deployment: name }, 'removed: its files are gone, or what was deployed is deleted')
  }

  /** Names of the deployments whose model is loaded. */
  #loaded(): Set<string> {
    const rows = this.dispatcher.snapshot().filter(({ state }) => state === 'ready')
    return new Set(rows.map(({ name }) => name))
  }

  #isQuiet(): boolean {
    return this.#state === 'running' && this.dispatcher.snapshot().every((row) => row.sizeBytes === 0)
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopping'
    this.#ending.abort()
    this.#onStarted()
    const deadline = this.clock.now() + graceMs
    this.ports.close()
    const listeners = [...this.#listeners, ...this.ports.listeners]
    if (listeners.length > 0) await closeListeners(listeners, Math.min(farewellMs, graceMs))
    this.#refuseNew = true
    await this.desk.jobs.drain(Math.max(0, deadline - this.clock.now()))
    await this.dispatcher.stop(Math.max(0, deadline - this.clock.now()))
    this.ring.end()
    await answersSent(listeners, Math.max(flushMs, deadline - this.clock.now()))
    for (const { server } of listeners) server.closeAllConnections()
    this.desk.close()
    this.vitals.stop()
    await this.results.close(Math.max(flushMs, deadline - this.clock.now()))
    await this.tokens.save()
    await this.storage.dispose()
    this.#calls?.close()
    this.#calls?.closeAllConnections()
    // What another Pellet on this folder made, who was here first, is left alone; so is what the service manager made.
    const [admin] = this.#listeners
    if (admin && !admin.isInherited) rmSync(admin.address, { force: true })
    if (this.#ownsFolder) rmSync(this.#socketFolder, { recursive: true, force: true })
  }
}

import { rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { Storage } from 'unstorage'
import { Gate } from './auth/gate.ts'
import { TokenStore } from './auth/token-store.ts'
import { systemClock, type Clock } from './clock.ts'
import { adminSocketPath, type Config } from './config.ts'
import type { Compiled } from './deployments/compiler.ts'
import type { DeploymentResult } from './deployments/deployment.ts'
import { Dispatcher } from './deployments/dispatcher.ts'
import type { Inspect } from './deployments/isolates.ts'
import { Preloads } from './deployments/preloads.ts'
import { openSizeBook, type SizeBook } from './deployments/size-book.ts'
import { Deploys } from './deploys/deploys.ts'
import { DeviceHost } from './device/device-host.ts'
import { noNpu, type NpuStatus } from './device/npu.ts'
import { createHandler } from './http/app.ts'
import { createAcceptedHandler } from './http/accepted.ts'
import { listenForCalls } from './http/calls.ts'
import { InheritedSockets } from './http/inherited.ts'
import { answersSent, closeListeners, listenInherited, listenTcp, listenUnix, type Listener } from './http/listeners.ts'
import { createOwnHandler } from './http/own-port.ts'
import { OwnPorts } from './http/own-ports.ts'
import { Proxy } from './http/proxy.ts'
import type { RouteTable } from './http/route-table.ts'
import { Live } from './live.ts'
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
import { createPrivateFolder, isInUse, socketFolderOf } from './socket-folder.ts'
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
  /** Under way, as the compilation is. Absent: there is none. */
  npu?: Promise<NpuStatus>
}

/** The composition root: one running Pellet. */
export class Pellet {
  readonly version = readVersion()
  readonly config: Config
  readonly log: Logger
  /** What the log said last. */
  readonly ring: LogRing
  readonly clock: Clock = systemClock
  readonly device: DeviceHost
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
  readonly live: Live
  #npu: NpuStatus = noNpu
  /** What revisions that are there from before run on, also when it is gone. */
  #usableNpu: NpuStatus | undefined
  readonly #fetches: ModelFetches
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
    { inspect, sockets = new InheritedSockets([], config.port), npu }: StartOptions = {},
  ): Promise<Pellet> {
    const onDamaged = (damage: Damage) => logs.log.warn(formatDamage(damage))
    const kept = await createResultsDriver(config.cacheStore, onDamaged)
    const storage = createDataStore({
      folder: config.dataFolder,
      mounts: { ...(kept && { results: kept }) },
      onDamaged,
    })
    const tokens = new TokenStore(storage, (message) => logs.log.warn(message))
    const all = { storage, tokens, sizes: await openSizeBook(storage), sockets }
    const pellet = new Pellet(config, logs, all, inspect)
    try {
      await pellet.#listen(sockets)
      const { dropped, deployed } = await compiled
      if (npu) pellet.npu = await npu
      await pellet.live.start(dropped, deployed)
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
    this.config = config
    this.log = log
    this.ring = ring
    this.storage = storage
    this.tokens = tokens
    this.gate = new Gate({ tokens, log, isPublic: config.public, isStrict: config.requireToken })
    this.#socketFolder = socketFolderOf(config.dataFolder)
    const { clock } = this
    this.meter = new Meter(factsOf(this))
    const socketFolder = this.#socketFolder
    this.device = new DeviceHost({ log, clock, config, socketFolder, npu: () => this.#usableNpu ?? this.npu })
    this.dispatcher = new Dispatcher({
      log,
      clock,
      root: config.root,
      socketFolder,
      memoryBytes: config.memoryBytes,
      allowUrls: () => config.allowUrls,
      sizes,
      inspect,
      device: this.device,
      lives: this.meter.lives,
      onQuiet: createTidier(() => this.#isQuiet()),
    })
    this.vitals = new Vitals(clock.now, log)
    this.vitals.watch(() => this.dispatcher.stalls())
    this.vitals.watch(() => this.device.stalls())
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
    this.#fetches = new ModelFetches({
      config,
      npu: () => this.npu,
      log,
      signal: this.#ending.signal,
      take: (results) => void this.live.takeSome(results).catch((error: unknown) => log.error(messageOf(error))),
    })
    this.ports = new OwnPorts({
      log,
      host: config.host,
      inherited: (port) => sockets.own(port),
      createHandler: (name) => createOwnHandler(this, name),
    })
    const { dispatcher, preloads, meter, ports } = this
    const onRoutes = () => this.#onRoutes()
    this.live = new Live({ config, log, dispatcher, preloads, meter, ports, inspected: inspect?.name, onRoutes })
    this.deploys = new Deploys({ pellet: this, storage, ending: this.#ending.signal })
  }

  /** The routes of what serves. */
  /** What there is of an NPU; known when the routes are, and found anew when the configuration is read again. */
  get npu(): NpuStatus {
    return this.#npu
  }

  set npu(found: NpuStatus) {
    this.#npu = found
    if (found.isUsable) this.#usableNpu = found
  }

  get routes(): RouteTable {
    return this.live.routes
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

  /** As `Live.take`: what the project's files give now. */
  take(dropped: readonly DeploymentResult[], renewed?: readonly DeploymentResult[]): Promise<void> {
    return this.live.take(dropped, renewed)
  }

  /** Serves what was accepted, refuses what is new, ends all isolates. Safe to call twice. */
  stop(graceMs = this.config.graceMs): Promise<void> {
    return (this.#stopped ??= this.#stop(graceMs))
  }

  // --- internal ---

  async #listen({ admin, main }: InheritedSockets): Promise<void> {
    const { config } = this
    const adminHandler = createHandler(this)
    const listening = admin ? listenInherited(adminHandler, admin) : listenUnix(adminHandler, adminSocketPath(config))
    this.#listeners.push(await listening)
    // Two may have an admin socket each, and one data folder.
    if (await isInUse(config.dataFolder))
      throw new Error(`${config.dataFolder}: another Pellet runs on this data folder; stop it, or set data`)
    createPrivateFolder(this.#socketFolder)
    this.#ownsFolder = true
    const { proxy } = this
    await this.desk.open(this.#socketFolder, createAcceptedHandler(this))
    this.#calls = await listenForCalls(join(this.#socketFolder, callsSocketName), { proxy, routes: () => this.routes })
    // Not before the folder is seen to be in use: what the command line changes in it until then is read.
    await this.tokens.load()
    const handler = createHandler(this, this.gate)
    for (const socket of main) this.#listeners.push(await listenInherited(handler, socket))
    if (main.length === 0) this.#listeners.push(await listenTcp(handler, config.host, config.port))
  }

  /** The routes are others now: what is kept for a deployment, and speaks of its revision, is renewed here. */
  #onRoutes(): void {
    this.#fetches.update(this.routes.failures)
    this.results.deploy(this.routes.deployments)
    this.#state = 'running'
    this.#onStarted()
  }

  #isQuiet(): boolean {
    return this.#state === 'running' && this.dispatcher.snapshot().every((row) => row.sizeBytes === 0)
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopping'
    this.#ending.abort()
    this.live.stop()
    this.#onStarted()
    const deadline = this.clock.now() + graceMs
    this.ports.close()
    const listeners = [...this.#listeners, ...this.ports.listeners]
    if (listeners.length > 0) await closeListeners(listeners, Math.min(farewellMs, graceMs))
    this.#refuseNew = true
    await this.desk.jobs.drain(Math.max(0, deadline - this.clock.now()))
    await this.dispatcher.stop(Math.max(0, deadline - this.clock.now()))
    await this.device.stop()
    // It has no alarm any more that could ring.
    this.vitals.stop()
    this.ring.end()
    await answersSent(listeners, Math.max(flushMs, deadline - this.clock.now()))
    for (const { server } of listeners) server.closeAllConnections()
    this.desk.close()
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

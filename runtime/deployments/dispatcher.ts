import { messageOf, PelletError, type ErrorCode } from '../errors.ts'
import { InFlight } from '../in-flight.ts'
import { crashError, type Isolate } from '../isolate/isolate.ts'
import { Scheduler } from '../scheduler/scheduler.ts'
import { stagedName } from '../scheduler/staging.ts'
import type { DeploymentSnapshot, Effect, KillReason } from '../scheduler/types.ts'
import type { Stall } from '../vitals.ts'
import { isSame, type Deployment } from './deployment.ts'
import { Examiner, type Doubt } from './examiner.ts'
import { Isolates, type IsolatesOptions } from './isolates.ts'
import type { AcquireOptions, Lease, LeaseReceiver } from './lease.ts'
import type { SizeBook } from './size-book.ts'
import { createStaged, type StagedRevision } from './staged.ts'
import { predictBytes, toTerms } from './terms.ts'

export interface DispatcherOptions extends IsolatesOptions {
  memoryBytes: number
  sizes: SizeBook
  /** The last isolate is gone. */
  onQuiet(): void
}

/**
 * Owner of all isolates: feeds the scheduler with what happens and does what it decides. Nothing else starts or ends an
 * isolate.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #scheduler: Scheduler
  readonly #deployments = new Map<string, Deployment>()
  /** By revision: an isolate of a replaced revision outlives its deployment's entry. */
  readonly #revisions = new Map<string, Deployment>()
  readonly #isolates: Isolates
  readonly #waiting = new InFlight<Waiting>()
  readonly #watchers = new Set<(rows: DeploymentSnapshot[]) => boolean>()
  readonly #examiner: Examiner
  #nextRequest = 0
  /** Given out and not given back. */
  #leases = 0
  #alarm: { at: number; cancel: () => void } | undefined
  #onQuiet: (() => void) | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#scheduler = new Scheduler({ budgetBytes: options.memoryBytes }, options.clock.now)
    const scheduler = this.#scheduler
    this.#examiner = new Examiner(options.clock, {
      isAlive: ({ id }) => this.#isolates.has(id),
      suspend: ({ id }) => this.#apply(scheduler.suspend(id)),
      resume: ({ id }) => this.#apply(scheduler.resume(id)),
      retire: ({ id }) => this.#apply(scheduler.retire(id)),
      hung: ({ id }, message) => this.#apply(scheduler.hung(id, message)),
    })
    this.#isolates = new Isolates(options, {
      loaded: (id, isolate, loadMs) =>
        this.#apply(scheduler.loaded(id, { sizeBytes: this.#sizeOf(isolate.deployment), loadMs })),
      loadFailed: (id, failure) => this.#apply(scheduler.loadFailed(id, failure)),
      measured: (id, { deployment }, sizeBytes) => {
        options.sizes.set(deployment.revision, sizeBytes)
        this.#apply(scheduler.measured(id, sizeBytes))
      },
      exited: (id, { revision }, message) => {
        this.#apply(scheduler.exited(id, { message }))
        this.#forget(revision)
        if (this.#isolates.size === 0) options.onQuiet()
      },
    })
  }

  /**
   * Adds a deployment or replaces its revision; requests in flight finish on the old one. The same revision again changes
   * nothing but what is known of its files.
   */
  deploy(deployment: Deployment): void {
    const { name, revision } = deployment
    const before = this.#deployments.get(name)
    this.#deployments.set(name, deployment)
    this.#revisions.set(revision, deployment)
    if (isSame(before, deployment)) return
    this.#apply(this.#scheduler.deploy(toTerms(deployment, this.#sizeOf(deployment))))
    if (before) this.#forget(before.revision)
  }

  /**
   * A revision to be loaded and tried beside the one that serves. One at a time for each name: the caller promotes or
   * discards it before the next.
   * @throws Error when one of that name is staged already
   */
  stage(deployment: Deployment): StagedRevision {
    const { name, revision } = deployment
    const terms = toTerms(deployment, this.#sizeOf(deployment))
    this.#apply(this.#scheduler.stage(terms))
    const place = stagedName(name)
    this.#deployments.set(place, deployment)
    this.#revisions.set(revision, deployment)
    const leave = () => this.#deployments.delete(place)
    const host = {
      clock: this.#options.clock,
      acquire: this.acquire.bind(this),
      rows: () => this.#scheduler.snapshot(),
      sizeBytes: terms.sizeBytes,
    }
    return createStaged(host, deployment, {
      promote: (live) => {
        leave()
        const before = this.#deployments.get(name)
        this.#deployments.set(name, live)
        this.#revisions.set(revision, live)
        this.#apply(this.#scheduler.promote(toTerms(live, this.#sizeOf(live))))
        if (before) this.#forget(before.revision)
      },
      discard: () => {
        leave()
        this.#apply(this.#scheduler.discard(name))
        this.#forget(revision)
      },
    })
  }

  /** Those that are live or staged, and older ones that still run. */
  revisions(): Iterable<Deployment> {
    return this.#revisions.values()
  }

  remove(name: string): void {
    const before = this.#deployments.get(name)
    this.#deployments.delete(name)
    this.#apply(this.#scheduler.remove(name))
    if (before) this.#forget(before.revision)
  }

  /**
   * Asks for a place in an isolate of `name`, or of what is staged under it; `receiver` is called once, perhaps before this returns.
   * @returns what takes the request out of the queue when its caller leaves
   */
  acquire(name: string, { timeoutMs, keepAliveMs, parent }: AcquireOptions, receiver: LeaseReceiver): () => void {
    const id = ++this.#nextRequest
    const since = this.#options.clock.now()
    this.#waiting.set(id, {
      grant: (isolate) => receiver.grant(this.#toLease(id, isolate, since, timeoutMs)),
      refuse: (error) => receiver.refuse(error),
    })
    this.#apply(
      this.#scheduler.request({
        id,
        name,
        deadlineAt: since + timeoutMs,
        ...(keepAliveMs !== undefined && { keepAliveMs }),
        ...(parent !== undefined && { parent }),
      }),
    )
    return () => {
      if (this.#waiting.delete(id)) this.#apply(this.#scheduler.cancel(id))
    }
  }

  /** Another budget for all isolates: what is loaded beyond it goes when it is idle. */
  setMemory(memoryBytes: number): void {
    this.#apply(this.#scheduler.setBudget(memoryBytes))
  }

  load(name: string): void {
    this.#apply(this.#scheduler.load(name))
  }

  unload(name: string): void {
    this.#apply(this.#scheduler.unload(name))
  }

  /**
   * Resolves with the deployment's state once it is as wanted; never when that does not come.
   * @throws PelletError `not_found` when it is removed
   */
  when(name: string, isWanted: (row: DeploymentSnapshot) => boolean): Promise<DeploymentSnapshot> {
    return new Promise((resolve, reject) => {
      this.#watchers.add((rows) => {
        const row = rows.find((one) => one.name === name)
        if (row && !isWanted(row)) return false
        if (row) resolve(row)
        else reject(new PelletError('not_found', `${name}: it was removed meanwhile`))
        return true
      })
      this.#notify()
    })
  }

  /** A row for each deployment; the memory of what is staged counts as its name's. */
  snapshot(): (DeploymentSnapshot & { pid?: number })[] {
    const rows = this.#scheduler.snapshot()
    const stagedBytes = new Map(rows.filter(({ isStaged }) => isStaged).map((row) => [row.name, row.sizeBytes]))
    return rows
      .filter(({ isStaged }) => !isStaged)
      .map((row) => {
        const pid = row.isolate === undefined ? undefined : this.#isolates.get(row.isolate)?.pid
        const sizeBytes = row.sizeBytes + (stagedBytes.get(stagedName(row.name)) ?? 0)
        return { ...row, sizeBytes, ...(pid !== undefined && { pid }) }
      })
  }

  /** What makes no progress although it should. */
  stalls(): Stall[] {
    const isolates = new Map(
      this.#isolates.ids().map((id) => [id, { isReady: this.#isolates.readyAt(id) !== undefined }]),
    )
    const isDebugged = (name: string) => this.#options.inspect?.name === name
    return this.#scheduler.stalls({ waiting: this.#waiting.size, leases: this.#leases, isolates, isDebugged })
  }

  /** Serves what was accepted, refuses what comes, and ends all isolates; after `graceMs` whatever they do. */
  async stop(graceMs: number): Promise<void> {
    const quiet = new Promise<void>((resolve) => (this.#onQuiet = resolve))
    this.#apply(this.#scheduler.shutdown())
    const timer = setTimeout(() => this.#apply(this.#scheduler.abort()), graceMs)
    if (this.#isolates.size > 0 || this.#waiting.size > 0) await quiet
    clearTimeout(timer)
    this.#alarm?.cancel()
    this.#isolates.stopWatching()
    await this.#options.sizes.save().catch((error: unknown) => this.#options.log.warn(messageOf(error)))
  }

  // --- internal ---

  #apply(effects: Effect[]): void {
    for (const effect of effects) this.#perform(effect)
    const at = this.#scheduler.nextWakeAt()
    // An alarm that rings early does no harm; setting one anew for every request would.
    if (at !== undefined && (this.#alarm === undefined || at < this.#alarm.at)) {
      this.#alarm?.cancel()
      this.#alarm = { at, cancel: this.#options.clock.alarm(at, () => this.#ring()) }
    }
    if (this.#watchers.size > 0) this.#notify()
    if (this.#onQuiet && this.#isolates.size === 0 && this.#waiting.size === 0) this.#onQuiet()
  }

  #notify(): void {
    const rows = this.#scheduler.snapshot()
    for (const watcher of this.#watchers) if (watcher(rows)) this.#watchers.delete(watcher)
  }

  #ring(): void {
    this.#alarm = undefined
    this.#apply(this.#scheduler.tick())
  }

  #perform(effect: Effect): void {
    const { log, clock, lives } = this.#options
    if (effect.type === 'grant') {
      const waiting = this.#waiting.get(effect.request)
      this.#waiting.delete(effect.request)
      const isolate = this.#isolates.get(effect.isolate)
      if (isolate) waiting?.grant(isolate)
      else waiting?.refuse(crashError('isolate', 'it ended before the request reached it'))
    } else if (effect.type === 'refuse') {
      const { retryAfterMs } = effect
      const waiting = this.#waiting.get(effect.request)
      this.#waiting.delete(effect.request)
      waiting?.refuse(new PelletError(effect.code, effect.message, retryAfterMs === undefined ? {} : { retryAfterMs }))
    } else if (effect.type === 'load') this.#isolates.start(effect.isolate, this.#revisions.get(effect.revision)!)
    else if (effect.type === 'kill') {
      const isolate = this.#isolates.get(effect.isolate)
      const { reason } = effect
      // What came of a load that failed is told already.
      if (reason !== 'failed')
        log.info({ deployment: isolate?.deployment.name, pid: isolate?.pid, reason }, `unload: ${effect.message}`)
      const ready = this.#isolates.readyAt(effect.isolate)
      if (isolate && ready) {
        const ageMs = clock.now() - ready.at
        lives.unloading(isolate.deployment.name, effect.reason, ageMs, effect.idleMs)
      }
      isolate?.kill(effect.message, killCodes[effect.reason])
    } else log.info({ deployment: effect.name, what: effect.what }, effect.message)
  }

  #toLease(id: number, isolate: Isolate, since: number, timeoutMs: number): Lease {
    const now = this.#options.clock.now()
    const ready = this.#isolates.readyAt(isolate.id)
    // The part of the wait during which the isolate was loading.
    const loadMs = ready && ready.at > since ? Math.min(ready.loadMs, ready.at - since) : 0
    let isOver = false
    this.#leases++
    const end = async (ok: boolean, before?: () => Promise<void>) => {
      if (isOver) return
      isOver = true
      if (before) await before()
      this.#leases--
      this.#apply(this.#scheduler.release(id, ok))
    }
    return {
      request: id,
      isolate,
      queueMs: now - since - loadMs,
      loadMs,
      release: (ok) => void end(ok, ok ? undefined : () => this.#examiner.examine(isolate, broken)),
      overdue: (exchange) =>
        void end(true, () => this.#examiner.examine(isolate, { cause: 'a deadline passed', exchange })),
      abandon: (exchange) => void end(true, () => this.#examiner.outlast(isolate, exchange, since + timeoutMs)),
      lost: async (reason) => {
        await end(false, () => this.#examiner.examine(isolate, broken))
        return isolate.ending ?? crashError(isolate.deployment.name, reason)
      },
    }
  }

  #sizeOf(deployment: Deployment): number {
    return this.#options.sizes.get(deployment.revision) ?? predictBytes(deployment)
  }

  #forget(revision: string): void {
    const live = [...this.#deployments.values()].some((deployment) => deployment.revision === revision)
    const running = this.#isolates.runs(revision)
    if (!live && !running) this.#revisions.delete(revision)
  }
}

// --- internal ---

const killCodes: Partial<Record<KillReason, ErrorCode>> = { memory: 'out_of_memory', stopping: 'stopping' }
const broken: Doubt = { cause: 'a connection broke' }

interface Waiting {
  grant(isolate: Isolate): void
  refuse(error: PelletError): void
}

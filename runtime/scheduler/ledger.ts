import { backOffMs } from './back-off.ts'
import type { ErrorCode } from '../errors.ts'
import { InFlight } from '../in-flight.ts'
import * as messages from './messages.ts'
import { hasPlace, isIdle } from './state.ts'
import type { Departure, Deployment, Isolate, Request } from './state.ts'
import type { Effect, NoteKind, SchedulerOptions } from './types.ts'

/**
 * Who holds what, and the moves that change it, each with the effects that go with it. The events (scheduler.ts) and
 * the plan for memory (memory.ts) are written in these moves; nothing else writes the state.
 */
export class Ledger {
  readonly options: Required<SchedulerOptions>
  readonly deployments = new Map<string, Deployment>()
  readonly isolates = new Map<number, Isolate>()
  readonly requests = new InFlight<Request>()
  /** Deployments that need an isolate and have none that takes requests. */
  readonly wanting = new Set<Deployment>()
  budgetBytes: number
  /** By all isolates, until their processes are gone. */
  usedBytes = 0
  /** Time and effects of the event that is being handled. */
  now = 0
  effects: Effect[] = []
  /** No later than the next thing that time alone changes. May be too early: that costs one idle tick. */
  wakeAt = Infinity
  isStopping = false
  /** Something changed that may let one load that needs an isolate. */
  isDirty = false
  #isolateCount = 0
  #claimCount = 0

  constructor(options: SchedulerOptions) {
    this.options = {
      minResidencyMs: 1000,
      starvingAfterMs: 2000,
      ageingMs: 500,
      backOffMs: 1000,
      maxBackOffMs: 60_000,
      ...options,
    }
    this.budgetBytes = options.budgetBytes
  }

  wake(at: number): void {
    if (at < this.wakeAt) this.wakeAt = at
  }

  note(deployment: Deployment, what: NoteKind, message: string): void {
    this.effects.push({ type: 'note', name: deployment.terms.name, what, message })
  }

  // Requests

  grant(request: Request, isolate: Isolate): void {
    request.isolate = isolate
    request.grantedAt = this.now
    isolate.leases++
    if (request.isChained) isolate.isCalled = true
    request.deployment.wasChained = request.isChained
    isolate.expiresAt = Infinity
    this.effects.push({ type: 'grant', request: request.id, isolate: isolate.number })
  }

  /** `request` stands in no queue any more. */
  refuse(request: Request, code: ErrorCode, message: string, retryAfterMs?: number): void {
    this.requests.delete(request.id)
    this.effects.push(refusal(request.id, code, message, retryAfterMs))
  }

  refuseLate(request: Request): void {
    this.refuse(request, 'deadline_exceeded', messages.tooLate(request, this.now))
  }

  refuseAll(deployment: Deployment, code: ErrorCode, message: string, retryAfterMs?: number): void {
    for (let request = deployment.queue.shift(); request !== undefined; request = deployment.queue.shift())
      this.refuse(request, code, message, retryAfterMs)
    this.update(deployment)
  }

  /** Gives the free places to those who wait. */
  serve(deployment: Deployment): void {
    const { current, queue, terms } = deployment
    if (current === undefined) return
    while (hasPlace(current, terms)) {
      const request = this.#nextOf(deployment)
      if (request === undefined) return
      queue.remove(request)
      if (request.deadlineAt <= this.now) this.refuseLate(request)
      else this.grant(request, current)
    }
  }

  /** A request is done with its isolate, which goes on to the next, or rests, or goes. */
  endLease(request: Request, isolate: Isolate, keepAliveMs: number): void {
    this.requests.delete(request.id)
    isolate.leases--
    const { deployment } = isolate
    deployment.lastUsedAt = this.now
    isolate.idleSince = this.now
    if (isolate.state === 'draining') {
      if (isolate.leases === 0 && isolate.departure !== undefined) this.kill(isolate, isolate.departure)
      return
    }
    if (deployment.queue.size > 0) this.serve(deployment)
    if (isolate.leases === 0) this.rest(isolate, keepAliveMs)
  }

  /** The last one who waited has left, or a wish to load is gone: a load that nobody waits for may be in vain. */
  left(deployment: Deployment): void {
    this.update(deployment)
    const { current, queue, terms } = deployment
    if (current?.state !== 'loading' || queue.size > 0) return
    if (this.isStopping) this.kill(current, { reason: 'stopping', message: 'Nobody waits for it any more.' })
    else if (current.departure !== undefined) this.kill(current, current.departure)
    else if (terms.keepAliveMs === 0 && !terms.pin && !current.isByOperator)
      this.kill(current, { reason: 'keep_alive', message: 'Nobody waits for it any more, and keep_alive is 0.' })
  }

  // Isolates

  load(deployment: Deployment): Isolate {
    const { terms, beside } = deployment
    const isolate: Isolate = {
      number: ++this.#isolateCount,
      deployment,
      engine: terms.engine,
      revision: terms.revision,
      memoryBytes: terms.memoryBytes,
      wantedSince: deployment.wantedSince,
      beside,
      isByOperator: deployment.isLoadWanted,
      state: 'loading',
      isKilled: false,
      departure: undefined,
      leases: 0,
      isCalled: false,
      suspensions: 0,
      sizeBytes: deployment.sizeBytes,
      loadMs: deployment.loadMs,
      readyAt: Infinity,
      idleSince: this.now,
      expiresAt: Infinity,
    }
    this.isolates.set(isolate.number, isolate)
    this.usedBytes += isolate.sizeBytes
    deployment.current = isolate
    deployment.isLoadWanted = false
    deployment.loads++
    this.update(deployment)
    this.effects.push({ type: 'load', isolate: isolate.number, name: terms.name, revision: isolate.revision })
    return isolate
  }

  /** The isolate has nothing to do: from now its keep_alive counts. */
  rest(isolate: Isolate, keepAliveMs: number): void {
    isolate.idleSince = this.now
    // Suspended: those who wait are served when it is resumed.
    if (isolate.suspensions > 0 && isolate.deployment.queue.size > 0) return
    const { deployment, departure } = isolate
    if (this.isStopping) return this.sweep()
    if (departure !== undefined) return this.kill(isolate, departure)
    this.#touch()
    if (deployment.terms.pin || keepAliveMs < 0) isolate.expiresAt = Infinity
    else if (keepAliveMs === 0) this.kill(isolate, { reason: 'keep_alive', message: 'keep_alive is 0.' })
    else {
      isolate.expiresAt = this.now + keepAliveMs
      this.wake(isolate.expiresAt)
    }
  }

  /** While stopping: ends what is idle, save what requests that are still under way may call again. */
  sweep(): void {
    const departure: Departure = { reason: 'stopping', message: messages.stopping() }
    for (const isolate of this.isolates.values()) {
      const isWanted = isolate.deployment.current === isolate && isolate.deployment.queue.size > 0
      if (!isIdle(isolate) || isWanted || (isolate.isCalled && this.requests.size > 0)) continue
      this.kill(isolate, departure)
    }
  }

  /** Takes no more requests; killed once idle, which may be now. */
  close(isolate: Isolate, departure: Departure): void {
    if (isolate.isKilled) return
    isolate.departure = departure
    if (isolate.leases === 0) return this.kill(isolate, departure)
    isolate.state = 'draining'
    isolate.expiresAt = Infinity
    this.#leave(isolate)
  }

  /** Back to work: nobody needs its room any more. Only for one whose deployment has no other isolate. */
  reopen(isolate: Isolate): void {
    isolate.state = 'ready'
    isolate.departure = undefined
    isolate.deployment.current = isolate
    this.serve(isolate.deployment)
    this.update(isolate.deployment)
  }

  kill(isolate: Isolate, { reason, message }: Departure): void {
    if (isolate.isKilled) return
    isolate.isKilled = true
    isolate.state = 'draining'
    isolate.expiresAt = Infinity
    const idleMs = isolate.leases > 0 ? 0 : this.now - isolate.idleSince
    this.#forget(isolate)
    if (reason === 'evicted') {
      isolate.deployment.evictions++
      this.note(isolate.deployment, 'evicted', message)
    }
    this.effects.push({ type: 'kill', isolate: isolate.number, reason, message, idleMs })
    this.#leave(isolate)
  }

  /** Its process has ended. */
  bury(isolate: Isolate): void {
    isolate.isKilled = true
    isolate.state = 'draining'
    this.isolates.delete(isolate.number)
    this.usedBytes -= isolate.sizeBytes
    this.#forget(isolate)
    this.#leave(isolate)
    this.isDirty = true
  }

  resize(isolate: Isolate, sizeBytes: number): void {
    const { revision, engine, deployment } = isolate
    this.usedBytes += sizeBytes - isolate.sizeBytes
    isolate.sizeBytes = sizeBytes
    if (revision === deployment.terms.revision && engine === deployment.terms.engine) deployment.sizeBytes = sizeBytes
    this.#touch()
  }

  // Deployments

  /** Keeps the list of those that need an isolate; to be called after whatever may change that. */
  update(deployment: Deployment): void {
    const { current, queue } = deployment
    const isWanting = current === undefined && !deployment.isRemoved && (queue.size > 0 || deployment.isLoadWanted)
    if (isWanting === deployment.isWanting) return
    deployment.isWanting = isWanting
    if (isWanting) {
      this.wanting.add(deployment)
      deployment.wantedSince = this.now
    } else {
      this.wanting.delete(deployment)
      deployment.claim = 0
      deployment.beside = Infinity
    }
    this.isDirty = true
  }

  /** Another revision: nothing that was learnt of the last one counts, save how long those have waited who wait. */
  renew(deployment: Deployment): void {
    const { terms, isWanting, wantedSince } = deployment
    this.wanting.delete(deployment)
    this.isDirty = true
    deployment.sizeBytes = terms.sizeBytes
    deployment.isWanting = false
    deployment.claim = 0
    deployment.beside = Infinity
    deployment.tooLargeUntil = 0
    deployment.failures = 0
    deployment.crashesInRow = 0
    deployment.retryAt = 0
    deployment.lastError = undefined
    this.update(deployment)
    if (isWanting) deployment.wantedSince = wantedSince
  }

  /** keep_alive or pin has changed: counts anew, from the time of the last release. */
  expire({ current, terms }: Deployment): void {
    if (current === undefined || !isIdle(current)) return
    current.expiresAt = terms.pin || terms.keepAliveMs < 0 ? Infinity : current.idleSince + terms.keepAliveMs
    this.wake(current.expiresAt)
  }

  claim(deployment: Deployment): void {
    if (deployment.claim === 0) deployment.claim = ++this.#claimCount
  }

  /** Refuses all who wait, and newcomers until the time has passed. `failures`: in a row. */
  backOff(deployment: Deployment, failures: number, code: ErrorCode, message: string): void {
    const retryAfterMs = backOffMs(failures, this.options)
    deployment.retryAt = this.now + retryAfterMs
    deployment.failure = { code, message }
    deployment.isLoadWanted = false
    const { name, isStaged } = deployment.terms
    this.note(deployment, 'backing_off', messages.backingOff(name, message, retryAfterMs))
    // What is staged is not tried again.
    const reason = isStaged ? message : messages.backingOff(name, message, retryAfterMs)
    this.refuseAll(deployment, code, reason, retryAfterMs)
  }

  /** No isolate lives and nobody waits. */
  isIdle(): boolean {
    return this.isolates.size === 0 && this.wanting.size === 0
  }

  /** Memory came or went, or can: there may be something to plan. */
  #touch(): void {
    if (this.wanting.size > 0 || this.usedBytes > this.budgetBytes) this.isDirty = true
  }

  /** Chained ones first; but where others starve behind them, these have every other turn. */
  #nextOf({ queue, wasChained }: Deployment): Request | undefined {
    const starvingSince = this.now - this.options.starvingAfterMs
    const oldest = queue.oldestUnchained
    return wasChained && oldest !== undefined && oldest.arrivedAt <= starvingSince ? oldest : queue.first
  }

  #leave(isolate: Isolate): void {
    const { deployment } = isolate
    if (deployment.current === isolate) deployment.current = undefined
    this.update(deployment)
  }

  /** Its requests are the owner's to answer; what is still said of them later is said of nobody. */
  #forget(isolate: Isolate): void {
    if (isolate.leases === 0) return
    for (const request of this.requests.values()) if (request.isolate === isolate) this.requests.delete(request.id)
    isolate.leases = 0
  }
}

export function refusal(request: number, code: ErrorCode, message: string, retryAfterMs?: number): Effect {
  return retryAfterMs === undefined
    ? { type: 'refuse', request, code, message }
    : { type: 'refuse', request, code, message, retryAfterMs: Math.ceil(retryAfterMs) }
}

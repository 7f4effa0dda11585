import { admit, stoppingRetryAfterMs } from './admission.ts'
import { refuseDeadlocked } from './chains.ts'
import { failLoad, fall } from './failures.ts'
import { Ledger, refusal } from './ledger.ts'
import { plan } from './memory.ts'
import * as messages from './messages.ts'
import * as operator from './operator.ts'
import { snapshotOf } from './snapshot.ts'
import * as staging from './staging.ts'
import { stallsOf, type OwnerBooks } from './stalls.ts'
import { hasPlace, isIdle } from './state.ts'
import type { Request } from './state.ts'
import type { Stall } from '../vitals.ts'
import type { DeploymentSnapshot, Effect, LoadFailure, RequestTerms, SchedulerOptions, Terms } from './types.ts'

/**
 * Decides which request gets a place in which isolate, and which isolates live. Events in, effects out: no I/O, no
 * timers, no promises. The owner carries the effects out in order, reports what happens, and calls `tick` when
 * `nextWakeAt` has come. What is said of requests and isolates that are gone changes nothing, for such races are normal.
 *
 * Every accepted request is answered with exactly one `grant` or `refuse`, unless it is cancelled first; a granted one
 * must be given back with `release` or `cancel`. Every isolate must be reported as `exited` exactly once, even where it
 * ended before it was killed. The rules in words: docs/scheduling.md.
 */
export class Scheduler {
  readonly #ledger: Ledger
  readonly #clock: () => number

  constructor(options: SchedulerOptions, now: () => number) {
    this.#ledger = new Ledger(options)
    this.#clock = now
  }

  /** New, or replaces: another revision drains the isolate there is, and those who wait get the new one. */
  deploy(terms: Terms): Effect[] {
    return this.#handle((ledger) => operator.deploy(ledger, terms))
  }

  /** Those who wait are refused `not_found`; requests in flight finish. */
  remove(name: string): Effect[] {
    return this.#handle((ledger) => operator.remove(ledger, name))
  }

  /**
   * A revision is to be tried beside the one that serves, under the name `stagedName` gives, for which it is loaded and asked.
   * @throws Error when one of that name is staged already
   */
  stage(terms: Terms): Effect[] {
    return this.#handle((ledger) => staging.stage(ledger, terms))
  }

  /** What is staged replaces the revision that serves, as `deploy` does, and brings its isolate. @throws Error when nothing is staged */
  promote(terms: Terms): Effect[] {
    return this.#handle((ledger) => staging.promote(ledger, terms))
  }

  /** What is staged under the deployment's name ends, requests in it too. */
  discard(name: string): Effect[] {
    return this.#handle((ledger) => staging.discard(ledger, name))
  }

  /** Another budget. What is loaded beyond it goes when it is idle. */
  setBudget(budgetBytes: number): Effect[] {
    return this.#handle((ledger) => operator.setBudget(ledger, budgetBytes))
  }

  request(terms: RequestTerms): Effect[] {
    const ledger = this.#begin()
    const deployment = ledger.deployments.get(terms.name)
    const parent = terms.parent === undefined ? undefined : ledger.requests.get(terms.parent)
    if (terms.parent !== undefined && parent?.isolate === undefined)
      return [refusal(terms.id, 'isolate_crashed', messages.callerGone(terms.name))]
    if (ledger.isStopping && parent === undefined)
      return [refusal(terms.id, 'stopping', messages.stopping(), stoppingRetryAfterMs)]
    if (deployment === undefined) return [refusal(terms.id, 'not_found', messages.notFound(terms.name))]
    const request: Request = {
      id: terms.id,
      deployment,
      keepAliveMs: terms.keepAliveMs,
      parent,
      isChained: parent !== undefined,
      deadlineAt: terms.deadlineAt,
      arrivedAt: ledger.now,
      isolate: undefined,
      grantedAt: 0,
      previous: undefined,
      next: undefined,
    }
    const { current, queue } = deployment
    if (terms.deadlineAt <= ledger.now) ledger.refuseLate(request)
    else if (current !== undefined && hasPlace(current, deployment.terms) && queue.size === 0) {
      ledger.requests.set(request.id, request)
      ledger.grant(request, current)
    } else admit(ledger, request)
    return ledger.isDirty ? this.#settle() : ledger.effects
  }

  /** The caller has left. One that was granted ends like a release that says nothing of success or keep_alive. */
  cancel(id: number): Effect[] {
    const ledger = this.#begin()
    const request = ledger.requests.get(id)
    if (request === undefined) return []
    const { deployment, isolate } = request
    if (isolate !== undefined) ledger.endLease(request, isolate, isolate.deployment.terms.keepAliveMs)
    else {
      ledger.requests.delete(id)
      deployment.queue.remove(request)
      if (deployment.queue.size === 0) ledger.left(deployment)
    }
    return this.#settle()
  }

  /** The request is done. `isOk`: the isolate answered, so earlier crashes are forgotten. */
  release(id: number, isOk = true): Effect[] {
    const ledger = this.#begin()
    const request = ledger.requests.get(id)
    const isolate = request?.isolate
    if (request === undefined || isolate === undefined) return []
    const { deployment } = isolate
    if (isOk) {
      const tookMs = ledger.now - request.grantedAt
      deployment.serviceMs += (tookMs - deployment.serviceMs) / 8
      deployment.crashesInRow = 0
    }
    ledger.endLease(request, isolate, request.keepAliveMs ?? deployment.terms.keepAliveMs)
    return ledger.isDirty || ledger.isStopping ? this.#settle() : ledger.effects
  }

  loaded(number: number, { sizeBytes, loadMs }: { sizeBytes: number; loadMs: number }): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate?.state !== 'loading') return []
    const { deployment } = isolate
    isolate.state = 'ready'
    isolate.readyAt = ledger.now
    isolate.loadMs = loadMs
    deployment.loadMs = loadMs
    deployment.failures = 0
    deployment.retryAt = 0
    deployment.tooLargeUntil = 0
    ledger.resize(isolate, sizeBytes)
    ledger.serve(deployment)
    const { keepAliveMs } = deployment.terms
    if (isolate.leases === 0) ledger.rest(isolate, keepAliveMs === 0 && isolate.isByOperator ? -1 : keepAliveMs)
    if (ledger.wanting.size > 0) ledger.isDirty = true
    return this.#settle()
  }

  /** It did not become ready. Whatever is left of its process is killed; `exited` is still to be reported. */
  loadFailed(number: number, failure: LoadFailure): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate?.state !== 'loading') return []
    ledger.kill(isolate, { reason: 'failed', message: failure.message })
    failLoad(ledger, isolate, failure)
    return this.#settle()
  }

  /** Its process is gone: after a kill, or by itself, which is a crash. */
  exited(number: number, { message }: { message: string }): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate === undefined) return []
    if (isolate.isKilled) ledger.bury(isolate)
    else fall(ledger, isolate, 'isolate_crashed', message)
    return this.#settle()
  }

  /** PSS of a living isolate. Above limits.memory it takes no new requests and ends when idle; above twice that, now. */
  measured(number: number, sizeBytes: number): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate === undefined || isolate.isKilled) return []
    ledger.resize(isolate, sizeBytes)
    const { memoryBytes, deployment, state } = isolate
    const isFatal = sizeBytes > 2 * memoryBytes
    const message = messages.overMemory(deployment.terms, sizeBytes, memoryBytes, isFatal)
    if (isFatal) fall(ledger, isolate, 'out_of_memory', message, { reason: 'memory', message })
    else if (sizeBytes > memoryBytes && state === 'ready') ledger.close(isolate, { reason: 'memory', message })
    return this.#settle()
  }

  /** It does not answer: killed now. Its requests are the owner's to answer. */
  hung(number: number, message: string): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate === undefined || isolate.isKilled) return []
    fall(ledger, isolate, 'isolate_crashed', message, { reason: 'hung', message })
    return this.#settle()
  }

  /** The owner doubts that it still works: no new requests until `resume`, which is due once for each `suspend`. */
  suspend(number: number): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate !== undefined) isolate.suspensions++
    return ledger.effects
  }

  resume(number: number): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate === undefined || isolate.suspensions === 0) return []
    isolate.suspensions--
    ledger.serve(isolate.deployment)
    if (isIdle(isolate)) ledger.rest(isolate, isolate.deployment.terms.keepAliveMs)
    return this.#settle()
  }

  /** The owner gave up on something in it: no new requests, killed when idle; those who wait get another. */
  retire(number: number, message = 'A request that was given up still runs in it.'): Effect[] {
    const ledger = this.#begin()
    const isolate = ledger.isolates.get(number)
    if (isolate === undefined) return []
    ledger.close(isolate, { reason: 'hung', message })
    return this.#settle()
  }

  /** The operator's: loads though nobody asks, at once though it backs off; renews the keep_alive of an idle one. */
  load(name: string): Effect[] {
    return this.#handle((ledger) => operator.load(ledger, name))
  }

  /** The operator's: ends it when idle. One that is loading first serves those who wait for it. */
  unload(name: string): Effect[] {
    return this.#handle((ledger) => operator.unload(ledger, name))
  }

  /** Time has passed. */
  tick(): Effect[] {
    const ledger = this.#begin()
    ledger.wakeAt = Infinity
    for (const deployment of ledger.deployments.values()) {
      const expired = deployment.queue.takeExpired(ledger.now)
      for (const request of expired) ledger.refuseLate(request)
      if (expired.length > 0 && deployment.queue.size === 0) ledger.left(deployment)
      ledger.wake(deployment.queue.deadlineAt)
    }
    for (const isolate of ledger.isolates.values()) {
      if (isolate.expiresAt > ledger.now) ledger.wake(isolate.expiresAt)
      else ledger.kill(isolate, { reason: 'keep_alive', message: 'It was idle for its keep_alive.' })
    }
    if (ledger.wanting.size > 0) ledger.isDirty = true
    return this.#settle()
  }

  /**
   * When `tick` must be called, on the clock; undefined: not before another event. Changes seldom, so the owner need
   * not set its timer anew at every request: it may be earlier than necessary, never later.
   */
  nextWakeAt(): number | undefined {
    const { wakeAt } = this.#ledger
    return wakeAt === Infinity ? undefined : wakeAt
  }

  /** No new requests. Those accepted are served as ever, loads included; isolates go as soon as nothing is left. */
  shutdown(): Effect[] {
    return this.#handle(operator.shutdown)
  }

  /** The end of the grace time: all who wait are refused, all isolates killed, whatever they do. */
  abort(): Effect[] {
    return this.#handle(operator.abort)
  }

  /** No isolate lives and nobody waits: after `shutdown`, all is done. */
  isIdle(): boolean {
    return this.#ledger.isIdle()
  }

  /** What makes no progress although it should; to be asked between two events. */
  stalls(owner: OwnerBooks): Stall[] {
    return stallsOf(this.#ledger, owner, this.#clock())
  }

  snapshot(): DeploymentSnapshot[] {
    const { deployments, isolates } = this.#ledger
    return snapshotOf(deployments.values(), isolates.values(), this.#clock())
  }

  // --- internal ---

  /** One event from its begin to its end. */
  #handle(event: (ledger: Ledger) => void): Effect[] {
    event(this.#begin())
    return this.#settle()
  }

  #begin(): Ledger {
    const ledger = this.#ledger
    ledger.now = this.#clock()
    ledger.effects = []
    return ledger
  }

  /** Plans the memory where something changed, until nothing does. */
  #settle(): Effect[] {
    const ledger = this.#ledger
    do
      while (ledger.isDirty) {
        ledger.isDirty = false
        plan(ledger)
      }
    while (refuseDeadlocked(ledger))
    if (ledger.isStopping) ledger.sweep()
    return ledger.effects
  }
}

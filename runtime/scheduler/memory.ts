import { heldIsolates, refuseHopeless } from './chains.ts'
import { overgrown, roomFor } from './eviction.ts'
import type { Resident } from './eviction.ts'
import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import type { Deployment, Isolate, Pool } from './state.ts'

/**
 * Plans the memory of one engine: which of the deployments that need an isolate loads now, and who goes for it.
 *
 * They are asked in this order: first those to whom room was promised, in the order of the promises; then by
 * `priority + floor(waited / ageingMs)`; then by who has waited longest. One that does not fit lets smaller ones pass
 * until it is starving; then what it needs is promised to it, and nobody loads into that. Where it is the callers of
 * chained requests that are in its way, those whom they call go first, whatever was promised: else nobody would ever move.
 */
export function plan(ledger: Ledger, pool: Pool): void {
  const { now, options } = ledger
  const rules = { budgetBytes: pool.budgetBytes, minResidencyMs: options.minResidencyMs }
  refuseHopeless(ledger, pool)
  const held = heldIsolates(ledger)
  const residents = Array.from(pool.isolates, (isolate) => toResident(isolate, held))
  for (const victim of overgrown(residents, rules, now)) {
    const message = `The isolates of ${pool.engine} have outgrown its budget (${messages.bytes(pool.budgetBytes)}).`
    evict(ledger, victim, message)
  }
  // While one is loaded again into an engine that was full, nothing is loaded beside it.
  for (const isolate of pool.isolates) if (isolate.isRetry && isolate.state === 'loading') return

  reopen(ledger, pool, residents)

  let promisedBytes = 0
  let isForCallees = false
  for (const deployment of inOrder(pool, now, options.ageingMs)) {
    if (isForCallees && deployment.queue.chained === 0) continue
    if (deployment.retry?.blockers.some((number) => ledger.isolates.has(number))) return
    const isAlone = deployment.retry?.isAlone === true
    const { isStaged = false } = deployment.terms
    const starvingAt = isStaged ? Infinity : deployment.wantedSince + options.starvingAfterMs
    const neededBytes = deployment.sizeBytes
    const demand = { neededBytes, promisedBytes, isAlone, isStarving: starvingAt <= now }
    const verdict = roomFor(demand, residents, rules, now)
    const isOversized = neededBytes > pool.budgetBytes

    if (verdict.act === 'load') {
      if (isOversized)
        ledger.note(deployment, 'oversized', messages.oversized(deployment.terms, neededBytes, pool.budgetBytes))
      const isolate = ledger.load(deployment)
      residents.push(toResident(isolate, held))
      if (isolate.isRetry) return
    } else if (verdict.act === 'claim') {
      const isPromised = deployment.claim > 0
      const message = messages.evictedFor(deployment.terms, neededBytes)
      if (!isPromised && verdict.victims.some((victim) => victim.state === 'busy')) {
        const waited = messages.seconds(now - deployment.wantedSince)
        ledger.note(
          deployment,
          'starving',
          `${deployment.terms.name} has waited ${waited}: busy isolates take no new requests.`,
        )
      }
      ledger.claim(deployment)
      for (const victim of verdict.victims) evict(ledger, victim, message, deployment)
      ledger.wake(verdict.wakeAt)
      if (isAlone || isOversized) return
      promisedBytes += neededBytes
    } else if (verdict.act === 'wait') {
      if (deployment.claim > 0) promisedBytes += neededBytes
      if (starvingAt > now) ledger.wake(starvingAt)
      ledger.wake(verdict.wakeAt)
    } else if (verdict.act === 'blocked') {
      if (demand.isStarving) isForCallees = true
      // That they are held no longer may show in no event of this engine.
      ledger.wake(starvingAt > now && !isStaged ? starvingAt : now + options.ageingMs)
    } else if (verdict.act === 'never') {
      const message = messages.neverFits(deployment.terms, neededBytes, verdict.pinnedBytes, pool.budgetBytes)
      deployment.isLoadWanted = false
      deployment.lastError = message
      ledger.note(deployment, 'no_room', message)
      ledger.refuseAll(deployment, 'out_of_memory', message, options.maxBackOffMs)
    } else return
  }
}

// --- internal ---

function toResident(isolate: Isolate, held: ReadonlySet<Isolate>): Resident {
  const { number, state, sizeBytes, loadMs, readyAt, idleSince, deployment } = isolate
  return {
    isolate: number,
    state: state === 'draining' ? 'leaving' : state === 'loading' ? 'loading' : isNeeded(isolate) ? 'busy' : 'idle',
    isHeld: held.has(isolate),
    sizeBytes,
    loadMs,
    readyAt,
    idleSince,
    isPinned: deployment.terms.pin,
    priority: deployment.terms.priority,
  }
}

/** At work, or awaited by a request that another isolate holds, or between two trials of what is staged. */
function isNeeded(isolate: Isolate): boolean {
  const { leases, deployment } = isolate
  return (
    leases > 0 || deployment.terms.isStaged === true || (deployment.current === isolate && deployment.queue.chained > 0)
  )
}

function inOrder(pool: Pool, now: number, ageingMs: number): Deployment[] {
  const rank = ({ terms, wantedSince }: Deployment) => terms.priority + Math.floor((now - wantedSince) / ageingMs)
  const order = ({ claim }: Deployment) => (claim === 0 ? Number.MAX_SAFE_INTEGER : claim)
  return [...pool.wanting].sort((a, b) => order(a) - order(b) || rank(b) - rank(a) || a.wantedSince - b.wantedSince)
}

function evict(ledger: Ledger, victim: Resident, message: string, beneficiary?: Deployment): void {
  const isolate = ledger.isolates.get(victim.isolate)
  if (isolate === undefined) return
  victim.state = 'leaving'
  ledger.close(isolate, { reason: 'evicted', message, ...(beneficiary && { for: beneficiary }) })
}

/**
 * Those that were closed for one that needs their room no longer go back to work, unless the next is starving already.
 * Asked first, for otherwise their own deployments would wait for a new isolate in their place.
 */
function reopen(ledger: Ledger, pool: Pool, residents: Resident[]): void {
  const starvingSince = ledger.now - ledger.options.starvingAfterMs
  for (const resident of residents) {
    const isolate = ledger.isolates.get(resident.isolate)!
    const { deployment, departure } = isolate
    if (isolate.isKilled || departure?.for === undefined || departure.for.claim > 0) continue
    if (deployment.current !== undefined || deployment.isRemoved) continue
    let stayingBytes = resident.sizeBytes
    for (const other of residents) if (other.state !== 'leaving') stayingBytes += other.sizeBytes
    let isNextStarving = false
    for (const other of pool.wanting) {
      if (other === deployment) continue
      if (other.claim > 0) stayingBytes += other.sizeBytes
      else if (!other.terms.isStaged && other.wantedSince <= starvingSince) isNextStarving = true
    }
    if (isNextStarving || stayingBytes > pool.budgetBytes) continue
    resident.state = 'busy'
    ledger.reopen(isolate)
  }
}

import { heldIsolates, refuseHopeless } from './chains.ts'
import { overgrown, roomFor } from './eviction.ts'
import type { Resident } from './eviction.ts'
import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import type { Deployment, Isolate } from './state.ts'

/**
 * Plans the memory: which of the deployments that need an isolate loads now, and who goes for it.
 *
 * They are asked in this order: first those to whom room was promised, in the order of the promises; then by
 * `priority + floor(waited / ageingMs)`; then by who has waited longest. One that does not fit lets smaller ones pass
 * until it is starving; then what it needs is promised to it, and nobody loads into that. Where it is the callers of
 * chained requests that are in its way, those whom they call go first, whatever was promised: else nobody would ever move.
 * While one goes into an engine that was full, or has a promise of room there, no other is loaded into that engine.
 */
export function plan(ledger: Ledger): void {
  const { now, options, budgetBytes } = ledger
  const rules = { budgetBytes, minResidencyMs: options.minResidencyMs }
  refuseHopeless(ledger)
  const held = heldIsolates(ledger)
  const residents = Array.from(ledger.isolates.values(), (isolate) => toResident(isolate, held))
  for (const victim of overgrown(residents, rules, now)) evict(ledger, victim, messages.outgrown(budgetBytes))
  reopen(ledger, residents)

  const closedEngines = new Set<string>()
  for (const { beside, state, engine } of ledger.isolates.values())
    if (beside < Infinity && state === 'loading') closedEngines.add(engine)
  let promisedBytes = 0
  let isForCallees = false
  for (const deployment of inOrder(ledger, now, options.ageingMs)) {
    if (isForCallees && deployment.queue.chained === 0) continue
    const { isStaged = false, engine } = deployment.terms
    const { sizeBytes: neededBytes, beside } = deployment
    if (closedEngines.has(engine)) {
      if (deployment.claim > 0) promisedBytes += neededBytes
      continue
    }
    const starvingAt = isStaged ? Infinity : deployment.wantedSince + options.starvingAfterMs
    const demand = { neededBytes, promisedBytes, engine, beside, isStarving: starvingAt <= now }
    const verdict = roomFor(demand, residents, rules, now)
    const isOversized = neededBytes > budgetBytes

    if (verdict.act === 'load') {
      if (isOversized)
        ledger.note(deployment, 'oversized', messages.oversized(deployment.terms, neededBytes, budgetBytes))
      const isolate = ledger.load(deployment)
      residents.push(toResident(isolate, held))
      if (beside < Infinity) closedEngines.add(engine)
    } else if (verdict.act === 'claim') {
      const isPromised = deployment.claim > 0
      if (!isPromised && verdict.victims.some((victim) => victim.state === 'busy')) {
        const waited = messages.seconds(now - deployment.wantedSince)
        ledger.note(
          deployment,
          'starving',
          `${deployment.terms.name} has waited ${waited}: busy isolates take no new requests.`,
        )
      }
      ledger.claim(deployment)
      for (const victim of verdict.victims) {
        const isFull = beside < Infinity && victim.engine === engine
        const message = isFull
          ? messages.evictedFromFull(deployment.terms)
          : messages.evictedFor(deployment.terms, neededBytes)
        evict(ledger, victim, message, deployment)
      }
      ledger.wake(verdict.wakeAt)
      if (isOversized) return
      if (beside < Infinity) closedEngines.add(engine)
      promisedBytes += neededBytes
    } else if (verdict.act === 'wait') {
      if (deployment.claim > 0) promisedBytes += neededBytes
      if (starvingAt > now) ledger.wake(starvingAt)
      ledger.wake(verdict.wakeAt)
    } else if (verdict.act === 'blocked') {
      if (demand.isStarving) isForCallees = true
      // That they are held no longer may show in no event that touches memory.
      ledger.wake(starvingAt > now && !isStaged ? starvingAt : now + options.ageingMs)
    } else if (verdict.act === 'never') {
      const message = messages.neverFits(deployment.terms, neededBytes, verdict.pinnedBytes, budgetBytes)
      deployment.isLoadWanted = false
      deployment.lastError = message
      ledger.note(deployment, 'no_room', message)
      ledger.refuseAll(deployment, 'out_of_memory', message, options.maxBackOffMs)
    } else return
  }
}

// --- internal ---

function toResident(isolate: Isolate, held: ReadonlySet<Isolate>): Resident {
  const { number, engine, state, sizeBytes, loadMs, readyAt, idleSince, deployment } = isolate
  return {
    isolate: number,
    engine,
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

function inOrder({ wanting }: Ledger, now: number, ageingMs: number): Deployment[] {
  const rank = ({ terms, wantedSince }: Deployment) => terms.priority + Math.floor((now - wantedSince) / ageingMs)
  const order = ({ claim }: Deployment) => (claim === 0 ? Number.MAX_SAFE_INTEGER : claim)
  return [...wanting].sort((a, b) => order(a) - order(b) || rank(b) - rank(a) || a.wantedSince - b.wantedSince)
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
function reopen(ledger: Ledger, residents: Resident[]): void {
  const starvingSince = ledger.now - ledger.options.starvingAfterMs
  for (const resident of residents) {
    const isolate = ledger.isolates.get(resident.isolate)!
    const { deployment, departure } = isolate
    if (isolate.isKilled || departure?.for === undefined || departure.for.claim > 0) continue
    if (deployment.current !== undefined || deployment.isRemoved) continue
    let stayingBytes = resident.sizeBytes
    for (const other of residents) if (other.state !== 'leaving') stayingBytes += other.sizeBytes
    let isNextStarving = false
    for (const other of ledger.wanting) {
      if (other === deployment) continue
      if (other.claim > 0) stayingBytes += other.sizeBytes
      else if (!other.terms.isStaged && other.wantedSince <= starvingSince) isNextStarving = true
    }
    if (isNextStarving || stayingBytes > ledger.budgetBytes) continue
    resident.state = 'busy'
    ledger.reopen(isolate)
  }
}

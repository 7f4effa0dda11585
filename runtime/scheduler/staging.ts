import type { Ledger } from './ledger.ts'
import { replaced, retire } from './operator.ts'
import { createDeployment } from './state.ts'
import type { Terms } from './types.ts'

/*
 * A revision that is loaded and tried beside the one that serves. To every rule it is a deployment under a name of its own,
 * with three differences: what is loaded of it stays while it is tried, as if it were busy; it never starves, so that no
 * busy isolate is closed for it; and its manifest's keep_alive and pin count from its promotion on.
 */

/** The name under which a revision is staged: no manifest can have it, and messages read well with it. */
export function stagedName(name: string): string {
  return `${name} (new revision)`
}

/** @throws Error when a revision of that name is staged already: its owner stages one at a time */
export function stage(ledger: Ledger, terms: Terms): void {
  const name = stagedName(terms.name)
  if (ledger.deployments.has(name)) throw new Error(`${name} is staged already`)
  const staged = { ...terms, name, keepAliveMs: -1, pin: false, isStaged: true }
  ledger.deployments.set(name, createDeployment(staged))
}

/**
 * What is staged goes live: the isolates of the old revision drain, and the warm one takes those who wait. Its keep_alive
 * counts as after a load. Where nothing is loaded of it any more, this is an ordinary deploy.
 * @param terms of the deployment, under its own name
 */
export function promote(ledger: Ledger, terms: Terms): void {
  const staged = takeStaged(ledger, terms.name, 'It is live now.')
  if (staged === undefined) throw new Error(`${terms.name} is not staged`)
  let live = ledger.deployments.get(terms.name)
  if (live === undefined) {
    live = createDeployment(terms)
    ledger.deployments.set(terms.name, live)
  } else {
    live.terms = terms
    retire(ledger, live, replaced(terms))
    ledger.renew(live)
  }
  live.loads += staged.loads
  live.sizeBytes = staged.sizeBytes
  live.loadMs = staged.loadMs
  const { current } = staged
  for (const isolate of ledger.isolates.values()) if (isolate.deployment === staged) isolate.deployment = live
  if (current === undefined) return
  live.current = current
  live.isLoadWanted = false
  ledger.update(live)
  ledger.serve(live)
  if (current.state === 'ready' && current.leases === 0) ledger.rest(current, terms.keepAliveMs)
}

/** What is staged under the name is ended, whatever it does; unknown names change nothing. */
export function discard(ledger: Ledger, name: string): void {
  const staged = takeStaged(ledger, name, 'It was given up before it was loaded.')
  if (staged === undefined) return
  const departure = { reason: 'discarded', message: `${staged.terms.name} was given up.` } as const
  for (const isolate of ledger.isolates.values()) if (isolate.deployment === staged) ledger.kill(isolate, departure)
}

// --- internal ---

function takeStaged(ledger: Ledger, name: string, message: string) {
  const staged = ledger.deployments.get(stagedName(name))
  if (staged === undefined) return undefined
  ledger.deployments.delete(staged.terms.name)
  staged.isRemoved = true
  ledger.refuseAll(staged, 'not_found', message)
  return staged
}

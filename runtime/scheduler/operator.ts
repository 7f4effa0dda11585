import { stoppingRetryAfterMs } from './admission.ts'
import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import { createDeployment } from './state.ts'
import type { Departure, Deployment } from './state.ts'
import type { Terms } from './types.ts'

/** What the operator orders, and what goes live or away: the events of the scheduler that no request and no isolate causes. */

export function deploy(ledger: Ledger, terms: Terms): void {
  const deployment = ledger.deployments.get(terms.name)
  if (deployment === undefined) {
    ledger.deployments.set(terms.name, createDeployment(terms))
    return
  }
  const isReplaced = deployment.terms.revision !== terms.revision || deployment.terms.engine !== terms.engine
  const { sizeBytes } = deployment.terms
  deployment.terms = terms
  if (isReplaced) {
    retire(ledger, deployment, replaced(terms))
    ledger.renew(deployment)
  } else {
    if (terms.sizeBytes !== sizeBytes) deployment.sizeBytes = terms.sizeBytes
    ledger.serve(deployment)
    ledger.expire(deployment)
    ledger.isDirty = true
  }
}

export function remove(ledger: Ledger, name: string): void {
  const deployment = ledger.deployments.get(name)
  if (deployment === undefined) return
  ledger.deployments.delete(name)
  deployment.isRemoved = true
  ledger.refuseAll(deployment, 'not_found', messages.notFound(name))
  retire(ledger, deployment, { reason: 'removed', message: `${name} was deleted.` })
}

export function setBudget(ledger: Ledger, budgetBytes: number): void {
  ledger.budgetBytes = budgetBytes
  ledger.isDirty = true
}

export function load(ledger: Ledger, name: string): void {
  const deployment = ledger.deployments.get(name)
  if (deployment === undefined || ledger.isStopping) return
  const { current, terms } = deployment
  if (current === undefined) {
    deployment.retryAt = 0
    deployment.isLoadWanted = true
    ledger.update(deployment)
  } else if (current.state === 'loading') {
    current.isByOperator = true
    current.departure = undefined
  } else if (current.leases === 0 && terms.keepAliveMs !== 0) ledger.rest(current, terms.keepAliveMs)
}

export function unload(ledger: Ledger, name: string): void {
  const deployment = ledger.deployments.get(name)
  if (deployment === undefined) return
  const departure: Departure = { reason: 'unloaded', message: `${name} was unloaded.` }
  const { current, queue } = deployment
  deployment.isLoadWanted = false
  ledger.update(deployment)
  if (current?.state === 'loading' && queue.size > 0) {
    current.isByOperator = false
    current.departure = departure
  } else retire(ledger, deployment, departure)
}

export function shutdown(ledger: Ledger): void {
  ledger.isStopping = true
  for (const deployment of ledger.deployments.values()) {
    deployment.isLoadWanted = false
    // Nobody's request waits for what is staged.
    if (deployment.terms.isStaged) ledger.refuseAll(deployment, 'stopping', messages.stopping(), stoppingRetryAfterMs)
    ledger.left(deployment)
  }
}

export function abort(ledger: Ledger): void {
  ledger.isStopping = true
  for (const deployment of ledger.deployments.values()) {
    deployment.isLoadWanted = false
    ledger.refuseAll(deployment, 'stopping', messages.stopping(), stoppingRetryAfterMs)
  }
  const departure: Departure = { reason: 'stopping', message: 'The time to shut down is over.' }
  for (const isolate of ledger.isolates.values()) ledger.kill(isolate, departure)
}

/** Its isolates take no more requests, and are killed once idle. */
export function retire(ledger: Ledger, deployment: Deployment, departure: Departure): void {
  for (const isolate of ledger.isolates.values())
    if (isolate.deployment === deployment) ledger.close(isolate, departure)
}

export function replaced({ revision }: Terms): Departure {
  return { reason: 'replaced', message: `Revision ${revision.slice(0, 12)} replaces it.` }
}

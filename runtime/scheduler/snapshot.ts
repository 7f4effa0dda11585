import type { Deployment, Isolate } from './state.ts'
import type { DeploymentSnapshot, DeploymentState } from './types.ts'

/** One row for each deployment, in the order in which they were deployed. */
export function snapshotOf(
  deployments: Iterable<Deployment>,
  isolates: Iterable<Isolate>,
  now: number,
): DeploymentSnapshot[] {
  const living = new Map<Deployment, Isolate[]>()
  for (const isolate of isolates) {
    const own = living.get(isolate.deployment)
    if (own === undefined) living.set(isolate.deployment, [isolate])
    else own.push(isolate)
  }
  return Array.from(deployments, (deployment) => toRow(deployment, living.get(deployment) ?? [], now))
}

// --- internal ---

function toRow(deployment: Deployment, isolates: Isolate[], now: number): DeploymentSnapshot {
  const { terms, current, queue, loads, evictions, crashes, lastUsedAt, lastError, retryAt, isLoadWanted } = deployment
  const state = stateOf(deployment, isolates, now)
  const row: DeploymentSnapshot = {
    name: terms.name,
    revision: terms.revision,
    engine: terms.engine,
    state,
    sizeBytes: sum(isolates, (isolate) => isolate.sizeBytes),
    inFlight: sum(isolates, (isolate) => isolate.leases),
    queued: queue.size,
    isLoadWanted,
    loads,
    evictions,
    crashes,
  }
  if (current !== undefined) row.isolate = current.number
  if (current !== undefined && current.expiresAt < Infinity) row.expiresAt = current.expiresAt
  if (lastUsedAt !== undefined) row.lastUsedAt = lastUsedAt
  if (lastError !== undefined) row.lastError = lastError
  if (state === 'failed') row.retryAt = retryAt
  if (terms.isStaged) row.isStaged = true
  return row
}

function stateOf({ current, retryAt }: Deployment, isolates: Isolate[], now: number): DeploymentState {
  if (current !== undefined) return current.state
  if (retryAt > now) return 'failed'
  return isolates.length > 0 ? 'draining' : 'cold'
}

function sum(isolates: Isolate[], of: (isolate: Isolate) => number): number {
  let total = 0
  for (const isolate of isolates) total += of(isolate)
  return total
}

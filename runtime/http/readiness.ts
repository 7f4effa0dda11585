import { whyNotDeployed } from '../deployments/missing-model.ts'
import { PelletError } from '../errors.ts'
import type { Pellet } from '../pellet.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'
import { formatDuration } from '../units.ts'

/** Of one deployment: `/health/ready/{name}`. */
export const readinessPath = /^\/health\/ready\/[^/]+$/

/** Throws unless all of Pellet is ready. @throws PelletError `not_ready` */
export function checkReady(pellet: Pellet): void {
  if (!pellet.isReady()) throw notReady(pellet.notReadyReason())
}

/**
 * Throws unless requests to the deployment can be served: Pellet runs, what is to be preloaded is loaded, and the last load did
 * not fail. One that loads with its first request is ready.
 * @throws PelletError `not_ready`, `not_found`
 */
export function checkDeploymentReady(pellet: Pellet, name: string): void {
  // Which deployments there are is not known yet, or of no use any more.
  if (pellet.isStarting() || pellet.isStopping()) throw notReady(pellet.notReadyReason())
  if (!pellet.routes.deployments.has(name)) {
    const failure = pellet.routes.failures.find((one) => one.name === name && !one.serves)
    if (failure) throw new PelletError('not_found', `${whyNotDeployed(failure)}; pellet list says what to do`)
    throw new PelletError('not_found', `deployment: expected one that GET /health lists, found ${JSON.stringify(name)}`)
  }
  const row = pellet.dispatcher.snapshot().find((one) => one.name === name)
  const reason = whyNotReady(pellet, name, row)
  if (reason === undefined) return
  const retryAfterMs = row?.retryAt === undefined ? soonMs : Math.max(soonMs, row.retryAt - pellet.clock.now())
  throw notReady(`${name}: ${reason}`, retryAfterMs)
}

/** For people; undefined: it is ready. */
export function whyNotReady(pellet: Pellet, name: string, row: DeploymentSnapshot | undefined): string | undefined {
  const readiness = pellet.preloads.readinessOf(name, row)
  if (readiness === 'ready') return undefined
  if (readiness === 'loading') return 'its model is being loaded (preload)'
  const again =
    row?.retryAt === undefined ? '' : `; it is tried again in ${formatDuration(row.retryAt - pellet.clock.now())}`
  return `its last load failed: ${row?.lastError ?? 'it was unloaded before it was done'}${again}`
}

// --- internal ---

const soonMs = 1000

function notReady(message: string, retryAfterMs = soonMs): PelletError {
  return new PelletError('not_ready', message, { retryAfterMs })
}

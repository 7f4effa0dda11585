import { crashesBeforeBackOff } from './back-off.ts'
import type { ErrorCode } from '../errors.ts'
import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import type { Departure, Isolate } from './state.ts'
import type { LoadFailure } from './types.ts'

/**
 * An isolate ended by itself, or must be ended whatever it does (`departure`): a load that failed, or a crash. Those who
 * wait get another isolate at once; from the third crash in a row on, the deployment backs off.
 */
export function fall(ledger: Ledger, isolate: Isolate, code: ErrorCode, message: string, departure?: Departure): void {
  const { deployment, state } = isolate
  if (departure === undefined) ledger.bury(isolate)
  else ledger.kill(isolate, departure)
  if (state === 'loading') return failLoad(ledger, isolate, { message, ...(code === 'out_of_memory' && { code }) })
  deployment.crashes++
  deployment.lastError = message
  if (state === 'draining') return
  deployment.crashesInRow++
  const failures = deployment.crashesInRow - crashesBeforeBackOff + 1
  if (failures <= 0) return
  const { name } = deployment.terms
  ledger.backOff(deployment, failures, code, messages.crashed(name, message, deployment.crashesInRow))
}

/** `isolate` was loading and is killed or gone. All who wait are refused, unless others can make room for one more try. */
export function failLoad(ledger: Ledger, isolate: Isolate, { message, code, outOfMemory = false }: LoadFailure): void {
  const { deployment } = isolate
  deployment.lastError = message
  if (outOfMemory && !isolate.isRetry && retry(ledger, isolate, message)) return
  deployment.failures++
  const refused = code ?? (outOfMemory ? 'out_of_memory' : 'load_failed')
  ledger.backOff(deployment, deployment.failures, refused, messages.loadFailed(deployment.terms.name, message))
}

// --- internal ---

/**
 * The engine was full. Once: all that is idle goes and the load is repeated; where nothing is idle, it is repeated when
 * nothing unpinned is left, which waits for busy isolates as any starving deployment does.
 */
function retry(ledger: Ledger, failed: Isolate, message: string): boolean {
  const { deployment, pool } = failed
  if (deployment.queue.size === 0 && !failed.isByOperator) return false
  const others = [...pool.isolates].filter((isolate) => isolate !== failed && !isolate.deployment.terms.pin)
  if (others.length === 0) return false
  const victims = ledger.evictable(pool)
  deployment.isLoadWanted = failed.isByOperator
  ledger.update(deployment)
  deployment.wantedSince = failed.wantedSince
  const isAlone = victims.length === 0
  deployment.retry = { blockers: isAlone ? [] : [failed, ...victims].map((isolate) => isolate.number), isAlone }
  if (!isAlone) ledger.claim(deployment)
  const { terms, sizeBytes } = deployment
  ledger.note(deployment, 'retrying', `${terms.engine} has no room for ${terms.name}: ${message}`)
  for (const isolate of victims)
    ledger.kill(isolate, { reason: 'evicted', message: messages.evictedFor(terms, sizeBytes) })
  return true
}

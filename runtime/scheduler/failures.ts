import { crashesBeforeBackOff } from './back-off.ts'
import type { ErrorCode } from '../errors.ts'
import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import { rivalsOf } from './state.ts'
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
  if (outOfMemory && retry(ledger, isolate)) return
  deployment.failures++
  const refused = code ?? (outOfMemory ? 'out_of_memory' : 'load_failed')
  ledger.backOff(deployment, deployment.failures, refused, messages.loadFailed(deployment.terms.name, message))
}

// --- internal ---

/** For how long one that did not fit even alone moves nobody. */
const tooLargeMs = 10 * 60_000

/**
 * The engine was full: the load is repeated with one isolate of that engine fewer beside it, and so on until it is alone
 * with what is pinned. How many bytes an engine has, and how many a model takes of them, only the engine knows. One that
 * was alone with nothing and did not fit is too large: for a while others keep their places when it comes again. Not for ever,
 * for what was in its way may have been no isolate's: another program's model, on a chip that is shared.
 */
function retry(ledger: Ledger, failed: Isolate): boolean {
  const { deployment, engine, isByOperator } = failed
  const others = [...ledger.isolates.values()].filter((isolate) => isolate !== failed && isolate.engine === engine)
  if (others.length === 0) deployment.tooLargeUntil = ledger.now + tooLargeMs
  if (deployment.tooLargeUntil > ledger.now && !isByOperator) return false
  if (deployment.queue.size === 0 && !isByOperator) return false
  const rivals = rivalsOf(failed, others)
  if (rivals.length === 0 || failed.beside === 0) return false
  deployment.isLoadWanted = isByOperator
  ledger.update(deployment)
  deployment.wantedSince = failed.wantedSince
  deployment.beside = Math.min(failed.beside, rivals.length) - 1
  ledger.note(deployment, 'retrying', messages.full(deployment.terms, others))
  return true
}

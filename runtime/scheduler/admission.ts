import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import type { Deployment, Request } from './state.ts'

export const stoppingRetryAfterMs = 5000
const minRetryAfterMs = 1000
const maxRetryAfterMs = 60_000

/** Takes a request that cannot be granted at once into the queue, or refuses it; before anything is loaded for it. */
export function admit(ledger: Ledger, request: Request): void {
  const { deployment } = request
  const { current, queue, terms, failure, retryAt } = deployment
  if (current === undefined && failure !== undefined && retryAt > ledger.now) {
    const leftMs = retryAt - ledger.now
    return ledger.refuse(request, failure.code, messages.backingOff(terms.name, failure.message, leftMs), leftMs)
  }
  for (const late of queue.takeExpired(ledger.now)) ledger.refuseLate(late)
  // Places in an isolate that is draining do not count: it is on its way out. Chained requests come and wait in any number:
  // there are as many as their callers have places.
  const outstanding = queue.size - queue.chained + (current?.leases ?? 0)
  if (!request.isChained && outstanding >= terms.concurrency + terms.queue.depth) {
    const retryAfterMs = estimate(deployment)
    const oldest = terms.queue.drop === 'oldest' ? queue.oldestUnchained : undefined
    if (oldest === undefined) {
      const message = messages.queueFull(terms, outstanding)
      return ledger.refuse(request, 'queue_full', message, retryAfterMs)
    }
    queue.remove(oldest)
    ledger.refuse(oldest, 'dropped', messages.dropped(terms), retryAfterMs)
  }
  ledger.requests.set(request.id, request)
  queue.push(request)
  ledger.wake(request.deadlineAt)
  ledger.update(deployment)
  // It may be what its own callers hold that is in the way.
  if (request.isChained) ledger.isDirty = true
}

// --- internal ---

/** When a queue that is full is likely to be empty. */
function estimate({ queue, terms, current, serviceMs, loadMs }: Deployment): number {
  const waitMs = (queue.size / terms.concurrency) * serviceMs + (current?.state === 'ready' ? 0 : loadMs)
  return Math.min(maxRetryAfterMs, Math.max(minRetryAfterMs, waitMs))
}

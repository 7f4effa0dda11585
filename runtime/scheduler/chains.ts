import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import type { Deployment, Isolate, Pool, Request } from './state.ts'

/**
 * Requests that a granted request makes of other deployments. The caller keeps its place until it is answered: so what it
 * waits for must not wait for that place. Which deployments call which is acyclic, so only memory can close a ring.
 */

const retryAfterMs = 1000

/**
 * Isolates that cannot end before a chained request gets memory: one of their requests waits for it, at whatever number of
 * calls' remove, or for a place behind such requests. Nobody may count on their leaving.
 */
export function heldIsolates(ledger: Ledger): ReadonlySet<Isolate> {
  const wanting = wantingOf(ledger)
  return wanting.size === 0 ? none : heldFor(ledger, wanting)
}

/** Chained requests whose callee can never be loaded beside what their own chain and what is pinned hold. */
export function refuseHopeless(ledger: Ledger, pool: Pool): void {
  for (const deployment of pool.wanting) {
    if (deployment.queue.chained === 0) continue
    const { terms, sizeBytes, queue, retry, lastError = '' } = deployment
    for (const request of queue.chainedOnes()) {
      const chain = chainOf(request, pool)
      if (chain.size === 0) continue
      const staying = [...pool.isolates].filter((isolate) => chain.has(isolate) || isPinned(isolate))
      const isFull = retry?.isAlone === true
      if (!isFull && bytesOf(staying) + sizeBytes <= pool.budgetBytes) continue
      const message = isFull
        ? messages.fullBeside(terms, staying, lastError)
        : messages.neverTogether(terms, sizeBytes, staying, pool.budgetBytes)
      queue.remove(request)
      ledger.note(deployment, 'no_room', message)
      ledger.refuse(request, 'out_of_memory', message, ledger.options.maxBackOffMs)
    }
    ledger.update(deployment)
  }
}

/**
 * Where chained requests wait for memory that only the end of one another's callers would free, the youngest is refused.
 * Found by assuming that whoever could be loaded, once all that is not held is gone, is loaded and ends: those who are
 * left then wait for each other. @returns whether one was refused
 */
export function refuseDeadlocked(ledger: Ledger): boolean {
  const stuck = wantingOf(ledger)
  let youngest: Request | undefined
  while (stuck.size > 0) {
    const held = heldFor(ledger, stuck)
    const free = [...stuck].find((deployment) => fitsBeside(held, deployment))
    if (free === undefined) break
    stuck.delete(free)
  }
  for (const { queue } of stuck)
    for (const request of queue.chainedOnes())
      if (youngest === undefined || request.id > youngest.id) youngest = request
  if (youngest === undefined) return false
  const { deployment } = youngest
  deployment.queue.remove(youngest)
  ledger.refuse(youngest, 'out_of_memory', messages.deadlocked(deployment.terms, deployment.sizeBytes), retryAfterMs)
  ledger.update(deployment)
  return true
}

// --- internal ---

const none: ReadonlySet<Isolate> = new Set()

/** Those that have no isolate, and chained requests that wait for one. */
function wantingOf(ledger: Ledger): Set<Deployment> {
  const found = new Set<Deployment>()
  for (const { wanting } of ledger.pools.values())
    for (const deployment of wanting) if (deployment.queue.chained > 0) found.add(deployment)
  return found
}

function heldFor(ledger: Ledger, wanting: Iterable<Deployment>): Set<Isolate> {
  const blocked = new Set<Request>()
  const places = new Map<Isolate, number>()
  const block = ({ queue }: Deployment) => {
    for (const waiting of queue.chainedOnes())
      for (let caller = waiting.parent; caller !== undefined && !blocked.has(caller); caller = caller.parent) {
        blocked.add(caller)
        places.set(caller.isolate!, (places.get(caller.isolate!) ?? 0) + 1)
      }
  }
  for (const deployment of wanting) block(deployment)
  // Those who wait for a place behind none but blocked ones are blocked too, and so are their own callers.
  const behind = [...ledger.deployments.values()].filter(({ queue, current }) => {
    return queue.chained > 0 && current?.state === 'ready' && current.suspensions === 0
  })
  for (let at = 0; at < behind.length; at++) {
    const { current } = behind[at]!
    if (places.get(current!) !== current!.leases) continue
    block(behind[at]!)
    behind.splice(at, 1)
    at = -1
  }
  return new Set([...places.keys()].filter(({ isKilled }) => !isKilled))
}

function fitsBeside(held: Set<Isolate>, { pool, sizeBytes, retry }: Deployment): boolean {
  const kept = [...pool.isolates].filter((isolate) => held.has(isolate) || isPinned(isolate))
  const isAlone = retry?.isAlone === true || sizeBytes > pool.budgetBytes
  if (isAlone) return !kept.some((isolate) => held.has(isolate))
  return bytesOf(kept) + sizeBytes <= pool.budgetBytes
}

/** The isolates of this engine that the callers of a request hold. */
function chainOf(request: Request, pool: Pool): Set<Isolate> {
  const chain = new Set<Isolate>()
  for (let caller = request.parent; caller !== undefined; caller = caller.parent)
    if (caller.isolate!.pool === pool && !caller.isolate!.isKilled) chain.add(caller.isolate!)
  return chain
}

function isPinned({ deployment, state }: Isolate): boolean {
  return deployment.terms.pin && state !== 'draining'
}

function bytesOf(isolates: Iterable<Isolate>): number {
  let bytes = 0
  for (const { sizeBytes } of isolates) bytes += sizeBytes
  return bytes
}

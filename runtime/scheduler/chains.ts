import type { Ledger } from './ledger.ts'
import * as messages from './messages.ts'
import { isPinned } from './state.ts'
import type { Deployment, Isolate, Request } from './state.ts'

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
export function refuseHopeless(ledger: Ledger): void {
  const { budgetBytes } = ledger
  for (const deployment of ledger.wanting) {
    if (deployment.queue.chained === 0) continue
    const { terms, sizeBytes, queue, beside, lastError = '' } = deployment
    for (const request of queue.chainedOnes()) {
      const chain = chainOf(request)
      if (chain.size === 0) continue
      const staying = [...ledger.isolates.values()].filter((isolate) => chain.has(isolate) || isPinned(isolate))
      const rivals = staying.filter((isolate) => isolate.engine === terms.engine)
      const isFull = rivals.filter((isolate) => !isPinned(isolate)).length > beside
      if (!isFull && bytesOf(staying) + sizeBytes <= budgetBytes) continue
      const message = isFull
        ? messages.fullBeside(terms, rivals, lastError)
        : messages.neverTogether(terms, sizeBytes, staying, budgetBytes)
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
    const free = [...stuck].find((deployment) => fitsBeside(ledger, held, deployment))
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
  for (const deployment of ledger.wanting) if (deployment.queue.chained > 0) found.add(deployment)
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

function fitsBeside(ledger: Ledger, held: Set<Isolate>, { terms, sizeBytes, beside }: Deployment): boolean {
  if (sizeBytes > ledger.budgetBytes) return held.size === 0
  const rivals = [...held].filter((isolate) => isolate.engine === terms.engine && !isPinned(isolate))
  if (rivals.length > beside) return false
  const kept = [...ledger.isolates.values()].filter((isolate) => held.has(isolate) || isPinned(isolate))
  return bytesOf(kept) + sizeBytes <= ledger.budgetBytes
}

/** The isolates that the callers of a request hold. */
function chainOf(request: Request): Set<Isolate> {
  const chain = new Set<Isolate>()
  for (let caller = request.parent; caller !== undefined; caller = caller.parent)
    if (!caller.isolate!.isKilled) chain.add(caller.isolate!)
  return chain
}

function bytesOf(isolates: Iterable<Isolate>): number {
  let bytes = 0
  for (const { sizeBytes } of isolates) bytes += sizeBytes
  return bytes
}

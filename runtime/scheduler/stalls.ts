import type { Stall } from '../vitals.ts'
import type { Ledger } from './ledger.ts'
import type { Deployment, Isolate } from './state.ts'

/** What the owner of the isolates knows by itself: where the scheduler knows something else, an event was lost. */
export interface OwnerBooks {
  /** Requests that were handed over and have no answer yet. */
  waiting: number
  /** Grants that were not given back. */
  leases: number
  /** Living processes, by number. */
  isolates: ReadonlyMap<number, { isReady: boolean }>
  /** Somebody debugs it: it may take for ever. */
  isDebugged(name: string): boolean
}

/**
 * What should not be so, as it is now. Between two events none of it holds under any load, save for what has an allowance of
 * its own; the keys name the very thing, so that two short ones in a row are not taken for a long one.
 */
export function stallsOf(ledger: Ledger, owner: OwnerBooks, now: number): Stall[] {
  const stalls: Stall[] = []
  const add = (key: string, message: string, allowedMs = shortMs) => stalls.push({ key, message, allowedMs })
  if (ledger.wakeAt <= now) add(`alarm ${ledger.wakeAt}`, 'the scheduler was to be woken, and was not')
  let waiting = 0
  for (const deployment of ledger.deployments.values()) {
    const { queue, current, terms } = deployment
    waiting += queue.size
    if (queue.size === 0) continue
    const { name } = terms
    if (queue.deadlineAt <= now)
      add(`late ${name} ${queue.deadlineAt}`, `a request for ${name} still waits after its deadline`)
    if (current?.state === 'ready' && current.leases < terms.concurrency && current.suspensions === 0)
      add(`place ${name} ${current.number}`, `requests wait for ${name} though it has a place free`)
  }
  if (waiting !== owner.waiting)
    add('waiting', `requests that wait: ${owner.waiting}, by the scheduler's books ${waiting}`)
  for (const one of unserved(ledger)) add(...one)
  let leases = 0
  for (const { isolate, deadlineAt, id } of ledger.requests.values()) {
    if (isolate === undefined) continue
    leases++
    if (deadlineAt <= now)
      add(`lease ${id}`, `a request to ${isolate.deployment.terms.name} is past its deadline and not over`, leaseMs)
  }
  if (leases > owner.leases) add('leases', `requests at work: ${owner.leases}, by the scheduler's books ${leases}`)
  for (const isolate of ledger.isolates.values()) for (const one of stuck(isolate, owner)) add(...one)
  for (const number of owner.isolates.keys())
    if (!ledger.isolates.has(number)) add(`stray ${number}`, 'a process runs that the scheduler knows nothing of')
  return stalls
}

// --- internal ---

type Found = [key: string, message: string, allowedMs?: number]

/** What should not be so between two events at all. */
const shortMs = 5000
/** After its deadline a request is given up and its isolate examined, which has bounds of its own (examiner.ts). */
const leaseMs = 30_000
/** A killed process may have gigabytes to give back, on a machine that swaps. */
const killMs = 60_000
/** Above what a load may take (isolate.ts), after which it is killed. */
const loadMs = 90_000
/** An isolate in doubt is asked several times, for seconds each. */
const doubtMs = 60_000

/** Those who need an isolate where nothing stands in their way: what is loaded does nothing and may go. */
function unserved({ wanting, isolates }: Ledger): Found[] {
  const isFree = [...isolates.values()].every(
    ({ state, leases, suspensions, deployment: { terms } }) =>
      state === 'ready' && leases === 0 && suspensions === 0 && !terms.pin && !terms.isStaged,
  )
  if (!isFree) return []
  return Array.from(wanting, ({ terms: { name }, wantedSince }: Deployment) => [
    `unserved ${name} ${wantedSince}`,
    `${name} waits to be loaded, and nothing stands in its way`,
  ])
}

function stuck({ number, state, isKilled, suspensions, deployment }: Isolate, owner: OwnerBooks): Found[] {
  const { name } = deployment.terms
  const process = owner.isolates.get(number)
  if (!process) return [[`gone ${number}`, `the process of ${name} is gone, and the scheduler counts on it`]]
  if (isKilled) return [[`killed ${number}`, `the process of ${name} was killed and does not end`, killMs]]
  if (state === 'loading' && process.isReady) return [[`ready ${number}`, `${name} is loaded, and nobody gets it`]]
  if (state === 'loading' && !owner.isDebugged(name))
    return [[`loading ${number}`, `${name} is being loaded and does not come to an end`, loadMs]]
  if (state === 'ready' && suspensions > 0)
    return [[`doubt ${number}`, `${name} is being examined and does not come to an end`, doubtMs]]
  return []
}

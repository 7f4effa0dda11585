import { Agent } from 'node:http'
import type { PlannedRequest } from '../soak/plan.ts'
import type { Name } from '../soak/project.ts'
import { exchange, type Manner, type Outcome } from '../soak/send.ts'
import { toWire } from '../soak/wire.ts'
import type { Random } from '../support/random.ts'

/** How one of the callers asks. */
interface Habit {
  deployment: Name
  ways: PlannedRequest['way'][]
  /** At most. */
  sizeBytes: number
  backBytes?: number
  manner?: Manner
  /** A connection for each request. */
  isFresh?: boolean
  /** Lines of a batch. */
  lines?: number
  /** `Prefer: respond-async`; the answer is fetched by whoever comes later. */
  isLater?: boolean
}

/** Small and large, on kept and on fresh connections, slow to send and slow to read, one by one, in batches and later. */
const habits: { count: number; habit: Habit }[] = [
  { count: 4, habit: { deployment: 'text', ways: ['json'], sizeBytes: 2000 } },
  { count: 2, habit: { deployment: 'leaf', ways: ['multipart', 'raw'], sizeBytes: 20_000 } },
  { count: 4, habit: { deployment: 'leaf', ways: ['json'], sizeBytes: 2000, isFresh: true } },
  { count: 2, habit: { deployment: 'bytes', ways: ['raw', 'multipart'], sizeBytes: 2 ** 20 } },
  {
    count: 2,
    habit: { deployment: 'bytes', ways: ['raw'], sizeBytes: 2 ** 20, isFresh: true, manner: { isAsking: true } },
  },
  { count: 1, habit: { deployment: 'bytes', ways: ['raw'], sizeBytes: 2 ** 20, manner: { sendPauseMs: 150 } } },
  {
    count: 2,
    habit: { deployment: 'leaf', ways: ['json'], sizeBytes: 100, backBytes: 2 ** 21, manner: { readPauseMs: 4 } },
  },
  { count: 1, habit: { deployment: 'leaf', ways: ['json'], sizeBytes: 2000, lines: 12 } },
  { count: 2, habit: { deployment: 'text', ways: ['json'], sizeBytes: 20_000, isLater: true } },
]

/** How many there are. */
export const callerCount = habits.reduce((sum, { count }) => sum + count, 0)

export interface Asked {
  planned: PlannedRequest
  outcome: Outcome
  /** Of a job: where its answer will be. */
  resultPath?: string
}

export interface Calls {
  url: string
  random: Random
  /** Whom all of them ask; otherwise each habit has its own. */
  deployment?: Name
  isOver(): boolean
  /**
   * A caller is about to send a request.
   * @returns what is told how it went; may take its time, as the caller waits
   */
  begin(caller: number): (asked: Asked) => void | Promise<void>
}

let ids = 0

/** All of them ask one request after the other, until the listener refuses connections or all is over. */
export async function callAll({ url, random, deployment, isOver, begin }: Calls): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const call = async (habit: Habit, caller: number) => {
    while (!isOver()) {
      const planned = toRequest({ ...habit, ...(deployment && { deployment }) }, random)
      const wire = toWire(planned)
      if (planned.later) wire.headers['prefer'] = 'respond-async'
      const end = begin(caller)
      const outcome = await exchange(url, habit.isFresh ? false : agent, wire, habit.manner)
      const resultPath = outcome.status === 202 ? outcome.headers.location : undefined
      await end({ planned, outcome, ...(resultPath !== undefined && { resultPath }) })
      if (outcome.broken === 'ECONNREFUSED') return
    }
  }
  const all = habits.flatMap(({ count, habit }) => Array.from({ length: count }, () => habit))
  await Promise.all(all.map(call))
  agent.destroy()
}

/** The answer of a job, once it is there. */
export function fetchResult(url: string, path: string): Promise<Outcome> {
  return exchange(url, false, { method: 'GET', path, headers: { prefer: 'wait=10' }, body: Buffer.alloc(0) })
}

// --- internal ---

function toRequest(
  { deployment, ways, sizeBytes, backBytes = 0, lines, isLater }: Habit,
  random: Random,
): PlannedRequest {
  const id = ++ids
  const plain = (own: number): PlannedRequest => ({
    id: own,
    name: own,
    deployment,
    way: random.pick(ways),
    seed: random.integer(0, 2 ** 31),
    sizeBytes: random.magnitude(1, sizeBytes),
    backBytes,
    ms: random.chance(0.2) ? random.magnitude(1, 80) : 0,
    isPatient: false,
  })
  if (lines !== undefined)
    return { ...plain(id), batch: Array.from({ length: lines }, (_, at) => plain(1000 * id + at)) }
  return { ...plain(id), ...(isLater && { later: 'fetched' }) }
}

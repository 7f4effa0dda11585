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

let ids = 0

/**
 * All of them ask one request after the other, until the listener refuses connections or `isOver`.
 * @param onAnswer may take its time: this caller waits
 */
export async function callAll(
  url: string,
  random: Random,
  isOver: () => boolean,
  onAnswer: (asked: Asked) => void | Promise<void>,
): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const caller = async (habit: Habit) => {
    while (!isOver()) {
      const planned = toRequest(habit, random)
      const wire = toWire(planned)
      if (planned.later) wire.headers['prefer'] = 'respond-async'
      const outcome = await exchange(url, habit.isFresh ? false : agent, wire, habit.manner)
      const resultPath = outcome.status === 202 ? outcome.headers.location : undefined
      await onAnswer({ planned, outcome, ...(resultPath !== undefined && { resultPath }) })
      if (outcome.broken === 'ECONNREFUSED') return
    }
  }
  await Promise.all(habits.flatMap(({ count, habit }) => Array.from({ length: count }, () => caller(habit))))
  agent.destroy()
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

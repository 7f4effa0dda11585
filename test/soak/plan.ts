import { Random } from '../support/random.ts'
import { deploymentOf, names, type Name } from './project.ts'

export const faults = ['abort', 'exit', 'throw', 'stuck', 'heap'] as const
export type Fault = (typeof faults)[number]

/** Requests that nobody could serve, each with the code that they are owed. */
export const mistakes = {
  'broken JSON': 'invalid_request',
  'a type that is not read': 'unsupported_media_type',
  'an unknown path': 'not_found',
  'another method': 'method_not_allowed',
  'a body that is too large': 'payload_too_large',
  'an odd X-Keep-Alive': 'invalid_request',
  'no picture': 'invalid_image',
} as const
export type Mistake = keyof typeof mistakes

export type Way = 'json' | 'raw' | 'multipart'

export interface PlannedRequest {
  id: number
  /** What the body calls itself: not the same as `id` where two requests are to be equal. */
  name: number
  deployment: Name
  way: Way
  /** Of the text or the bytes; of models the number of the sample. */
  seed: number
  sizeBytes: number
  /** Characters that the answer is to be longer by. */
  backBytes: number
  /** How long the function takes. */
  ms: number
  accept?: string
  keepAlive?: string
  /** The socket is closed in the middle of the body or some time after it was sent. */
  leave?: { inBody: boolean; afterMs: number }
  fault?: Fault
  mistake?: Mistake
  /** `Prefer: respond-async`; `cancelled`: given up again at once. */
  later?: 'fetched' | 'cancelled'
  /** Of deployments whose answers are kept. */
  cacheControl?: 'no-cache' | 'no-store'
  /** Sent as one request, a line for each. */
  batch?: PlannedRequest[]
  /** Where it is refused for now, its caller waits for as long as he is told to, at most a second. */
  isPatient: boolean
}

/** What one after the other, `width` at a time, a group of callers asks of one deployment. */
export interface Burst {
  pauseMs: number
  width: number
  requests: PlannedRequest[]
}

/** What happens beside the requests, once so many of them were sent. */
export interface Disturbance {
  afterRequests: number
  what: 'reload' | 'broken reload' | 'kill' | 'load' | 'unload'
  /** From 0 to 1: which of those that it may meet. */
  whom: number
}

export interface Plan {
  seed: number
  requests: number
  bursts: Burst[]
  disturbances: Disturbance[]
}

/** The same for the same numbers. */
export function createPlan(seed: number, requests: number): Plan {
  const random = new Random(seed)
  const bursts: Burst[] = []
  let planned = 0
  // Everybody comes first in the first round, so that a short run meets all of them too.
  while (planned < requests) {
    for (const deployment of shuffled(names, random)) {
      const width = random.integer(1, deploymentOf(deployment).width)
      const count = Math.min(requests - planned, Math.max(width, random.magnitude(2, 40)))
      const first = planned + 1
      planned += count
      const list = Array.from({ length: count }, (_, at) => toRequest(first + at, deployment, random))
      bursts.push({ width, requests: list, pauseMs: random.chance(0.3) ? random.integer(0, 1000) : 0 })
    }
  }
  const disturbances = Array.from({ length: Math.ceil(requests / 25) }, (_, at) => ({
    afterRequests: 25 * at + random.integer(1, 25),
    what: random.weighted({ reload: 2, 'broken reload': 1, kill: 4, load: 1, unload: 2 }),
    whom: random.next(),
  }))
  return { seed, requests, bursts: bursts.filter((burst) => burst.requests.length > 0), disturbances }
}

/** A request in words, for messages. */
export function describe({
  id,
  deployment,
  way,
  fault,
  mistake,
  leave,
  later,
  batch,
  ...rest
}: PlannedRequest): string {
  const what = fault ?? mistake ?? later ?? (leave && 'leaves') ?? (batch && `batch of ${batch.length}`)
  return `request ${id} (${deployment}, ${way}${what ? `, ${what}` : ''}, ${JSON.stringify(rest)})`
}

// --- internal ---

function toRequest(id: number, deployment: Name, random: Random): PlannedRequest {
  const request = toPlainRequest(id, deployment, random)
  if (deployment === 'slow' && random.chance(0.03)) request.ms = 10_000
  if (random.chance(0.15)) request.keepAlive = random.pick(['0', '1s', '2s', '300ms'])
  if (deploymentOf(deployment).isKept && random.chance(0.4))
    request.cacheControl = random.pick(['no-cache', 'no-store', 'no-store'])
  if (deployment === 'fragile' && random.chance(0.1)) request.fault = random.pick(faults)
  else if (random.chance(0.06)) request.leave = { inBody: random.chance(0.4), afterMs: random.magnitude(1, 400) }
  else if (random.chance(0.04)) request.mistake = random.pick(mistakesOf(deployment))
  else if (random.chance(0.08)) request.later = random.chance(0.8) ? 'fetched' : 'cancelled'
  if (deploymentOf(deployment).kind === 'tag' && !request.fault && !request.mistake && random.chance(0.04))
    request.batch = Array.from({ length: random.integer(1, 12) }, (_, at) => ({
      ...toPlainRequest(1000 * id + at, deployment, random),
      way: 'json',
    }))
  return request
}

/** Some are equal to others before them, where answers are kept. */
function toPlainRequest(id: number, deployment: Name, random: Random): PlannedRequest {
  const { kind, isKept } = deploymentOf(deployment)
  const isModel = kind === 'model'
  const own: PlannedRequest = {
    id,
    name: id,
    deployment,
    way: deployment === 'tcn' || deployment === 'chain' ? 'json' : random.pick(['json', 'raw', 'multipart']),
    seed: isModel ? random.integer(0, 2) : random.integer(0, 2 ** 31),
    sizeBytes: isModel ? 0 : random.magnitude(1, deployment === 'bytes' ? 2 ** 21 : 2 ** 15),
    backBytes: isModel || random.chance(0.7) ? 0 : random.magnitude(64, 2 ** 20),
    isPatient: random.chance(0.8),
    ms: isModel || random.chance(0.5) ? 0 : random.magnitude(1, deployment === 'slow' ? 400 : 100),
  }
  if (deployment === 'depth') own.accept = random.pick(['application/json', 'application/x-npz', 'image/png'])
  if (isModel || !isKept || random.chance(0.4)) return own
  const seed = random.integer(1, 8)
  return { ...own, name: -seed, seed, sizeBytes: 100 * seed, backBytes: 5000 * seed, ms: 10 * seed }
}

function mistakesOf(deployment: Name): Mistake[] {
  const all = Object.keys(mistakes) as Mistake[]
  return all.filter(
    (mistake) =>
      (mistake !== 'no picture' || deployment === 'depth' || deployment === 'scrfd') &&
      (mistake !== 'a body that is too large' || deployment === 'bytes'),
  )
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

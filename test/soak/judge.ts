import { toStatus } from '../../runtime/error-body.ts'
import { errorCodes, messageOf, type ErrorCode } from '../../runtime/errors.ts'
import type { Mistake, PlannedRequest } from './plan.ts'
import { mistakes } from './plan.ts'
import type { Incidents } from './incidents.ts'
import { deploymentOf } from './project.ts'
import type { Outcome } from './send.ts'
import { sampleKey, tagOf } from './wire.ts'

/** A result that is fetched later has no deadline of its own: what is refused for now is tried again for minutes. */
const laterMs = 300_000
/** What an answer may take beyond `limits.timeout`: two busy cores, and this very process among those who want them. */
const marginMs = 3000
export interface Evidence {
  incidents: Incidents
  /** Answers of a calm run by `sampleKey`, as `comparable` gives them. */
  calm: Map<string, string>
  /** Version of the file `text` that was live when the request was sent, and the last that was written. */
  versions: { least: number; most: number }
}

/**
 * What is wrong with an answer; undefined where nothing is. Right is the answer to just this request, or a refusal with
 * one of the codes that are documented for what was going on, in time, with what goes with it.
 */
export function judge(planned: PlannedRequest, outcome: Outcome, evidence: Evidence): string | undefined {
  try {
    return judgeOutcome(planned, outcome, evidence)
  } catch (error) {
    // JSON that is none is an answer of the server's, and no reason to end.
    return `${messageOf(error)}, found ${String(outcome.body).slice(0, 300)}`
  }
}

/** A model's answer without what differs each time. */
export function comparable({ headers, body }: Outcome): string {
  if (!String(headers['content-type']).includes('json')) return body.toString('base64')
  const { inference_time_ms: _, ...rest } = JSON.parse(String(body)) as Record<string, unknown>
  return JSON.stringify(rest)
}

// --- internal ---

function judgeOutcome(planned: PlannedRequest, outcome: Outcome, evidence: Evidence): string | undefined {
  const { deployment, leave, later } = planned
  const { sentAt, endedAt, status, headers, body, broken } = outcome
  const timeoutMs = later || planned.batch ? laterMs : deploymentOf(deployment).timeoutMs
  const tookMs = endedAt - sentAt
  if (broken !== undefined) {
    // What has begun cannot become a refusal: where the isolate dies in the middle of its answer, it ends there.
    const isCut = status === 200 && evidence.incidents.codesFor(deployment, sentAt, endedAt).length > 0
    return isCut ? undefined : `expected a whole answer, found the connection broken: ${broken}`
  }
  if (tookMs > timeoutMs + marginMs)
    return `expected an answer within ${timeoutMs} ms, found it after ${tookMs.toFixed(0)} ms`
  if (status === 0) return leave ? undefined : 'expected an answer, found none'
  if (headers['x-request-id'] !== `soak-${planned.id}`)
    return `expected X-Request-Id soak-${planned.id}, found ${headers['x-request-id']}`
  if (later === 'cancelled' && status === 204) return undefined
  if (status === 200)
    return planned.batch ? judgeBatch(planned, outcome, evidence) : judgeAnswer(planned, outcome, evidence)
  const code = String(headers['x-pellet-error'])
  const allowed = allowedCodes(planned, outcome, evidence.incidents)
  if (!allowed.includes(code))
    return `expected ${allowed.length === 0 ? '200' : `200 or ${allowed.join(', ')}`}, found ${status} ${code}: ${String(body).slice(0, 300)}`
  const documented = errorCodes[code as ErrorCode].status
  // Clients of old contracts know other statuses: those of the deployment's error shape.
  if (status !== documented && status !== toStatus(documented, 'text'))
    return `expected the status ${documented} with ${code}, found ${status}`
  if (retryable.has(code) && !/^[1-9]\d*$/.test(String(headers['retry-after'])))
    return `expected Retry-After with ${code}, found ${headers['retry-after']}`
  return undefined
}

const retryable = new Set(['queue_full', 'dropped', 'isolate_crashed', 'load_failed'])

/** Answered by main, whatever becomes of the isolate. */
const refusedByMain = new Set<Mistake>([
  'an unknown path',
  'another method',
  'a body that is too large',
  'an odd X-Keep-Alive',
])

/** The codes that are documented for a situation, beside the answer itself. */
function allowedCodes(planned: PlannedRequest, { sentAt, endedAt }: Outcome, incidents: Incidents): string[] {
  const { deployment, fault, mistake } = planned
  if (mistake && refusedByMain.has(mistake)) return [mistakes[mistake]]
  const codes = incidents.codesFor(deployment, sentAt, endedAt)
  if (mistake) codes.push(mistakes[mistake])
  if (fault === 'throw') codes.push('function_failed')
  else if (fault) codes.push('isolate_crashed')
  if (deployment === 'slow') codes.push('queue_full')
  if (deployment === 'camera') codes.push('dropped')
  // Its deadline is shorter than what a load may have to wait for memory.
  if (deploymentOf(deployment).timeoutMs < 10_000) codes.push('deadline_exceeded')
  return codes
}

function judgeAnswer(planned: PlannedRequest, outcome: Outcome, { calm, versions }: Evidence): string | undefined {
  const { deployment, fault, mistake } = planned
  if (mistake) return `expected ${mistakes[mistake]}, found 200`
  if (fault) return `expected ${fault} to be told, found 200`
  const isReplaced = deployment === 'text' && versions.least < versions.most
  const cached = judgeCache(planned, outcome.headers['x-cache'], isReplaced)
  if (cached !== undefined) return cached
  if (deploymentOf(deployment).kind === 'model') {
    const key = sampleKey(planned)
    return comparable(outcome) === calm.get(key) ? undefined : `expected the calm run's answer to ${key}, found another`
  }
  return judgeTag(planned, JSON.parse(String(outcome.body)) as Tagged, versions)
}

interface Tagged {
  id: unknown
  tag: string
  version: number
  back: string
}

function judgeTag(planned: PlannedRequest, answer: Tagged, versions: Evidence['versions']): string | undefined {
  const { deployment, name, backBytes } = planned
  const tag = tagOf(planned)
  if (String(answer.id) !== String(name)) return `expected the answer to request ${name}, found that to ${answer.id}`
  if (answer.tag !== tag) return `expected the tag ${tag}, found ${answer.tag}`
  if (answer.back !== tag.repeat(Math.ceil(backBytes / 64)))
    return `expected ${backBytes} characters back, found ${answer.back.length} or others`
  const { least, most } = deployment === 'text' ? versions : { least: 1, most: 1 }
  if (!(answer.version >= least && answer.version <= most))
    return `expected version ${least} to ${most} of the function, found ${answer.version}`
  return undefined
}

/** @param isReplaced a newer revision may have answered than the one that was asked: then nothing is looked for or kept */
function judgeCache(
  { deployment, cacheControl }: PlannedRequest,
  found: unknown,
  isReplaced: boolean,
): string | undefined {
  const expected: unknown[] = !deploymentOf(deployment).isKept
    ? [undefined]
    : cacheControl === 'no-store'
      ? ['bypass']
      : cacheControl === 'no-cache'
        ? ['miss']
        : ['hit', 'miss']
  if (isReplaced && found === 'bypass') return undefined
  return expected.includes(found) ? undefined : `expected X-Cache ${expected.join(' or ')}, found ${found}`
}

/** A line for each item, in order; each is right for its own input, or refused as it would be alone. */
function judgeBatch(planned: PlannedRequest, outcome: Outcome, evidence: Evidence): string | undefined {
  const batch = planned.batch!
  const lines = String(outcome.body)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { index: number; status: number; answer?: Tagged; error?: { code: string } })
  if (lines.length !== batch.length) return `expected ${batch.length} lines, found ${lines.length}`
  const allowed = allowedCodes(planned, outcome, evidence.incidents)
  for (const [at, { index, status, answer, error }] of lines.entries()) {
    if (index !== at) return `expected line ${at}, found ${index}`
    const wrong =
      status === 200 && answer
        ? judgeTag(batch[at]!, answer, evidence.versions)
        : allowed.includes(String(error?.code))
          ? undefined
          : `expected 200 or ${allowed.join(', ')}, found ${status} ${JSON.stringify(error)}`
    if (wrong !== undefined) return `item ${at}: ${wrong}`
  }
  return undefined
}

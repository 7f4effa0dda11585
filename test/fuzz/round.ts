import type { RunningPellet } from '../support/pellet.ts'
import type { Answer } from './answers.ts'
import type { Generator } from './generator.ts'
import { describe, judge } from './oracle.ts'
import { goodContent, timeoutMs } from './project.ts'
import { plain, type FuzzRequest, type Target } from './request.ts'
import { play } from './transport.ts'

export interface Finding {
  target: string
  number: number
  kind: string
  problem: string
  request: FuzzRequest
}

export interface RoundOptions {
  generator: Generator
  targets: readonly Target[]
  /** Of each target: the first number, and how many. */
  from: number
  count: number
  /** Requests under way at once. */
  width: number
  ownUrl: string
  /** Requests that are larger, or that nobody is in a hurry to answer, are left out. @default all are sent */
  maxBytes?: number
}

export interface RoundResult {
  findings: Finding[]
  /** How many answers had each status and code; `closed` and `left` where there was none. */
  tally: Map<string, number>
  /** How long requests of each kind took together. */
  spentMs: Map<string, number>
  slowestMs: number
}

/** A deadline that passes is told at once, on a busy machine a little later; more than that is a hang. */
const patienceMs = timeoutMs + 15_000

/** Sends so many requests to every target and judges what comes back. */
export async function runRound(pellet: RunningPellet, options: RoundOptions): Promise<RoundResult> {
  const { generator, targets, from, count, width, ownUrl, maxBytes = Infinity } = options
  const result: RoundResult = { findings: [], tally: new Map(), spentMs: new Map(), slowestMs: 0 }
  const work = Array.from({ length: count }, (_, i) => targets.map((target) => ({ target, number: from + i }))).flat()
  const one = async ({ target, number }: (typeof work)[number]) => {
    const request = generator.make(target, number)
    if (maxBytes < Infinity && (request.isSlow || sizeOf(request) > maxBytes)) return
    const outcome = await play(urlOf(pellet, target, ownUrl), request, patienceMs)
    const problem = judge(request, target, outcome)
    if (problem) result.findings.push({ target: target.name, number, kind: request.kind, problem, request })
    result.spentMs.set(request.kind, (result.spentMs.get(request.kind) ?? 0) + outcome.tookMs)
    result.slowestMs = Math.max(result.slowestMs, outcome.tookMs)
    const names = outcome.answers.map(({ status, headers }) => `${status} ${headers['x-pellet-error'] ?? ''}`.trim())
    if (names.length === 0) names.push(request.expects === 'nothing' ? 'left' : 'closed')
    for (const name of names) result.tally.set(name, (result.tally.get(name) ?? 0) + 1)
  }
  const worker = async () => {
    for (let next = work.shift(); next && !pellet.hasEnded(); next = work.shift()) await one(next)
  }
  await Promise.all(Array.from({ length: width }, worker))
  return result
}

/** What never changes in the answer to a good request to each target. */
export async function goodAnswers(
  pellet: RunningPellet,
  targets: readonly Target[],
  ownUrl: string,
): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const target of targets) {
    const request = plain(target, goodContent(target))
    const { answers } = await play(urlOf(pellet, target, ownUrl), request, 30_000)
    found.set(target.name, answers[0] ? stablePart(target, answers[0]) : 'no answer')
  }
  return found
}

// --- internal ---

function sizeOf({ steps }: FuzzRequest): number {
  return steps.reduce((sum, step) => sum + (typeof step === 'object' && 'send' in step ? step.send.length : 0), 0)
}

function urlOf(pellet: RunningPellet, { listener }: Target, ownUrl: string): string {
  return listener === 'own' ? ownUrl : pellet.url
}

function stablePart({ stable }: Target, answer: Answer): string {
  if (stable.length === 0) return String(answer.status)
  if (answer.status !== 200) return describe(answer)
  const values = answer
    .body!.trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  return JSON.stringify(values.map((value) => stable.map((name) => [name, value[name]])))
}

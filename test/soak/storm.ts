import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { RunningPellet } from '../support/pellet.ts'
import { rssOf, until } from '../support/process.ts'
import { descriptorsOf, isolatesOf, takeSamples, type Sample } from './census.ts'
import { Disturber } from './disturb.ts'
import { comparable, Incidents, judge } from './judge.ts'
import type { Burst, Plan, PlannedRequest } from './plan.ts'
import { deploymentOf, names, soakProject } from './project.ts'
import { sampleKey, send, type Outcome } from './send.ts'

export interface SoakOptions {
  plan: Plan
  /** Bursts under way at once. */
  callers: number
  memory: string
  sampleEveryMs: number
  onProgress?(done: number): void
}

export interface Answered {
  planned: PlannedRequest
  /** Milliseconds since the start of the storm. */
  atMs: number
  tookMs: number
  status: number
  code: string
}

export interface SoakResult {
  answered: Answered[]
  samples: Sample[]
  disturbances: Record<string, number>
  /** When something was done to a deployment, or one was brought down by a request. */
  incidents: { atMs: number; what: string }[]
  loads: number
  evictions: number
  crashes: number
  /** Resident size of main: at the start, and when all was over. */
  mainBytes: { start: number; end: number }
  tookMs: number
  /** Empty: all was right. */
  violations: string[]
}

const maxPatienceMs = 1000
/** For `--memory`: room for about three of them, which take 45 to 80 MB each. */
export const memoryForThree = '200MB'
/** May be more than at the start. */
const maxGrowthBytes = 15 * 2 ** 20
/** All is idle so long after the last answer: the longest keep_alive is 2 s. */
const quietMs = 10_000

/** Runs a plan against a Pellet of its own. */
export async function soak({ plan, callers, memory, sampleEveryMs, onProgress }: SoakOptions): Promise<SoakResult> {
  const pellet = await RunningPellet.start(soakProject(), ['--watch', '--memory', memory])
  const agent = new Agent({ keepAlive: true })
  const answered: Answered[] = []
  const violations: string[] = []
  const happened: SoakResult['incidents'] = []
  try {
    const mainAtStart = rssOf(pellet.pid)
    const descriptors = descriptorsOf(pellet.pid)
    const incidents = new Incidents()
    const disturber = new Disturber(pellet, incidents)
    const calm = await calmAnswers(pellet, agent)
    const sampling = takeSamples(pellet, sampleEveryMs)
    const startedAt = performance.now()

    const ask = async (planned: PlannedRequest) => {
      const { deployment, fault } = planned
      if (fault) happened.push({ atMs: performance.now() - startedAt, what: 'fault' })
      const isDown = fault && fault !== 'throw' ? incidents.begin(deployment, fault === 'stuck') : undefined
      const { least } = disturber.versions
      const outcome = await send(pellet.url, agent, planned)
      isDown?.()
      const wrong = judge(planned, outcome, { incidents, calm, versions: { least, most: disturber.versions.most } })
      if (wrong !== undefined) violations.push(`${describe(planned)}: ${wrong}`)
      answered.push(toAnswered(planned, outcome, startedAt))
      onProgress?.(answered.length)
      const retryAfterMs = Number(outcome.headers['retry-after'] ?? 0) * 1000
      if (planned.isPatient && retryAfterMs > 0) await pause(Math.min(retryAfterMs, maxPatienceMs))
    }
    const waiting = [...plan.bursts]
    const caller = async () => {
      for (let burst = waiting.shift(); burst && !pellet.hasEnded(); burst = waiting.shift()) await run(burst, ask)
    }
    const over = new AbortController()
    const disturbing = (async () => {
      for (const disturbance of plan.disturbances) {
        while (answered.length < disturbance.afterRequests && !over.signal.aborted) await pause(20)
        if (over.signal.aborted) return
        happened.push({ atMs: performance.now() - startedAt, what: disturbance.what })
        await disturber
          .disturb(disturbance)
          .catch((error: Error) => violations.push(`${disturbance.what}: ${error.message.slice(0, 200)}`))
      }
    })()
    await Promise.all(Array.from({ length: callers }, caller))
    over.abort()
    await disturbing
    const tookMs = performance.now() - startedAt

    agent.destroy()
    violations.push(...(await whatIsLeft(pellet, descriptors)))
    const rows = Object.values(await pellet.ps())
    const sum = (key: 'loads' | 'evictions' | 'crashes') => rows.reduce((all, row) => all + row[key], 0)
    const mainBytes = { start: mainAtStart, end: await settledRss(pellet.pid, mainAtStart + maxGrowthBytes) }
    if (mainBytes.end > mainAtStart + maxGrowthBytes)
      violations.push(`main: expected at most 15 MB more than at the start, found ${JSON.stringify(mainBytes)}`)
    await sampling.end()
    for (const { level, msg } of pellet.log)
      if (level === 'fatal' || /internal_error/.test(msg)) violations.push(`log: ${msg}`)
    const code = await pellet.stop()
    if (code !== 0) violations.push(`pellet: expected to end with 0, found ${code}`)
    const { samples } = sampling
    const totals = { loads: sum('loads'), evictions: sum('evictions'), crashes: sum('crashes') }
    return {
      answered,
      samples,
      disturbances: disturber.counts,
      incidents: happened,
      ...totals,
      mainBytes,
      tookMs,
      violations,
    }
  } catch (error) {
    console.error(pellet.text().slice(-5000))
    throw error
  } finally {
    agent.destroy()
    await pellet.stop('SIGKILL')
  }
}

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

async function run(
  { pauseMs, width, requests }: Burst,
  ask: (planned: PlannedRequest) => Promise<void>,
): Promise<void> {
  if (pauseMs > 0) await pause(pauseMs)
  const waiting = [...requests]
  const caller = async () => {
    for (let planned = waiting.shift(); planned; planned = waiting.shift()) await ask(planned)
  }
  await Promise.all(Array.from({ length: width }, caller))
}

/** One model after the other, one request after the other: what their answers must be in the storm as well. */
async function calmAnswers(pellet: RunningPellet, agent: Agent): Promise<Map<string, string>> {
  const calm = new Map<string, string>()
  for (const deployment of names) {
    if (deploymentOf(deployment).kind !== 'model') continue
    const accepts = deployment === 'depth' ? ['application/json', 'application/x-npz', 'image/png'] : ['']
    for (const accept of accepts)
      for (const seed of [0, 1, 2]) {
        const planned: PlannedRequest = {
          id: 0,
          name: 0,
          deployment,
          way: 'json',
          seed,
          sizeBytes: 0,
          backBytes: 0,
          ms: 0,
          isPatient: false,
          accept,
        }
        const outcome = await send(pellet.url, agent, planned)
        if (outcome.status !== 200) throw new Error(`calm run, ${describe(planned)}: ${String(outcome.body)}`)
        calm.set(sampleKey(planned), comparable(outcome))
      }
  }
  return calm
}

/** What is not as it was before, once all had time to become so. */
async function whatIsLeft(pellet: RunningPellet, descriptors: string[]): Promise<string[]> {
  const left = async () => {
    const rows = Object.values(await pellet.ps())
    const busy = rows.filter((row) => row.in_flight + row.queued + row.memory_bytes > 0 || row.state === 'loading')
    return [
      ...busy.map((row) => `at the end: expected ${row.name} to be idle, found ${JSON.stringify(row)}`),
      ...isolatesOf(pellet.pid).map((pid) => `at the end: expected no isolate, found ${pid}`),
      ...tooMany(descriptors, descriptorsOf(pellet.pid)),
    ]
  }
  await until(async () => (await left()).length === 0, 'quiet', quietMs).catch(() => {})
  return left()
}

/** A connection may still be closing. */
const spareDescriptors = 2

function tooMany(before: string[], after: string[]): string[] {
  if (after.length <= before.length + spareDescriptors) return []
  const left = [...after]
  for (const one of before) if (left.includes(one)) left.splice(left.indexOf(one), 1)
  return [`at the end: expected ${before.length} open files, found ${after.length}; new are ${left.join(', ')}`]
}

/** Main gives back what it holds a second after the last isolate has gone. */
async function settledRss(pid: number, wanted: number): Promise<number> {
  await until(() => rssOf(pid) <= wanted, 'less', 8000).catch(() => {})
  await pause(1500)
  return rssOf(pid)
}

function toAnswered(planned: PlannedRequest, outcome: Outcome, startedAt: number): Answered {
  const { sentAt, endedAt, status, headers, broken } = outcome
  const code =
    broken !== undefined
      ? 'cut'
      : status === 200
        ? 'ok'
        : status === 0 || status === 204
          ? 'left'
          : String(headers['x-pellet-error'])
  return { planned, atMs: endedAt - startedAt, tookMs: endedAt - sentAt, status, code }
}

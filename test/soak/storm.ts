import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { RunningPellet } from '../support/pellet.ts'
import { afterwards, defectsIn, stateOf } from './aftermath.ts'
import { calmAnswers } from './calm.ts'
import { takeSamples, type Sample } from './census.ts'
import { Disturber } from './disturb.ts'
import { Incidents } from './incidents.ts'
import { judge } from './judge.ts'
import { describe, type Burst, type Disturbance, type Plan, type PlannedRequest } from './plan.ts'
import { soakProject } from './project.ts'
import { send, type Outcome } from './send.ts'

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
  /** What was done beside the requests, or by those that were to do harm. */
  incidents: { atMs: number; what: string }[]
  loads: number
  evictions: number
  crashes: number
  /** Resident size of main: at the start, and when all was over. */
  mainBytes: { start: number; end: number }
  tookMs: number
  /** Empty: all was right. */
  violations: string[]
  /** All that Pellet logged. */
  log: string
}

/** For `--memory`: room for about three of them, which take 35 to 80 MB each. */
export const memoryForThree = '170MB'

/** Runs a plan against a Pellet of its own. */
export async function soak({ plan, callers, memory, sampleEveryMs, onProgress }: SoakOptions): Promise<SoakResult> {
  const pellet = await RunningPellet.start(soakProject(), ['--watch', '--memory', memory])
  const agent = new Agent({ keepAlive: true })
  try {
    const before = stateOf(pellet)
    const calm = await calmAnswers(pellet, agent)
    const sampling = takeSamples(pellet, sampleEveryMs)
    const storm = new Storm(pellet, agent, calm, onProgress)
    const tookMs = await storm.rage(plan, callers)
    agent.destroy()
    const { left, mainBytes } = await afterwards(pellet, before)
    const rows = Object.values(await pellet.ps())
    const sum = (key: 'loads' | 'evictions' | 'crashes') => rows.reduce((all, row) => all + row[key], 0)
    await sampling.end()
    const code = await pellet.stop()
    const { answered, incidents, violations } = storm
    violations.push(...left, ...defectsIn(pellet.log))
    if (code !== 0) violations.push(`pellet: expected to end with 0, found ${code}`)
    const totals = { loads: sum('loads'), evictions: sum('evictions'), crashes: sum('crashes') }
    return {
      answered,
      incidents,
      violations,
      samples: sampling.samples,
      ...totals,
      mainBytes,
      tookMs,
      log: pellet.text(),
    }
  } catch (error) {
    console.error(pellet.text().slice(-5000))
    throw error
  } finally {
    agent.destroy()
    await pellet.stop('SIGKILL')
  }
}

// --- internal ---

const maxPatienceMs = 1000

/** The callers, what is done beside them, and what became of all. */
class Storm {
  readonly answered: Answered[] = []
  readonly violations: string[] = []
  readonly incidents: SoakResult['incidents'] = []
  readonly #pellet: RunningPellet
  readonly #agent: Agent
  readonly #calm: Map<string, string>
  readonly #down = new Incidents()
  readonly #disturber: Disturber
  readonly #onProgress: SoakOptions['onProgress']
  readonly #startedAt = performance.now()

  constructor(pellet: RunningPellet, agent: Agent, calm: Map<string, string>, onProgress: SoakOptions['onProgress']) {
    this.#pellet = pellet
    this.#agent = agent
    this.#calm = calm
    this.#onProgress = onProgress
    this.#disturber = new Disturber(pellet, this.#down)
  }

  /** @returns how long it took, in milliseconds */
  async rage({ bursts, disturbances }: Plan, callers: number): Promise<number> {
    const waiting = [...bursts]
    const caller = async () => {
      for (let burst = waiting.shift(); burst && !this.#pellet.hasEnded(); burst = waiting.shift())
        await this.#run(burst)
    }
    const over = new AbortController()
    const disturbing = this.#disturb(disturbances, over.signal)
    await Promise.all(Array.from({ length: callers }, caller))
    over.abort()
    await disturbing
    return performance.now() - this.#startedAt
  }

  async #run({ pauseMs, width, requests }: Burst): Promise<void> {
    if (pauseMs > 0) await pause(pauseMs)
    const waiting = [...requests]
    const caller = async () => {
      for (let planned = waiting.shift(); planned; planned = waiting.shift()) await this.#ask(planned)
    }
    await Promise.all(Array.from({ length: width }, caller))
  }

  async #ask(planned: PlannedRequest): Promise<void> {
    const { deployment, fault } = planned
    if (fault) this.#note(fault)
    const isUpAgain = fault && fault !== 'throw' ? this.#down.begin(deployment, fault === 'stuck') : undefined
    const { least } = this.#disturber.versions
    const outcome = await send(this.#pellet.url, this.#agent, planned)
    isUpAgain?.()
    const versions = { least, most: this.#disturber.versions.most }
    const wrong = judge(planned, outcome, { incidents: this.#down, calm: this.#calm, versions })
    if (wrong !== undefined) this.violations.push(`${describe(planned)}: ${wrong}`)
    const { sentAt, endedAt, status, headers } = outcome
    const code = codeOf(outcome)
    this.answered.push({ planned, atMs: endedAt - this.#startedAt, tookMs: endedAt - sentAt, status, code })
    this.#onProgress?.(this.answered.length)
    const retryAfterMs = Number(headers['retry-after'] ?? 0) * 1000
    if (planned.isPatient && retryAfterMs > 0) await pause(Math.min(retryAfterMs, maxPatienceMs))
  }

  async #disturb(disturbances: Disturbance[], over: AbortSignal): Promise<void> {
    for (const disturbance of disturbances) {
      while (this.answered.length < disturbance.afterRequests && !over.aborted) await pause(20)
      if (over.aborted) return
      this.#note(disturbance.what)
      await this.#disturber
        .disturb(disturbance)
        .catch((error: Error) => this.violations.push(`${disturbance.what}: ${error.message}`))
    }
  }

  #note(what: string): void {
    this.incidents.push({ atMs: performance.now() - this.#startedAt, what })
  }
}

function codeOf({ status, headers, broken }: Outcome): string {
  if (broken !== undefined) return 'cut'
  if (status === 200) return 'ok'
  return status === 0 || status === 204 ? 'left' : String(headers['x-pellet-error'])
}

import { join } from 'node:path'
import { errorCodes } from '../../runtime/errors.ts'
import { identityModel } from '../deployments/tiny.ts'
import { Incidents } from '../soak/incidents.ts'
import { judge } from '../soak/judge.ts'
import { describe, type PlannedRequest } from '../soak/plan.ts'
import { tagSource, type Name } from '../soak/project.ts'
import { exchange, type Outcome } from '../soak/send.ts'
import { toWire } from '../soak/wire.ts'
import { createProject, RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { fetchResult } from './callers.ts'
import { Deployer } from './deployer.ts'
import { markedFiles, type MarkedAnswer } from './marks.ts'

/** What may serve as `text`, and whether it may be refused instead. */
export interface Expected {
  /** Numbers of marks. Empty: none. */
  live: readonly number[]
  mayFail: boolean
}

/** A job whose answer is kept. */
interface KeptJob {
  path: string
  planned: PlannedRequest
}

/**
 * A project with all that Pellet keeps: `text` is deployed over a dropped file of that name (mark 0), `leaf` was dropped and
 * is to serve whatever happens; answers are kept, and jobs have been done.
 */
export class Estate {
  readonly folder: string
  readonly deployer: Deployer
  jobs: KeptJob[] = []
  #pellet: RunningPellet | undefined
  #ids = 0

  constructor(folder = createProject(estateFiles())) {
    this.folder = folder
    this.deployer = new Deployer(join(folder, '.pellet/pellet.sock'))
  }

  get pellet(): RunningPellet {
    return this.#pellet!
  }

  get dataFolder(): string {
    return join(this.folder, '.pellet')
  }

  async start(env: Record<string, string> = {}): Promise<RunningPellet> {
    return (this.#pellet = await RunningPellet.start(this.folder, [], env))
  }

  async stop(signal?: NodeJS.Signals): Promise<number | null> {
    return (await this.#pellet?.stop(signal)) ?? null
  }

  /** Has a job done, whose answer stays. @throws Error when it is refused */
  async keepJob(): Promise<void> {
    const planned: PlannedRequest = { ...this.#plan('leaf'), backBytes: 3000, later: 'fetched' }
    const wire = toWire(planned)
    wire.headers['prefer'] = 'respond-async'
    const outcome = await exchange(this.pellet.url, false, wire)
    const path = outcome.headers.location
    if (outcome.status !== 202 || path === undefined) throw new Refused(outcome)
    const answer = await fetchResult(this.pellet.url, path)
    if (answer.status >= 400) throw new Refused(answer)
    const wrong = this.#judge(planned, answer)
    if (wrong !== undefined) throw new Error(wrong)
    this.jobs.push({ path, planned })
  }

  /** Asks for all that is there. @returns what is wrong */
  async look(expected: Expected): Promise<string[]> {
    const { url } = this.pellet
    const found: (string | undefined)[] = []
    found.push(this.#judge(...(await this.#ask('leaf'))))
    // The same each time: an answer that is kept, where that is still right.
    for (const seed of [0, 7]) found.push(this.#judgeMark(expected, ...(await this.#ask('text', seed))))
    for (const { path, planned } of this.jobs) {
      const outcome = await fetchResult(url, path)
      found.push(expected.mayFail && outcome.status >= 400 ? unclear(outcome) : this.#judge(planned, outcome))
    }
    return found.filter((one) => one !== undefined)
  }

  // --- internal ---

  #plan(deployment: Name, seed = 0): PlannedRequest {
    const id = ++this.#ids
    const own = seed === 0 ? { name: id, seed: id } : { name: -seed, seed }
    return { id, deployment, way: 'json', sizeBytes: 300, backBytes: 0, ms: 0, isPatient: false, ...own }
  }

  async #ask(deployment: Name, seed?: number): Promise<[PlannedRequest, Outcome]> {
    const planned = this.#plan(deployment, seed)
    return [planned, await exchange(this.pellet.url, false, toWire(planned))]
  }

  #judge(planned: PlannedRequest, outcome: Outcome): string | undefined {
    const wrong = judge(planned, outcome, evidence)
    return wrong === undefined ? undefined : `${describe(planned)}: ${wrong}`
  }

  #judgeMark({ live, mayFail }: Expected, planned: PlannedRequest, outcome: Outcome): string | undefined {
    if (outcome.status >= 400 && mayFail) return unclear(outcome)
    const wrong = this.#judge(planned, outcome)
    if (wrong !== undefined) return wrong
    const { manifest, bundle, model } = JSON.parse(String(outcome.body)) as MarkedAnswer
    if (manifest === bundle && bundle === model && live.includes(manifest)) return undefined
    return `text: expected all of revision ${live.join(' or ')}, found manifest ${manifest}, bundle ${bundle}, model ${model}`
  }
}

/** A request that was answered with an error. */
export class Refused extends Error {
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super(`${outcome.status} ${String(outcome.body)}`)
    this.outcome = outcome
  }
}

/** What is wrong with an error: it is to have a documented code that blames no defect, and to say what was expected. */
export function unclear({ status, headers, body }: Pick<Outcome, 'status' | 'headers' | 'body'>): string | undefined {
  const code = String(headers['x-pellet-error'])
  if (Object.hasOwn(errorCodes, code) && code !== 'internal_error' && body.length > 40) return undefined
  return `expected a clear error, found ${status} ${String(body).slice(0, 300)}`
}

// --- internal ---

const evidence = { incidents: new Incidents(), calm: new Map<string, string>(), versions: { least: 1, most: 1 } }

function estateFiles(): ProjectFiles {
  return {
    ...markedFiles(0),
    'functions/leaf.ts': tagSource('leaf'),
    'models/identity.onnx': identityModel(),
  }
}

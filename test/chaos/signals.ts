import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { identityModel } from '../deployments/tiny.ts'
import { Incidents } from '../soak/incidents.ts'
import { judge } from '../soak/judge.ts'
import { describe, type PlannedRequest } from '../soak/plan.ts'
import { tagSource } from '../soak/project.ts'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import { callAll, callerCount, fetchResult, type Asked } from './callers.ts'
import { keepLog, type ChaosOptions, type ChaosResult } from './report.ts'

/** A job that was accepted, and whose answer nobody has fetched. */
export interface OpenJob {
  path: string
  planned: PlannedRequest
}

/** The default of `grace`. */
export const graceMs = 10_000

/** What became of the requests of many stops. */
export class Tally {
  answered = 0
  /** Told that Pellet is stopping. */
  refused = 0
  /** Cut before main had read their headers. */
  unread = 0
  /** Connections that nobody took. */
  unconnected = 0
  fetched = 0
  /** Jobs that were not done within the grace time. */
  interrupted = 0
  readonly violations: string[] = []
  jobs: OpenJob[] = []
  readonly #seen: () => Set<string>

  /** @param seen ids of the requests whose headers main has read */
  constructor(seen: () => Set<string>) {
    this.#seen = seen
  }

  /** What became of the requests, for people. */
  facts(): string[] {
    return [
      `${callerCount} callers`,
      `${this.answered} answered`,
      `${this.refused} told that it stops`,
      `${this.unread} cut unread`,
      `${this.unconnected} connections refused`,
    ]
  }

  /**
   * A request is lost where main has read its headers and no whole answer came. Before, nobody but the caller knows of it:
   * what lies unread in the kernel when a socket is closed was never the server's, and HTTP has the caller send it again.
   * On a connection that is in use not even that may be: its last answer had told that it is closed.
   */
  add({ planned, outcome, resultPath }: Asked): void {
    const { status, headers, broken } = outcome
    if (broken === undefined) this.#answered.push(planned.id)
    if (broken === 'ECONNREFUSED') this.unconnected++
    else if (broken !== undefined && status === 0)
      // Not so where the head of that answer had gone before the stop: long ones, and batches.
      this.#cut.push({
        planned,
        broken,
        isOwed: outcome.isReused === true && planned.backBytes === 0 && !planned.batch,
      })
    else if (headers['x-pellet-error'] === 'stopping') this.refused++
    else if (resultPath !== undefined) {
      this.answered++
      this.jobs.push({ path: resultPath, planned })
    } else {
      this.answered++
      this.#judge(planned, outcome)
    }
  }

  /** Once main has ended: which of those without an answer it has read. */
  close(): void {
    const seen = this.#seen()
    if (!this.#answered.every((id) => seen.has(`soak-${id}`))) this.violations.push('the witness is blind')
    this.#answered.length = 0
    for (const { planned, broken, isOwed } of this.#cut.splice(0)) {
      if (isOwed || seen.has(`soak-${planned.id}`)) this.violations.push(`${describe(planned)}: lost (${broken})`)
      else this.unread++
    }
  }

  /**
   * The answers of jobs that an earlier process has accepted.
   * @param wasCut its stop took all of the grace time: what was not done by then is answered as interrupted
   */
  async fetch(url: string, wasCut: boolean): Promise<void> {
    for (const { path, planned } of this.jobs.splice(0)) {
      const outcome = await fetchResult(url, path)
      if (wasCut && outcome.headers['x-pellet-error'] === 'job_interrupted') this.interrupted++
      else {
        this.#judge(planned, outcome)
        this.fetched++
      }
    }
  }

  #judge(planned: PlannedRequest, outcome: Asked['outcome']): void {
    const wrong = judge(planned, outcome, evidence)
    if (wrong !== undefined) this.violations.push(`${describe(planned)}: ${wrong}`)
  }

  readonly #cut: { planned: PlannedRequest; broken: string; isOwed: boolean }[] = []
  readonly #answered: number[] = []
}

/** Stops Pellet again and again while all callers ask: nothing that was read is lost, and nothing is left behind. */
export async function stopUnderLoad({ seed, rounds, onRound }: ChaosOptions): Promise<ChaosResult> {
  const startedAt = performance.now()
  const random = new Random(seed)
  const folder = createProject(stoppedProject())
  const witnessed = join(folder, 'witness.txt')
  const tally = new Tally(() => new Set(readFileSync(witnessed, 'utf8').split('\n')))
  let lastMs = 0
  let slowestMs = 0
  let lastLog = ''
  for (let round = 0; round < rounds; round++) {
    onRound?.(round)
    rmSync(witnessed, { force: true })
    const pellet = await RunningPellet.start(folder, [], withWitness(witnessed))
    try {
      const known = tally.violations.length
      await tally.fetch(pellet.url, lastMs >= graceMs)
      const first = tally.answered
      const calling = callAll({
        url: pellet.url,
        random,
        isOver: () => pellet.hasEnded(),
        begin: () => (asked) => tally.add(asked),
      })
      const wanted = first + random.integer(callerCount, 30 * callerCount)
      await until(() => tally.answered >= wanted, 'the load to be on', 60_000)
      const children = childrenOf(pellet.pid)
      const sinceMs = performance.now()
      const code = await pellet.stop()
      lastMs = performance.now() - sinceMs
      slowestMs = Math.max(slowestMs, lastMs)
      await calling
      tally.close()
      const left = await leftBy(pellet, children)
      if (code !== 0) left.push(`expected the exit code 0, found ${code}`)
      tally.violations.push(...left.map((one) => `stop ${round}: ${one}`))
      // A job that was lost is missed after the next start.
      if (tally.violations.length > known) keepLog(`signals-${round}`, `${lastLog}\n\n${pellet.text()}`)
      lastLog = pellet.text()
    } finally {
      await pellet.stop('SIGKILL')
    }
  }
  const { fetched, interrupted, violations } = tally
  const facts = [
    ...tally.facts(),
    `${fetched} answers of jobs fetched from the next process`,
    `${interrupted} jobs not done within the grace time`,
    `slowest stop ${(slowestMs / 1000).toFixed(1)} s`,
  ]
  return { name: 'SIGTERM', rounds, facts, violations, tookMs: performance.now() - startedAt }
}

/** What the callers ask. */
export function stoppedProject(): Record<string, string | Uint8Array> {
  const names = ['text', 'leaf', 'bytes'] as const
  const files = names.map((name) => [`functions/${name}.ts`, tagSource(name)])
  return { 'models/identity.onnx': identityModel(), ...Object.fromEntries(files) }
}

/** Has main write down the ids of the requests that it reads. */
export function withWitness(file: string): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${new URL('./witness.js', import.meta.url).href}`,
    PELLET_CHAOS_WITNESS: file,
  }
}

// --- internal ---

const evidence = { incidents: new Incidents(), calm: new Map<string, string>(), versions: { least: 1, most: 1 } }

async function leftBy(pellet: RunningPellet, children: number[]): Promise<string[]> {
  await until(() => !children.some(isAlive), 'gone', 2000).catch(() => {})
  const data = join(pellet.folder, '.pellet')
  return [
    ...children.filter(isAlive).map((pid) => `process ${pid} is left`),
    ...['run', 'pellet.sock'].filter((name) => existsSync(join(data, name))).map((name) => `.pellet/${name} is left`),
    ...halfWritten(data).map((file) => `${file} is left`),
    ...pellet.log
      .filter(({ level, msg }) => ['error', 'fatal', 'text'].includes(level) && !msg.startsWith('soak-'))
      .map(({ level, msg }) => `log: ${level}: ${msg}`),
  ]
}

/** Files that somebody began to write. */
export function halfWritten(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(^|\/)\.writing-|\.part$/.test(file),
  )
}

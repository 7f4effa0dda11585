import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../../runtime/errors.ts'
import { RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { Random } from '../support/random.ts'
import type { DeployEnd } from './deployer.ts'
import { Estate } from './estate.ts'
import { createMarks, type Mark } from './marks.ts'
import type { ChaosOptions, ChaosResult } from './report.ts'

type Action = 'deploy' | 'rollback' | 'results'
type Victim = 'main' | 'a child' | 'the client'

/** Kills main, its children or the client at any moment of a deploy, a rollback or of writing results, and looks what is left. */
export async function killAnywhere({ seed, rounds, onRound }: ChaosOptions): Promise<ChaosResult> {
  const startedAt = performance.now()
  const killing = new Killing(seed, await createMarks(Math.min(rounds + 1, 12)))
  try {
    await killing.begin()
    for (let round = 0; round < rounds; round++) {
      onRound?.(round)
      await killing.round(round)
    }
    await killing.end()
  } catch (error) {
    console.error(killing.estate.pellet.text().slice(-5000))
    throw error
  } finally {
    await killing.estate.stop('SIGKILL')
  }
  const { kills, became, violations } = killing
  const facts = [
    ...[...kills].map(([what, count]) => `${count} ${what}`),
    `deploys and rollbacks: ${became.old} left the old revision, ${became.next} the next one`,
    `data folder at most ${(killing.mostBytes / 2 ** 20).toFixed(1)} MB`,
  ]
  return { name: 'kill -9', rounds, facts, violations, tookMs: performance.now() - startedAt }
}

/** The files of a folder, with their sizes. */
export function sizesIn(folder: string): { file: string; sizeBytes: number }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((file) => {
    const found = statSync(join(folder, file), { throwIfNoEntry: false })
    return found?.isFile() ? [{ file, sizeBytes: found.size }] : []
  })
}

// --- internal ---

class Killing {
  readonly estate = new Estate()
  readonly violations: string[] = []
  readonly kills = new Map<string, number>()
  readonly became = { old: 0, next: 0 }
  mostBytes = 0
  readonly #random: Random
  readonly #marks: Mark[]
  /** What each takes when nobody is killed. */
  readonly #tookMs: Record<Action, number> = { deploy: 0, rollback: 0, results: 0 }
  readonly #numbers = new Map<string, number>()
  /** The number of the mark that is live. */
  #live = 0

  constructor(seed: number, marks: Mark[]) {
    this.#random = new Random(seed)
    this.#marks = marks
  }

  /** All of it once, undisturbed, so that it is known how long it takes. */
  async begin(): Promise<void> {
    await this.estate.start()
    for (const mark of this.#marks) await this.#mustDeploy(mark)
    const before = performance.now()
    await this.#mustDeploy(this.#marks[0]!)
    this.#tookMs.deploy = performance.now() - before
    await this.#timed('rollback', () => this.estate.deployer.rollback())
    await this.#timed('results', () => this.#makeResults())
    this.#live = await this.#liveNumber()
  }

  async round(round: number): Promise<void> {
    const random = this.#random
    const action = random.weighted<Action>({ deploy: 5, rollback: 2, results: 2 })
    const victim = random.weighted<Victim>({ main: 7, 'a child': 2, 'the client': 2 })
    const what = `${victim} killed in ${action}`
    this.kills.set(what, (this.kills.get(what) ?? 0) + 1)
    const note = (problems: string[]) =>
      void this.violations.push(...problems.map((one) => `round ${round}, ${what}: ${one}`))

    const mark = this.#other()
    const abort = new AbortController()
    const { target, work } = await this.#begin(action, mark, abort.signal)
    const outcome = work.then(
      (end) => end?.type,
      (error: unknown) => messageOf(error),
    )
    await pause(random.next() * this.#tookMs[action] * 1.1)
    const { pid } = this.estate.pellet
    if (victim === 'main') await this.#killMain(random.chance(0.2))
    else if (victim === 'the client') abort.abort()
    else this.#killChild()
    const type = await outcome
    if (victim !== 'main' && this.estate.pellet.pid !== pid) note(['main has another pid'])

    // What was reported holds; where nobody heard, it is all of the one or all of the other.
    const isKnown = type === 'done' || type === 'failed'
    const allowed = type === 'done' ? [target] : type === 'failed' ? [this.#live] : [this.#live, target]
    if (victim === 'the client' && !isKnown) await this.#settled(target)
    const live = await this.#liveNumber()
    if (!allowed.includes(live)) note([`expected revision ${allowed.join(' or ')} to be live, found ${live} (${type})`])
    if (action !== 'results') this.became[live === target ? 'next' : 'old']++
    this.#live = live
    // What a client has begun goes on without him, and may be done at any moment.
    const mayStill = victim === 'the client' && !isKnown ? [live, target] : [live]
    note(await this.estate.look({ live: mayStill, mayFail: false }))
    note(this.#damagedBlobs())
    // What was begun is done in the end, and no worse for it.
    const again = await this.estate.deployer
      .deploy(mark)
      .catch((error: Error) => ({ type: 'failed' as const, ...error }))
    if (again.type === 'failed') note([`the same deploy then: ${again.message}`])
    else {
      this.#live = mark.number
      note(await this.estate.look({ live: [mark.number], mayFail: false }))
    }
    const rows = await this.estate.deployer.history()
    if (rows.filter(({ isLive }) => isLive).length !== 1 || rows.length > 6)
      note([`expected a history of at most six with one live, found ${JSON.stringify(rows)}`])
    const bytes = sizesIn(this.estate.dataFolder).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    this.mostBytes = Math.max(this.mostBytes, bytes)
  }

  /** What kills have left goes, once it is so old that nobody can still be at it. */
  async end(): Promise<void> {
    const { estate } = this
    await estate.stop()
    const hoursAgo = Date.now() / 1000 - 2 * 3600
    for (const { file } of sizesIn(estate.dataFolder)) utimesSync(join(estate.dataFolder, file), hoursAgo, hoursAgo)
    await estate.start()
    await estate.keepJob()
    // Five, the live one, and what serves when nothing is deployed.
    const most = 7
    const look = () => {
      const names = sizesIn(estate.dataFolder).map(({ file }) => file)
      return [
        ...names.filter((file) => /\.writing-|\.tmp$|\.part$/.test(file)).map((file) => `${file} is left`),
        ...(['bundles/', 'storage/models/'] as const).flatMap((folder) => {
          const found = names.filter((file) => file.startsWith(folder)).length
          return found <= 3 * most ? [] : [`expected at most ${3 * most} files in ${folder}, found ${found}`]
        }),
      ]
    }
    await until(() => look().length === 0, 'clean', 5000).catch(() => {})
    this.violations.push(...look().map((one) => `at the end: ${one}`))
    await estate.stop()
  }

  // --- internal ---

  async #begin(
    action: Action,
    mark: Mark,
    signal: AbortSignal,
  ): Promise<{ target: number; work: Promise<DeployEnd | undefined> }> {
    const { deployer } = this.estate
    if (action === 'deploy') return { target: mark.number, work: deployer.deploy(mark, signal) }
    if (action === 'results') return { target: this.#live, work: this.#makeResults().then(() => undefined) }
    const older = (await deployer.history()).filter(({ isLive }) => !isLive)
    const { revision } = this.#random.pick(older)
    return { target: this.#numbers.get(revision)!, work: deployer.rollback(revision, signal) }
  }

  async #killMain(isTwice: boolean): Promise<void> {
    const { estate } = this
    const family = childrenOf(estate.pellet.pid)
    await estate.stop('SIGKILL')
    if (isTwice) {
      const second = RunningPellet.spawn(estate.folder)
      await pause(this.#random.next() * 800)
      family.push(...childrenOf(second.pid))
      await second.stop('SIGKILL')
    }
    await until(() => !family.some(isAlive), 'the children to be gone')
    await estate.start()
  }

  #killChild(): void {
    const children = childrenOf(this.estate.pellet.pid)
    if (children.length > 0) process.kill(this.#random.pick(children), 'SIGKILL')
  }

  /** A client that goes away ends nothing, or what it had begun: which of them is known when it is done. */
  async #settled(target: number): Promise<void> {
    await until(async () => (await this.#liveNumber()) === target, 'live', 3 * this.#tookMs.deploy + 1000).catch(
      () => {},
    )
  }

  /** Answers that are kept, and jobs. */
  async #makeResults(): Promise<void> {
    await Promise.all([1, 2, 3, 4].map(() => this.estate.keepJob()))
  }

  async #timed(action: Action, work: () => Promise<unknown>): Promise<void> {
    const before = performance.now()
    await work()
    this.#tookMs[action] = performance.now() - before
  }

  async #mustDeploy(mark: Mark): Promise<void> {
    const end = await this.estate.deployer.deploy(mark)
    if (end.type === 'failed') throw new Error(`${end.phase}: ${end.message}`)
    this.#numbers.set(end.revision, mark.number)
  }

  #other(): Mark {
    return this.#random.pick(this.#marks.filter(({ number }) => number !== this.#live))
  }

  async #liveNumber(): Promise<number> {
    const row = (await this.estate.deployer.history()).find(({ isLive }) => isLive)
    return row ? this.#numbers.get(row.revision)! : 0
  }

  /** A file that is named by its digest has just those bytes. */
  #damagedBlobs(): string[] {
    return sizesIn(this.estate.dataFolder).flatMap(({ file }) => {
      const name = /(^|\/)([0-9a-f]{64})$/.exec(file)?.[2]
      if (name === undefined) return []
      const sum = createHash('sha256')
        .update(readFileSync(join(this.estate.dataFolder, file)))
        .digest('hex')
      return sum === name ? [] : [`${file}: expected bytes of that digest, found ${sum}`]
    })
  }
}

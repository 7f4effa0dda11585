import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../support/process.ts'
import { Random } from '../support/random.ts'
import { Estate, weightBytes, type ProofChip } from './estate.ts'
import { faults, hang } from './faults.ts'
import { grown, holdingsOf, most, shown, type Holdings } from './holdings.ts'
import { Traffic, type Habits } from './traffic.ts'

export interface FramesOptions {
  seed: number
  /** How many right answers make the proof. */
  frames: number
  /** A few seconds: two models that stay, three faults, and what grows is not judged. */
  isSample?: boolean
  onPhase?(name: string): void
}

export interface ProofResult {
  /** One line for each phase. */
  facts: string[]
  violations: string[]
  /** What Pellet logged. */
  log: string
}

/**
 * Eight callers on one model and two on each of three that come and go, over a chip that does all that it may do wrong: every
 * answer belongs to its request, whoever is refused is told when to come again, and what the processes hold does not grow.
 */
export async function proveFrames(options: FramesOptions): Promise<ProofResult> {
  const { seed, isSample = false } = options
  const chip: ProofChip = seed % 2 === 0 ? 'hailo8' : 'hailo10h'
  const startedAt = performance.now()
  const proof = new Proof(await (isSample ? Estate.start(chip, 2, 8000) : Estate.start(chip, 4)), options)
  await (isSample ? proof.sample() : proof.whole())
  const { facts, violations } = proof
  facts.unshift(`seed ${seed}, chip ${chip}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  return { facts, violations, log: proof.log }
}

// --- internal ---

/** Main's, when it has nothing to do. */
const idleBytes = 80 * 2 ** 20

class Proof {
  readonly facts: string[] = []
  readonly violations: string[] = []
  readonly #options: FramesOptions
  readonly #random: Random
  readonly #estate: Estate
  readonly #traffic: Traffic

  constructor(estate: Estate, options: FramesOptions) {
    this.#estate = estate
    this.#options = options
    this.#random = Random.of(`npu/${options.seed}`)
    this.#traffic = new Traffic(estate, this.#random)
  }

  get log(): string {
    return this.#estate.pellet.text()
  }

  async whole(): Promise<void> {
    const { frames } = this.#options
    await this.#ending(async () => {
      await this.#phase('calm', { mayRefuse: false }, () => this.#calm(frames * 0.15))
      const before = await this.#idle()
      const habits: Habits = { mayRefuse: false, isInTurn: true, keepAlive: ['2s', '100ms'] }
      await this.#phase('hard unloads', habits, () => this.#hardUnloads(frames * 0.15))
      const kinds = Object.keys(faults)
      await this.#phase('faults', { mayRefuse: true }, () => this.#faults(kinds, frames * 0.5, 1))
      await this.#phase('calm again', { mayRefuse: false }, () => this.#calm(frames * 0.2))
      const after = await this.#idle()
      this.violations.push(...grown('main', before, after))
      this.facts.push(`main, idle: ${shown(before)}, then ${shown(after)}`)
    })
  }

  async sample(): Promise<void> {
    const { frames } = this.#options
    const kinds = ['a long stall', 'the device is lost', 'the host is killed']
    await this.#ending(async () => {
      const habits: Habits = { mayRefuse: true, keepAlive: ['5s', '5s'] }
      await this.#phase('faults', habits, () => this.#faults(kinds, frames * 0.5, 0))
      await this.#phase('calm', { ...habits, mayRefuse: false }, async () => {
        await this.#traffic.answered(frames * 0.5)
        return []
      })
    })
  }

  // --- internal ---

  /** What main holds when nothing is loaded and nobody is connected. */
  async #idle(): Promise<Holdings> {
    this.#traffic.hangUp()
    await this.#estate.idle()
    const { pid } = this.#estate.pellet
    // It gives memory back a second after all have gone, if nothing happens then.
    for (let i = 0; i < 30 && holdingsOf(pid)!.rssBytes > idleBytes; i++) await pause(100)
    return holdingsOf(pid)!
  }

  async #ending(run: () => Promise<void>): Promise<void> {
    try {
      await run()
      this.violations.push(...this.#estate.hostDeaths())
    } catch (error) {
      this.violations.push(`the proof did not get to its end: ${(error as Error).message}`)
    } finally {
      await this.#traffic.stop()
      this.#traffic.hangUp()
      await this.#estate.pellet.stop()
    }
  }

  async #phase(name: string, habits: Habits, run: () => Promise<string[]>): Promise<void> {
    this.#options.onPhase?.(name)
    const at = performance.now()
    this.#traffic.start(habits)
    const own = await run()
    const tally = await this.#traffic.stop()
    this.violations.push(...tally.violations.map((violation) => `${name}: ${violation}`))
    this.facts.push(`${name}: ${[tally.facts, ...own].join('; ')}; ${((performance.now() - at) / 1000).toFixed(0)} s`)
  }

  /** Nothing goes wrong: no answer but 200, no hard unload, and the host and the model that stays hold no more at the end. */
  async #calm(frames: number): Promise<string[]> {
    const { pellet, models } = this.#estate
    const hardUnloads = await this.#estate.count('hard_unloads')
    const seen: Record<'host' | 'isolate', Holdings[]> = { host: [], isolate: [] }
    const parts = 20
    for (let part = 0; part < parts; part++) {
      await this.#traffic.answered(frames / parts)
      const { pid } = await pellet.row(models[0]!.name)
      const [host, isolate] = [this.#estate.hostPid, pid].map((one) => (one ? holdingsOf(one) : undefined))
      // Where nobody asked for a moment they are gone.
      if (host) seen.host.push(host)
      if (isolate) seen.isolate.push(isolate)
    }
    const more = (await this.#estate.count('hard_unloads')) - hardUnloads
    if (more > 0) this.violations.push(`expected no hard unload where all have room, found ${more}`)
    return Object.entries(seen).map(([name, all]) => {
      const early = most(all.slice(all.length / 4, all.length / 2))
      const late = most(all.slice(-all.length / 4))
      this.violations.push(...grown(name, early, late))
      return `${name}: ${shown(early)}, then ${shown(late)}`
    })
  }

  /** A chip with room for two, the one that stays and another: each of the others needs a hard unload, and nobody notices. */
  async #hardUnloads(frames: number): Promise<string[]> {
    this.#estate.simulate({ memory_bytes: 2.5 * weightBytes })
    await this.#traffic.answered(frames)
    let count = 0
    // The host tells what it counted once a second.
    const isEnough = async () => (count = await this.#estate.count('hard_unloads')) >= Math.ceil(frames / 150)
    await until(isEnough, () => `more hard unloads, found ${count}`, 60_000)
    this.#estate.simulate()
    return [`${count} hard unloads`]
  }

  /** One fault after the other, in an order of the seed's, until so many frames are answered and each was there. */
  async #faults(kinds: string[], frames: number, hangs: number): Promise<string[]> {
    const { tally } = this.#traffic
    let [harm, slowestMs] = [0, 0]
    let deck: string[] = []
    await this.#traffic.allAnswer()
    while ((tally.right < frames || harm < kinds.length) && tally.violations.length < 20) {
      if (deck.length === 0) deck = [...kinds]
      const [name] = deck.splice(this.#random.integer(0, deck.length - 1), 1) as [string]
      await faults[name]!(this.#estate, this.#random)
      if (hangs > 0 && tally.right > frames / 2) {
        hangs--
        await hang(this.#estate, this.#random)
      }
      harm++
      slowestMs = Math.max(slowestMs, await this.#traffic.allAnswer())
      await this.#traffic.answered(this.#random.integer(10, 60))
    }
    const counts = (['timeouts', 'losses', 'hard_unloads', 'host_restarts'] as const).map(
      async (name) => `${await this.#estate.count(name)} ${name.replace('_', ' ')}`,
    )
    const back = `all answered again after at most ${(slowestMs / 1000).toFixed(1)} s`
    return [`${harm} faults of ${kinds.length} kinds`, ...(await Promise.all(counts)), back]
  }
}

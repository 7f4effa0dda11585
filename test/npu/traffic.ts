import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { exchange, type Manner, type Outcome } from '../soak/send.ts'
import type { Random } from '../support/random.ts'
import type { Estate } from './estate.ts'
import { sumsOf, type NpuModel } from './models.ts'

/** What became of requests. */
export class Tally {
  /** Answered, each with what belongs to it. */
  right = 0
  /** Their callers left. */
  left = 0
  /** By status and code, all but those. */
  readonly refused: Record<string, number> = {}
  readonly violations: string[] = []

  get facts(): string {
    const refused = Object.entries(this.refused).map(([what, count]) => `${count} x ${what}`)
    return [`${this.right} right`, ...(this.left > 0 ? [`${this.left} left`] : []), ...refused].join(', ')
  }
}

export interface Habits {
  /** Only one of the models that come and go is asked at a time. */
  isInTurn?: boolean
  /** Of the first model and of the others, where it is not 0: with that a model goes whenever its callers pause for a moment. */
  keepAlive?: [first: string, others: string]
  /** Whether a 503 may come at all. */
  mayRefuse: boolean
}

/** Callers of all models: eight of the first, without a pause; of each other two, who come and go; and one of the model on the CPU. */
export class Traffic {
  tally = new Tally()
  readonly #estate: Estate
  readonly #random: Random
  readonly #agent = new Agent({ keepAlive: true })
  #habits: Habits = { mayRefuse: true }
  #isOver = false
  #callers: Promise<unknown> = Promise.resolve()
  #turn: Promise<unknown> = Promise.resolve()
  #seed: number
  /** Of each model, when it last gave a right answer; `performance.now()`. */
  readonly #lastRightAt = new Map<string, number>()

  constructor(estate: Estate, random: Random) {
    this.#estate = estate
    this.#random = random
    this.#seed = random.integer(0, 2 ** 30)
  }

  /** Callers ask until `stop`. */
  start(habits: Habits): void {
    this.#habits = habits
    this.#isOver = false
    this.tally = new Tally()
    const [first, ...others] = this.#estate.models
    this.#callers = Promise.all([
      ...Array.from({ length: busyCallers }, () => this.#askOn(first!)),
      ...others.map((model) => this.#comeAndGo(model)),
      this.#askCpu(),
    ])
  }

  /** Until `count` more are answered. */
  async answered(count: number): Promise<void> {
    const { tally } = this
    const goal = tally.right + count
    const until = performance.now() + patienceMs
    while (tally.right < goal) {
      if (performance.now() > until)
        return void tally.violations.push(
          `expected ${count} answers within ${patienceMs} ms, found ${tally.right - goal + count}`,
        )
      await pause(10)
    }
  }

  /** Until each model answered again. @returns after how many milliseconds the last one did */
  async allAnswer(): Promise<number> {
    const since = performance.now()
    const missing = () => this.#estate.models.filter(({ name }) => (this.#lastRightAt.get(name) ?? 0) < since)
    while (missing().length > 0) {
      if (performance.now() > since + patienceMs) {
        this.tally.violations.push(
          `${missing()
            .map(({ name }) => name)
            .join(', ')}: no answer within ${patienceMs} ms`,
        )
        break
      }
      await pause(10)
    }
    return performance.now() - since
  }

  /** Until all callers have had their last answer. */
  async stop(): Promise<Tally> {
    this.#isOver = true
    await this.#callers
    return this.tally
  }

  /** Closes the connections that callers keep. They may go on with others. */
  hangUp(): void {
    this.#agent.destroy()
  }

  // --- internal ---

  async #askOn(model: NpuModel): Promise<void> {
    while (!this.#isOver) await this.#ask(model)
  }

  async #comeAndGo(model: NpuModel): Promise<void> {
    while (!this.#isOver) {
      const burst = () => this.#burst(model)
      await (this.#habits.isInTurn ? (this.#turn = this.#turn.then(burst)) : burst())
      await pause(this.#random.integer(20, 400))
    }
  }

  async #burst(model: NpuModel): Promise<void> {
    if (this.#isOver) return
    const count = this.#random.integer(5, 30)
    const askAll = async () => {
      for (let i = 0; i < count && !this.#isOver; i++) await this.#ask(model)
    }
    await Promise.all([askAll(), askAll()])
    if (this.#habits.isInTurn) await this.#estate.pellet.rowWhen(model.name, ({ pid }) => pid === null)
  }

  async #ask(model: NpuModel): Promise<void> {
    const seed = this.#seed++
    const leave = this.#random.chance(0.02) ? { afterMs: this.#random.integer(0, 12), inBody: false } : undefined
    const keepAlive = this.#habits.keepAlive?.[model === this.#estate.models[0] ? 0 : 1]
    const headers = keepAlive === undefined ? {} : { 'x-keep-alive': keepAlive }
    const outcome = await this.#post(`/v1/${model.name}`, { seed }, { headers, leave })
    if (outcome.status === 0 && outcome.broken === undefined) this.tally.left++
    else if (outcome.status === 200) {
      if (this.#isRight(outcome, model, seed)) this.#lastRightAt.set(model.name, performance.now())
    } else await this.#refused(outcome, model.name)
  }

  #isRight({ body, headers }: Outcome, model: NpuModel, seed: number): boolean {
    const expected = JSON.stringify(sumsOf(model, seed))
    const found = body.toString()
    if (found === expected && headers['x-pellet-engine'] === 'simulated') {
      this.tally.right++
      return true
    }
    this.tally.violations.push(`${model.name}, seed ${seed}: expected ${expected}, found ${found}`)
    return false
  }

  /** At most a 503 that says when to come again; the caller does. */
  async #refused({ status, headers, body, broken }: Outcome, name: string): Promise<void> {
    const what = broken === undefined ? `${status} ${headers['x-pellet-error'] ?? ''}` : `broken: ${broken}`
    this.tally.refused[what] = (this.tally.refused[what] ?? 0) + 1
    const isTold = status === 503 && broken === undefined && Number(headers['retry-after']) > 0
    if (!isTold || !this.#habits.mayRefuse)
      this.tally.violations.push(`${name}: ${what}: ${body.toString().slice(0, 300)}`)
    await pause(this.#random.integer(50, 250))
  }

  /** Whatever befalls the NPU, this one does not notice. */
  async #askCpu(): Promise<void> {
    while (!this.#isOver) {
      const outcome = await this.#post('/v1/cpu', {})
      if (outcome.status !== 200)
        this.tally.violations.push(
          `the model on the CPU: ${outcome.status} ${outcome.broken ?? outcome.body.toString()}`,
        )
      await pause(50)
    }
  }

  #post(path: string, fields: object, { headers = {}, leave }: Sending = {}): Promise<Outcome> {
    const body = Buffer.from(JSON.stringify(fields))
    const wire = { method: 'POST', path, headers: { ...headers, 'content-type': 'application/json' }, body }
    return exchange(this.#estate.pellet.url, this.#agent, wire, { leave })
  }
}

// --- internal ---

interface Sending {
  headers?: Record<string, string>
  leave?: Manner['leave']
}

const busyCallers = 8
/** Longer than Pellet needs to find out that the device host hangs, and to replace it. */
const patienceMs = 60_000

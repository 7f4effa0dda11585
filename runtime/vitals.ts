import { messageOf } from './errors.ts'
import type { Logger } from './log.ts'

/** Something that makes no progress, as it is found at one moment. */
export interface Stall {
  /** Names the very thing (`lease 17`, `frame 4711`): while it moves on, its key changes. */
  key: string
  /** For people: what stands still. */
  message: string
  /** For so long it may be found again and again. */
  allowedMs: number
}

/**
 * A component that can stand still while main turns: says what it works on without progress now, or what should not be so.
 * Asked once a second, and quick to answer.
 */
export type Pulse = () => Iterable<Stall>

/** How often the components are asked. */
const lookMs = 1000
/** A look that comes later than this counts as this much: then main itself was stopped, or the machine slept. */
const longestStepMs = 2 * lookMs
/** Timers that do not fire for so long while main answers are a stall of its loop. */
const timersMs = 5000

/**
 * Whether Pellet makes progress: `/health/live` and the supervisor's watchdog ask. A loop that is blocked cannot answer them,
 * which says the same.
 *
 * Time is counted as main lived it: from look to look, and no more than two seconds for each. So neither a machine that was
 * suspended, nor a main process that was stopped, nor one that swaps, makes a stall of a moment a long one.
 */
export class Vitals {
  readonly #now: () => number
  readonly #log: Pick<Logger, 'error' | 'info'>
  readonly #pulses = new Set<Pulse>()
  /** By key: when it was found first, on the time that main lived. */
  #found = new Map<string, number>()
  #livedMs = 0
  #lookedAt: number
  /** When the timer fired last, on the time that main lived. */
  #firedAtMs = 0
  #problem: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(now: () => number, log: Pick<Logger, 'error' | 'info'>) {
    this.#now = now
    this.#log = log
    this.#lookedAt = now()
  }

  /** @returns what takes it out again */
  watch(pulse: Pulse): () => void {
    this.#pulses.add(pulse)
    return () => this.#pulses.delete(pulse)
  }

  /** Begins to look, each second. */
  start(): void {
    this.#timer ??= setInterval(() => this.tick(), lookMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** What stands still, for people; undefined: main loop, scheduler and all that has a pulse make progress. */
  problem(): string | undefined {
    this.#live()
    const silentMs = this.#livedMs - this.#firedAtMs
    if (this.#timer && silentMs > timersMs) return `timers of the main process have not fired for ${seconds(silentMs)}`
    return this.#problem
  }

  /** A look; `start` does it by a timer. */
  tick(): void {
    this.#live()
    this.#firedAtMs = this.#livedMs
    const found = new Map<string, number>()
    let problem: string | undefined
    for (const pulse of this.#pulses)
      for (const { key, message, allowedMs } of ask(pulse)) {
        const sinceMs = this.#found.get(key) ?? this.#livedMs
        found.set(key, sinceMs)
        const lastsMs = this.#livedMs - sinceMs
        if (lastsMs >= allowedMs) problem ??= `${message}, for ${seconds(lastsMs)}`
      }
    this.#found = found
    if (problem !== undefined && this.#problem === undefined) this.#log.error(`no progress: ${problem}`)
    if (problem === undefined && this.#problem !== undefined) this.#log.info('progress again')
    this.#problem = problem
  }

  // --- internal ---

  #live(): void {
    const now = this.#now()
    this.#livedMs += Math.min(Math.max(0, now - this.#lookedAt), longestStepMs)
    this.#lookedAt = now
  }
}

// --- internal ---

/** One that cannot answer is no reason for main to end, but for a supervisor to know. */
function ask(pulse: Pulse): Iterable<Stall> {
  try {
    return [...pulse()]
  } catch (error) {
    return [{ key: 'pulse', message: `whether all moves on cannot be told (${messageOf(error)})`, allowedMs: timersMs }]
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}

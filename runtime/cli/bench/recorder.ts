import { createHistogram } from 'node:perf_hooks'
import { messageIn } from '../../error-body.ts'
import { valueIn, type Answer } from './answer-reader.ts'

/** What a run came to. Times in milliseconds, of the requests that were answered with 2xx. */
export interface Measured {
  /** Answered with 2xx. */
  answered: number
  /** Answered otherwise, or not at all. */
  failed: number
  perSecond: number
  /** How much `perSecond` varies within the run: the standard deviation of its tenths, as a share; 0 where it is not known. */
  spread: number
  /** How many came from the kept results, without the function (`X-Cache: hit`). */
  fromCache: number
  mean: number
  p50: number
  p90: number
  p99: number
  max: number
  /** Mean time by phase, as `Server-Timing` names them; empty unless looked at. */
  phases: Record<string, number>
  /** How many failed, by error code, `http_500` and the like, or the connection's own code. */
  errors: Record<string, number>
  /** What the first that failed was told. */
  firstError?: string
}

export interface RecorderOptions {
  /** Whether to look at `Server-Timing` and `X-Cache`, which costs time. */
  isCurious?: boolean
  /** How long the run is to last. */
  durationMs?: number
}

/** Keeps count of a run in bounded memory, however long it takes. */
export class Recorder {
  answered = 0
  failed = 0
  /** In microseconds, up to an hour, to a thousandth. */
  readonly #times = createHistogram({ lowest: 1, highest: longestUs, figures: 3 })
  readonly #phases = new Map<string, number>()
  readonly #tenths = new Uint32Array(10)
  readonly #errors: Record<string, number> = {}
  readonly #isCurious: boolean
  readonly #durationMs: number
  #fromCache = 0
  #firstError: string | undefined

  constructor({ isCurious = false, durationMs = Infinity }: RecorderOptions = {}) {
    this.#isCurious = isCurious
    this.#durationMs = durationMs
  }

  /** @param atMs since the run began */
  answer(answer: Answer, ms: number, atMs: number): void {
    const { status, head, body } = answer
    if (status < 200 || status > 299)
      return this.fail(valueIn(head, 'x-pellet-error') ?? `http_${status}`, messageIn(body) ?? `status ${status}`)
    this.answered++
    this.#times.record(Math.min(longestUs, Math.max(1, Math.round(ms * 1000))))
    // What was under way at the end is answered behind the last tenth.
    if (atMs < this.#durationMs) this.#tenths[Math.floor((atMs / this.#durationMs) * 10)]!++
    if (!this.#isCurious) return
    if (valueIn(head, 'x-cache') === 'hit') this.#fromCache++
    for (const [name, phaseMs] of phasesIn(head)) this.#phases.set(name, (this.#phases.get(name) ?? 0) + phaseMs)
  }

  fail(code: string, message: string): void {
    this.failed++
    this.#errors[code] = (this.#errors[code] ?? 0) + 1
    this.#firstError ??= message
  }

  summary(elapsedMs: number): Measured {
    const { answered, failed } = this
    const times = this.#times
    const at = (percent: number) => (answered === 0 ? 0 : times.percentile(percent) / 1000)
    return {
      answered,
      failed,
      perSecond: (answered / elapsedMs) * 1000,
      spread: spreadOf([...this.#tenths].slice(0, Math.floor((elapsedMs / this.#durationMs) * 10))),
      fromCache: this.#fromCache,
      mean: answered === 0 ? 0 : times.mean / 1000,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      max: answered === 0 ? 0 : times.max / 1000,
      phases: Object.fromEntries([...this.#phases].map(([name, sum]) => [name, sum / answered])),
      errors: this.#errors,
      ...(this.#firstError !== undefined && { firstError: this.#firstError }),
    }
  }
}

/** The standard deviation of some counts as a share of their mean; 0 where there are too few to tell. */
export function spreadOf(counts: number[]): number {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  if (counts.length < 3 || mean === 0) return 0
  const squares = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0)
  return Math.sqrt(squares / (counts.length - 1)) / mean
}

/** Phases of an answer and their times in milliseconds. */
export function phasesIn(head: string): [string, number][] {
  const timing = valueIn(head, 'server-timing') ?? ''
  return timing === ''
    ? []
    : timing.split(',').map((part) => {
        const [name, ms] = part.split(';dur=')
        return [name!.trim(), Number(ms ?? 0)]
      })
}

// --- internal ---

const longestUs = 3_600_000_000

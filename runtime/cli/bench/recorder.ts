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
  mean: number
  p50: number
  p90: number
  p99: number
  max: number
  /** Mean time by phase, as `Server-Timing` names them; empty unless asked for. */
  phases: Record<string, number>
  /** How many failed, by error code, `http_500` and the like, or the connection's own code. */
  errors: Record<string, number>
  /** What the first that failed was told. */
  firstError?: string
}

/** Keeps count of a run in bounded memory, however long it takes. */
export class Recorder {
  answered = 0
  failed = 0
  /** In microseconds, up to an hour, to a thousandth. */
  readonly #times = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 })
  readonly #phases: Map<string, number> | undefined
  readonly #errors: Record<string, number> = {}
  #firstError: string | undefined

  /** @param withPhases whether to look at `Server-Timing`, which costs time */
  constructor(withPhases: boolean) {
    if (withPhases) this.#phases = new Map()
  }

  answer(answer: Answer, ms: number): void {
    const { status, head, body } = answer
    if (status < 200 || status > 299)
      return this.fail(valueIn(head, 'x-pellet-error') ?? `http_${status}`, messageIn(body) ?? `status ${status}`)
    this.answered++
    this.#times.record(Math.max(1, Math.round(ms * 1000)))
    if (this.#phases)
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
      mean: answered === 0 ? 0 : times.mean / 1000,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      max: answered === 0 ? 0 : times.max / 1000,
      phases: Object.fromEntries([...(this.#phases ?? [])].map(([name, sum]) => [name, sum / answered])),
      errors: this.#errors,
      ...(this.#firstError !== undefined && { firstError: this.#firstError }),
    }
  }
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

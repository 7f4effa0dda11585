import { byOperation, statuses, type Explanation, type HailoErrorKind, type HailoOperation } from './status-table.ts'

export type { HailoErrorKind, HailoOperation } from './status-table.ts'

export interface HailoStatus extends Explanation {
  status: number
  /** As in hailort.h: `HAILO_TIMEOUT`. */
  name: string
}

/** What a hailo_status means to a person, and what he can do. @param operation What was under way when it came */
export function statusOf(status: number, operation?: HailoOperation): HailoStatus {
  const usual = statuses[status]
  if (!usual)
    return {
      status,
      name: `HAILO_STATUS_${status}`,
      kind: 'internal',
      meaning: 'HailoRT answered with a status that is not known here',
      advice: 'run `pellet doctor`: HailoRT may be newer than this Pellet',
    }
  return { status, ...usual, ...(operation && byOperation[operation]?.[status]) }
}

/** A call of HailoRT that failed. The message says what it means and what to do. */
export class HailoError extends Error {
  override readonly name = 'HailoError'
  readonly status: number
  /** What to do about it in code; the number alone does not tell. */
  readonly kind: HailoErrorKind
  readonly operation: HailoOperation | undefined
  /** The message without what to do. */
  readonly reason: string
  readonly advice: string

  /** @param detail What HailoRT itself says of it, where it says something */
  constructor(status: number, operation?: HailoOperation, detail?: string) {
    const { name, kind, meaning, advice } = statusOf(status, operation)
    const reason = `${meaning} (${name}, ${status}${detail ? `: ${detail}` : ''})`
    super(`${reason}; ${advice}`)
    this.status = status
    this.kind = kind
    this.operation = operation
    this.reason = reason
    this.advice = advice
  }
}

import type { RunningPellet } from '../support/pellet.ts'
import type { Target } from './load.ts'

/** What every part of the bench works with. */
export interface Bench {
  pellet: RunningPellet
  /** A bare h3 server that sends bodies back: the yardstick. */
  echoUrl: string
  quick: boolean
  /** Multiplies counts: 1, or less in a quick run. */
  scale: number
}

export const concurrencies = [1, 4, 16]

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`
}

export function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1)
}

/** The same request, sent to the yardstick. */
export function echoOf({ echoUrl }: Bench, { headers, body }: Target): Target {
  return { url: echoUrl, headers, body }
}

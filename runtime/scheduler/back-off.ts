import type { SchedulerOptions } from './types.ts'

/** Crashes in a row, without one request served between them, from which on a deployment backs off. */
export const crashesBeforeBackOff = 3

/** How long to wait after the `failures`th failure in a row (1, 2, ...): doubles each time, up to the maximum. */
export function backOffMs(
  failures: number,
  options: Required<Pick<SchedulerOptions, 'backOffMs' | 'maxBackOffMs'>>,
): number {
  return Math.min(options.maxBackOffMs, options.backOffMs * 2 ** Math.max(0, failures - 1))
}

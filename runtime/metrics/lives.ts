import type { KillReason } from '../scheduler/types.ts'
import { increment, type DeploymentCounts } from './counts.ts'

/** What is told of the lives of isolates, by the name of their deployment. */
export interface LifeReports {
  loading(name: string): void
  loaded(name: string, loadMs: number): void
  loadFailed(name: string): void
  /**
   * One that was loaded is ended.
   * @param ageMs since it became ready
   * @param idleMs since it was used last, or since it became ready
   */
  unloading(name: string, reason: KillReason, ageMs: number, idleMs: number): void
  /** One that was loaded ended by itself. */
  crashed(name: string): void
}

/** Counts the lives of isolates. */
export class LifeCounts implements LifeReports {
  readonly #countsOf: (name: string) => DeploymentCounts

  constructor(countsOf: (name: string) => DeploymentCounts) {
    this.#countsOf = countsOf
  }

  loading(name: string): void {
    const counts = this.#countsOf(name)
    counts.loads++
    if (counts.hasFallen) counts.restarts++
    counts.hasFallen = false
  }

  loaded(name: string, loadMs: number): void {
    this.#countsOf(name).loadTimes.addMs(loadMs)
  }

  loadFailed(name: string): void {
    this.#countsOf(name).loadFailures++
  }

  unloading(name: string, reason: KillReason, ageMs: number, idleMs: number): void {
    if (reason === 'failed') return
    const counts = this.#countsOf(name)
    increment(counts.unloads, reason)
    if (reason === 'memory' || reason === 'hung') counts.hasFallen = true
    if (reason !== 'evicted') return
    counts.evictionAges.addMs(ageMs)
    counts.evictionIdleTimes.addMs(idleMs)
  }

  crashed(name: string): void {
    const counts = this.#countsOf(name)
    increment(counts.unloads, 'crashed')
    counts.crashes++
    counts.hasFallen = true
  }
}

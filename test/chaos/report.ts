import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toMarkdown } from '../bench/table.ts'
import { projectRoot } from '../support/root.ts'

/** What became of one kind of harm. */
export interface ChaosResult {
  name: string
  rounds: number
  /** Counts and times worth telling, in words. */
  facts: string[]
  /** Empty: all was as it must be. */
  violations: string[]
  tookMs: number
}

/** What every kind is told. */
export interface ChaosOptions {
  seed: number
  rounds: number
  onRound?(round: number): void
}

/** All kinds in one table. */
export function toReport(results: ChaosResult[]): string {
  const rows = results.map(({ name, rounds, facts, violations, tookMs }) => [
    name,
    String(rounds),
    facts.join(', '),
    String(violations.length),
    `${(tookMs / 1000).toFixed(0)} s`,
  ])
  return toMarkdown(['harm', 'rounds', 'what happened', 'violations', 'took'], rows)
}

/** Keeps what Pellet logged until something was wrong. @returns where */
export function keepLog(name: string, log: string): string {
  const folder = join(projectRoot, 'test/out')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `chaos-${name}.log`)
  writeFileSync(file, log)
  return file
}

import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { CliError } from '../cli-error.ts'
import type { Measured } from './recorder.ts'

/** What `pellet bench --json` prints, `--save` writes and `--compare` reads. */
export interface BenchRecord {
  format: 'pellet bench 1'
  version: string
  /** When it began, ISO 8601. */
  at: string
  machine: { cpu: string; cores: number; memory_bytes: number; platform: string; node: string }
  deployment: string
  /** e.g. `POST /v1/detect` */
  route: string
  revision: string
  model: string
  engine: string
  /** sha256 over all that is sent, the host aside; hex. */
  request: { bytes: number; sha256: string }
  duration_s: number
  /** Ended before its time; the last run is then shorter than the others. */
  interrupted: boolean
  runs: BenchRun[]
}

/** One number of callers. Times are of the requests that were answered with 2xx. */
export interface BenchRun {
  concurrency: number
  answered: number
  failed: number
  from_cache: number
  per_second: number
  /** Standard deviation of `per_second` over the tenths of the run, as a share. */
  spread: number
  mean_ms: number
  p50_ms: number
  p90_ms: number
  p99_ms: number
  max_ms: number
  /** Means; `rest` is what no phase accounts for: HTTP, both ways through main. */
  phases_ms: Record<string, number>
  errors: Record<string, number>
  first_error?: string
}

export function toRun(concurrency: number, measured: Measured): BenchRun {
  const { answered, failed, perSecond, mean, phases, errors, firstError } = measured
  const inPhases = Object.values(phases).reduce((sum, ms) => sum + ms, 0)
  const hasPhases = answered > 0 && Object.keys(phases).length > 0
  const phasesMs: Record<string, number> = hasPhases ? { ...phases, rest: mean - inPhases } : {}
  return {
    concurrency,
    answered,
    failed,
    from_cache: measured.fromCache,
    per_second: rounded(perSecond),
    spread: rounded(measured.spread),
    mean_ms: rounded(mean),
    p50_ms: rounded(measured.p50),
    p90_ms: rounded(measured.p90),
    p99_ms: rounded(measured.p99),
    max_ms: rounded(measured.max),
    phases_ms: Object.fromEntries(Object.entries(phasesMs).map(([name, ms]) => [name, rounded(ms)])),
    errors,
    ...(firstError !== undefined && { first_error: firstError }),
  }
}

export function thisMachine(): BenchRecord['machine'] {
  const cores = cpus()
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memory_bytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  }
}

/** @throws CliError (1) for a file that cannot be read, (2) for another kind of file */
export async function readRecord(file: string): Promise<BenchRecord> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      `${file}: expected a file that can be read, found ${error.code === 'ENOENT' ? 'none' : error.message}`,
    )
  })
  let record: Partial<BenchRecord> | null = null
  try {
    record = JSON.parse(text) as Partial<BenchRecord> | null
  } catch {
    // Said below.
  }
  if (record?.format === 'pellet bench 1' && Array.isArray(record.runs)) return record as BenchRecord
  throw new CliError(`${file}: expected what pellet bench --save wrote, found something else`, 2)
}

// --- internal ---

/** To a thousandth: a microsecond. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}

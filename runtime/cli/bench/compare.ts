import type { BenchRecord, BenchRun } from './record.ts'

/** One number of callers, now and before. Ratios are now by before; above 1 is more. */
export interface Comparison {
  concurrency: number
  perSecond: number
  p50: number
  p90: number
  p99: number
  /** How far `perSecond` may be from 1 without a reason: what both runs vary within themselves, as a share. */
  noise: number
  verdict: 'faster' | 'slower' | 'within noise'
}

/** Compares the runs that both have with answers in them. */
export function compareRuns(now: BenchRun[], before: BenchRun[]): Comparison[] {
  return now.flatMap((run) => {
    const earlier = before.find(({ concurrency }) => concurrency === run.concurrency)
    if (!earlier || run.answered === 0 || earlier.answered === 0) return []
    const perSecond = run.per_second / earlier.per_second
    const noise = Math.max(leastNoise, Math.hypot(run.spread, earlier.spread))
    const verdict = Math.abs(Math.log(perSecond)) <= Math.log1p(noise) ? 'within noise' : verdictOf(perSecond)
    const ratio = (key: 'p50_ms' | 'p90_ms' | 'p99_ms') => run[key] / earlier[key]
    return [
      {
        concurrency: run.concurrency,
        perSecond,
        p50: ratio('p50_ms'),
        p90: ratio('p90_ms'),
        p99: ratio('p99_ms'),
        noise,
        verdict,
      },
    ]
  })
}

/** What differs between two records beside their speed, one line each. */
export function differences(now: BenchRecord, before: BenchRecord): string[] {
  const lines: string[] = []
  const look = (what: string, found: unknown, expected: unknown) => {
    if (found !== expected) lines.push(`another ${what}: ${String(found)}, before ${String(expected)}`)
  }
  look('deployment', now.deployment, before.deployment)
  look('route', now.route, before.route)
  look('model', now.model, before.model)
  look('engine', now.engine, before.engine)
  look('revision', now.revision, before.revision)
  if (now.request.sha256 !== before.request.sha256)
    lines.push(`another request: ${now.request.bytes} bytes, before ${before.request.bytes}`)
  look('machine', machineOf(now), machineOf(before))
  look('version of Node', now.machine.node, before.machine.node)
  look('version of Pellet', now.version, before.version)
  look('duration', `${now.duration_s} s`, `${before.duration_s} s`)
  if (before.interrupted) lines.push('the earlier one was interrupted')
  const missing = now.runs.filter((run) => !before.runs.some(({ concurrency }) => concurrency === run.concurrency))
  if (missing.length > 0)
    lines.push(`not measured before: ${missing.map(({ concurrency }) => concurrency).join(', ')} callers`)
  return lines
}

// --- internal ---

/** Runs of the same thing minutes apart differ by this much on a machine that is idle otherwise. */
const leastNoise = 0.05

function verdictOf(perSecond: number): 'faster' | 'slower' {
  return perSecond > 1 ? 'faster' : 'slower'
}

function machineOf({ machine }: BenchRecord): string {
  return `${machine.cpu}, ${machine.cores} cores, ${machine.platform}`
}

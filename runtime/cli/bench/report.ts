import { toTable } from '../table.ts'
import { compareRuns, differences } from './compare.ts'
import type { BenchRecord, BenchRun } from './record.ts'

/** What `pellet bench` prints for people. */
export function toReport(record: BenchRecord): string {
  const { runs } = record
  return [
    `${record.deployment}: ${record.route}, a request of ${record.request.bytes} bytes; ${record.model} on ${record.engine}, revision ${record.revision}`,
    toTable(['CALLERS', 'ANSWERED', 'PER SECOND', 'P50 MS', 'P90 MS', 'P99 MS', 'MAX MS', 'FAILED'], runs.map(toCells)),
    ...phaseTable(runs),
    ...notes(runs),
  ].join('\n\n')
}

/** What became of it since an earlier record. */
export function toComparison(now: BenchRecord, before: BenchRecord, file: string): string {
  const rows = compareRuns(now.runs, before.runs)
  const times = (ratio: number) => `${ratio.toFixed(2)}x`
  const cells = rows.map(({ concurrency, perSecond, p50, p90, p99, noise, verdict }) => [
    String(concurrency),
    ...[perSecond, p50, p90, p99].map(times),
    verdict === 'within noise' ? `within noise (±${percent(noise)})` : verdict,
  ])
  const table =
    rows.length === 0
      ? 'Nothing to compare: no number of callers was answered in both.'
      : toTable(['CALLERS', 'PER SECOND', 'P50', 'P90', 'P99', 'VERDICT'], cells)
  const other = differences(now, before)
  return [
    `Compared with ${file} of ${before.at.slice(0, 16).replace('T', ' ')} UTC (now by then; more per second and less ms is better):`,
    table,
    ...(other.length > 0 ? [other.map((line) => `- ${line}`).join('\n')] : []),
    'The noise is what both runs vary within themselves. What else the machine does between two runs is not in it: for a small difference, run both again, in turns.',
  ].join('\n\n')
}

// --- internal ---

/** In the order of a request's life; others behind them. */
const phaseOrder = ['queue', 'load', 'receive', 'pre', 'wait', 'infer', 'post', 'call']

function toCells(run: BenchRun): string[] {
  const times = [run.p50_ms, run.p90_ms, run.p99_ms, run.max_ms].map((ms) => (run.answered === 0 ? '-' : toMs(ms)))
  const failed = Object.entries(run.errors).map(([code, count]) => `${code} ${count}`)
  return [
    String(run.concurrency),
    String(run.answered),
    run.per_second.toFixed(run.per_second < 100 ? 1 : 0),
    ...times,
    failed.join(', ') || '-',
  ]
}

function phaseTable(runs: BenchRun[]): string[] {
  const found = new Set(runs.flatMap(({ phases_ms }) => Object.keys(phases_ms)))
  if (found.size === 0) return []
  const names = phaseOrder.filter((name) => found.has(name))
  names.push(...[...found].filter((name) => !names.includes(name) && name !== 'rest'), 'rest')
  const rows = runs
    .filter(({ answered }) => answered > 0)
    .map(({ concurrency, phases_ms }) => [String(concurrency), ...names.map((name) => toMs(phases_ms[name] ?? 0))])
  const headings = ['CALLERS', ...names.map((name) => name.toUpperCase())]
  return [`Mean ms by phase; REST is HTTP, both ways through main.\n${toTable(headings, rows)}`]
}

function notes(runs: BenchRun[]): string[] {
  const lines: string[] = []
  const first = runs.find(({ first_error }) => first_error !== undefined)
  if (first) lines.push(`The first that failed: ${first.first_error}`)
  const hits = runs.reduce((sum, { from_cache }) => sum + from_cache, 0)
  const answered = runs.reduce((sum, run) => sum + run.answered, 0)
  if (hits > 0)
    lines.push(
      `${percent(hits / answered)} of the answers were kept results (X-Cache: hit); -H 'Cache-Control: no-store' measures the function.`,
    )
  return lines
}

function toMs(ms: number): string {
  return ms.toFixed(ms < 10 ? 2 : 1)
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

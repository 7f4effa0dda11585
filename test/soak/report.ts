import { toMarkdown } from '../bench/table.ts'
import { deploymentOf, names } from './project.ts'
import type { Answered, SoakResult } from './storm.ts'

export interface Percentiles {
  p50: number
  p90: number
  p99: number
}

/** Answered well, by the function itself. */
export function isServed({ code }: Answered): boolean {
  return code === 'ok'
}

export function percentiles(values: number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

/** The run in two tables and a few lines. */
export function toReport(result: SoakResult): string {
  const { answered, samples, mainBytes, disturbances, tookMs, loads, evictions, crashes } = result
  const rows = [...names, undefined].map((name) => {
    const own = answered.filter(({ planned }) => name === undefined || planned.deployment === name)
    const served = own.filter(isServed).map((one) => one.tookMs)
    const { p50, p90, p99 } = percentiles(served)
    const count = (code: string) => String(own.filter((one) => one.code === code).length)
    const refused = own.length - served.length - Number(count('left')) - Number(count('cut'))
    const times = [p50, p90, p99, Math.max(...served)].map((value) => value.toFixed(0))
    const keepAlive = name === undefined ? '' : deploymentOf(name).keepAlive
    return [
      name ?? 'all',
      keepAlive,
      String(own.length),
      String(served.length),
      String(refused),
      count('left'),
      count('cut'),
      ...times,
    ]
  })
  const headings = [
    'deployment',
    'keep_alive',
    'requests',
    'served',
    'refused',
    'left',
    'cut',
    'p50 ms',
    'p90 ms',
    'p99 ms',
    'max ms',
  ]
  const done = Object.entries({ ...disturbances, ...faultsIn(answered) }).map(([what, count]) => `${count} ${what}`)
  const most = (key: 'isolateBytes' | 'mainBytes' | 'isolates') => Math.max(...samples.map((one) => one[key]))
  return [
    toMarkdown(headings, rows),
    '',
    toMarkdown(['refused with', 'requests'], codesIn(answered)),
    '',
    `${answered.length} requests in ${(tookMs / 1000).toFixed(0)} s; ${loads} loads, ${evictions} evictions, ${crashes} crashes; beside them ${done.join(', ')}.`,
    `Isolates: at most ${most('isolates')} processes and ${megabytes(most('isolateBytes'))} of PSS, ${megabytes(meanOf(samples.map((one) => one.isolateBytes)))} on average.`,
    `Main (RSS): ${megabytes(mainBytes.start)} at the start, at most ${megabytes(most('mainBytes'))}, ${megabytes(mainBytes.end)} at the end.`,
  ].join('\n')
}

// --- internal ---

function codesIn(answered: Answered[]): string[][] {
  const counts = new Map<string, number>()
  for (const { code, status } of answered)
    if (status >= 400) counts.set(`${status} ${code}`, (counts.get(`${status} ${code}`) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, count]) => [code, String(count)])
}

function faultsIn(answered: Answered[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { planned } of answered) if (planned.fault) counts[planned.fault] = (counts[planned.fault] ?? 0) + 1
  return counts
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`
}

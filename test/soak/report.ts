import { toMarkdown } from '../bench/table.ts'
import { deploymentOf, names } from './project.ts'
import type { Answered, SoakResult } from './storm.ts'

export interface Percentiles {
  p50: number
  p90: number
  p99: number
}

/** Answered well, to a caller who waited: what is fetched later, and batches, have no deadline as a whole. */
export function isServed({ code, planned }: Answered): boolean {
  return code === 'ok' && !planned.later && !planned.batch
}

export function percentiles(values: number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

/** The run in two tables and a few lines. */
export function toReport(result: SoakResult): string {
  const { answered, samples, mainBytes, incidents, tookMs, loads, evictions, crashes } = result
  const isDirect = ({ planned }: Answered) => !planned.later && !planned.batch
  const groups: [string, string, Answered[]][] = [
    ...names.map((name): [string, string, Answered[]] => [
      name,
      deploymentOf(name).keepAlive,
      answered.filter((one) => isDirect(one) && one.planned.deployment === name),
    ]),
    ['later', '', answered.filter(({ planned }) => planned.later && !planned.batch)],
    ['batches', '', answered.filter(({ planned }) => planned.batch)],
  ]
  const rows = groups.map(([name, keepAlive, own]) => {
    const served = own.filter(({ code }) => code === 'ok').map((one) => one.tookMs)
    const { p50, p90, p99 } = percentiles(served)
    const count = (code: string) => own.filter((one) => one.code === code).length
    const refused = own.length - served.length - count('left') - count('cut')
    const counts = [own.length, served.length, refused, count('left'), count('cut')].map(String)
    return [name, keepAlive, ...counts, ...[p50, p90, p99, Math.max(...served)].map((value) => value.toFixed(0))]
  })
  const headings = [
    'requests to',
    'keep_alive',
    'all',
    'served',
    'refused',
    'left',
    'cut',
    'p50 ms',
    'p90 ms',
    'p99 ms',
    'max ms',
  ]
  const done = countsOf(incidents.map(({ what }) => what)).map(([what, count]) => `${count} ${what}`)
  const busy = samples.filter(({ isolates }) => isolates > 0)
  const most = (key: 'isolateBytes' | 'mainBytes' | 'isolates') => Math.max(...samples.map((one) => one[key]))
  return [
    toMarkdown(headings, rows),
    '',
    toMarkdown(['refused with', 'requests'], codesIn(answered)),
    '',
    `${answered.length} requests in ${(tookMs / 1000).toFixed(0)} s; ${loads} loads, ${evictions} evictions, ${crashes} crashes; beside them ${done.join(', ')}.`,
    `Isolates: at most ${most('isolates')} processes and ${megabytes(most('isolateBytes'))} of PSS; on average ${meanOf(busy.map((one) => one.isolates)).toFixed(1)} processes, ${meanOf(busy.map((one) => one.ready)).toFixed(1)} of them ready, and ${megabytes(meanOf(busy.map((one) => one.isolateBytes)))}.`,
    `Main (RSS): ${megabytes(mainBytes.start)} at the start, at most ${megabytes(most('mainBytes'))}, ${megabytes(mainBytes.end)} at the end.`,
  ].join('\n')
}

// --- internal ---

function codesIn(answered: Answered[]): string[][] {
  return countsOf(answered.flatMap(({ code, status }) => (status >= 400 ? [`${status} ${code}`] : [])))
}

/** How often each is there, in the order of the alphabet. */
function countsOf(list: string[]): [string, string][] {
  const counts = new Map<string, number>()
  for (const one of list) counts.set(one, (counts.get(one) ?? 0) + 1)
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([one, count]) => [one, String(count)])
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`
}

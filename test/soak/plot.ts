import { names } from './project.ts'
import { isServed, percentiles, type Percentiles } from './report.ts'
import type { Answered, SoakResult } from './storm.ts'
import { axes, chart, document, heading, ink, latencyAxis, legend, linearAxis, muted, place, text } from './svg.ts'
import type { Axis, Box } from './svg.ts'

const shades = { p50: '#86b6ef', p90: '#3987e5', p99: '#184f95' }
const megabyte = 2 ** 20
const width = 1080
const tickRowHeight = 15

/** What a soak run was like, as a picture: latencies of what was served, by deployment and over time, memory, and how much was loaded. */
export function plotSoak(result: SoakResult, title: string, budgetBytes: number): string {
  const { answered, samples, incidents } = result
  const served = answered.filter(isServed)
  const endMs = Math.max(...samples.map(({ atMs }) => atMs), ...answered.map(({ atMs }) => atMs))
  const time = linearAxis(endMs / 1000, ' s', false)
  const box = (top: number, height: number): Box => ({ left: 90, top, width: width - 130, height })
  const points = (of: (sample: SoakResult['samples'][0]) => number) =>
    samples.map((sample): [number, number] => [sample.atMs / 1000, of(sample)])

  const windows = inWindows(served, endMs)
  const slowest = Math.max(...served.map(({ tookMs }) => tookMs))
  const over = chart(
    box(440, 170),
    'Latency over time',
    time,
    latencyAxis(slowest),
    (['p50', 'p90', 'p99'] as const).map((name) => ({
      name,
      colour: shades[name],
      points: windows.map(({ atS, ...values }): [number, number] => [atS, values[name]]),
    })),
  )
  const most = Math.max(
    budgetBytes,
    ...samples.flatMap(({ isolateBytes, countedBytes }) => [isolateBytes, countedBytes]),
  )
  const memory = chart(box(690, 170), 'Memory', time, linearAxis(most / megabyte, ' MB'), [
    { name: 'isolates, PSS together', colour: '#eb6834', points: points((one) => one.isolateBytes / megabyte) },
    { name: 'as Pellet counts them', colour: '#1baf7a', points: points((one) => one.countedBytes / megabyte) },
    { name: 'main, RSS', colour: '#2a78d6', points: points((one) => one.mainBytes / megabyte) },
    {
      name: 'budget',
      colour: muted,
      isDashed: true,
      points: [
        [0, budgetBytes / megabyte],
        [time.most, budgetBytes / megabyte],
      ],
    },
  ])
  const processes = Math.max(...samples.map(({ isolates }) => isolates))
  const loaded = chart(box(940, 110), 'Isolates', time, linearAxis(processes, ''), [
    { name: 'processes', colour: '#eb6834', isStep: true, points: points((one) => one.isolates) },
    { name: 'ready', colour: '#2a78d6', isStep: true, points: points((one) => one.ready) },
  ])
  const kinds = [...new Set(incidents.map(({ what }) => what))].sort()
  const parts = [
    text(90, 34, title, `font-size="16" font-weight="600" fill="${ink}"`),
    byDeployment(box(84, 290), served, latencyAxis(slowest)),
    over,
    memory,
    loaded,
    ticksOf(box(1100, tickRowHeight * kinds.length), kinds, incidents, time),
  ]
  return document(width, 1120 + tickRowHeight * kinds.length, parts)
}

// --- internal ---

/** One row for each deployment: a line from the median to the 99th percentile, and a dot for each of the three. */
function byDeployment(box: Box, served: Answered[], x: Axis): string {
  const { left, top, height } = box
  const rowHeight = height / names.length
  const rows = names.map((name, row) => {
    const times = served.filter(({ planned }) => planned.deployment === name).map(({ tookMs }) => tookMs)
    const y = top + rowHeight * (row + 0.5)
    const label = text(left - 8, y + 4, name, `fill="${ink}" text-anchor="end"`)
    if (times.length === 0) return label
    const values = percentiles(times)
    const at = (value: number) => place(x, value, left, box.width)
    const dots = (['p50', 'p90', 'p99'] as const).map(
      (key) => `<circle cx="${at(values[key])}" cy="${y}" r="5" fill="${shades[key]}" stroke="#fff"/>`,
    )
    const range = `<path d="M${at(values.p50)} ${y}H${at(values.p99)}" stroke="#cde2fb" stroke-width="4"/>`
    return label + range + dots.join('')
  })
  const lines = (['p50', 'p90', 'p99'] as const).map((name) => ({ name, colour: shades[name] }))
  const nothing: Axis = { least: 0, most: 1, ticks: [] }
  const title = 'Latency by deployment, waiting and loading included'
  return [heading(box, title), axes(box, x, nothing), legend(box, lines), ...rows].join('\n')
}

/** When what was done beside the requests; one row for each kind. */
function ticksOf(box: Box, kinds: string[], incidents: SoakResult['incidents'], x: Axis): string {
  return kinds
    .map((kind, row) => {
      const y = box.top + tickRowHeight * (row + 0.5)
      const marks = incidents
        .filter(({ what }) => what === kind)
        .map(
          ({ atMs }) =>
            `M${place(x, atMs / 1000, box.left, box.width)} ${y - tickRowHeight * 0.35}v${tickRowHeight * 0.7}`,
        )
      const label = text(box.left - 8, y + 4, kind, `font-size="11" fill="${muted}" text-anchor="end"`)
      return `${label}<path d="${marks.join('')}" stroke="${ink}" stroke-width="1.5"/>`
    })
    .join('\n')
}

/** Percentiles of some sixty windows of equal length; windows without an answer are left out. */
function inWindows(answered: Answered[], endMs: number): ({ atS: number } & Percentiles)[] {
  const lengthMs = Math.max(1000, endMs / 60)
  const windows = new Map<number, number[]>()
  for (const { atMs, tookMs } of answered) {
    const window = Math.floor(atMs / lengthMs)
    windows.set(window, [...(windows.get(window) ?? []), tookMs])
  }
  return [...windows]
    .sort(([a], [b]) => a - b)
    .map(([window, times]) => ({ atS: ((window + 0.5) * lengthMs) / 1000, ...percentiles(times) }))
}

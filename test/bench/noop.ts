import { readFileSync, readdirSync } from 'node:fs'
import { identityModel } from '../deployments/tiny.ts'
import { RunningPellet } from '../support/pellet.ts'
import { echoOf, ms, type Bench } from './context.ts'
import { load, type Measured, type Target } from './load.ts'
import { toMarkdown } from './table.ts'

const callers = 16

/** A function that does nothing with a model that does nothing, JSON in and out: what a request costs at all. */
export async function benchNoop(yardstick: Omit<Bench, 'pellet'>, echoPid: number): Promise<void> {
  const pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/noop.ts': noop(''),
    'functions/wide.ts': noop(`limits: { concurrency: ${callers} }`),
  })
  try {
    const bench: Bench = { ...yardstick, pellet }
    const body = Buffer.from(JSON.stringify({ x: [0.1, 0.2, 0.3, 0.4] }))
    const targetOf = (name: string): Target => ({
      url: `${pellet.url}/f/${name}`,
      headers: { 'content-type': 'application/json' },
      body,
    })
    const echo = echoOf(bench, targetOf('noop'))
    const count = Math.ceil(20_000 * bench.scale)
    for (const target of [echo, targetOf('noop'), targetOf('wide')]) await load(target, callers, count)
    const measure = (target: Target, pids: Record<string, number>) =>
      withCosts({ ...pids, 'load generator': process.pid }, () => load(target, callers, count))
    const pidsOf = async (name: string) => ({ main: pellet.pid, isolate: (await pellet.row(name)).pid! })
    const [noopPids, widePids] = [await pidsOf('noop'), await pidsOf('wide')]
    // Taken in turns, so that a noisy minute of the machine falls on all.
    const rounds: { echo: Cost; noop: Cost; wide: Cost }[] = []
    for (let i = 0; i < (bench.quick ? 3 : 9); i++)
      rounds.push({
        echo: await measure(echo, { echo: echoPid }),
        noop: await measure(targetOf('noop'), noopPids),
        wide: await measure(targetOf('wide'), widePids),
      })
    const rowOf = (title: string, name: 'echo' | 'noop' | 'wide') => {
      const ratios = rounds.map((round) => round[name].measured.perSecond / round.echo.measured.perSecond)
      ratios.sort((a, b) => a - b)
      const shown = `${percent(middleOf(ratios))} (${percent(ratios[0]!)} to ${percent(ratios.at(-1)!)})`
      const { p50, p99, perSecond } = middleOf(
        rounds.map((round) => round[name].measured).sort((a, b) => a.perSecond - b.perSecond),
      )
      const costs = Object.keys(rounds[0]![name].costs).map((process) => {
        const values = rounds.map((round) => round[name].costs[process]!)
        return `${process} ${middleOf(values.sort((a, b) => a - b)).toFixed(0)}`
      })
      return [title, perSecond.toFixed(0), name === 'echo' ? '' : shown, ms(p50), ms(p99), costs.join(', ')]
    }
    console.log(
      `\nA function that does nothing (${body.length} bytes of JSON in and out), ${callers} callers; medians of ${rounds.length} rounds.\n`,
    )
    console.log(
      toMarkdown(headings, [
        rowOf('h3 + listhen echo', 'echo'),
        rowOf('Pellet', 'noop'),
        rowOf(`Pellet, limits.concurrency: ${callers}`, 'wide'),
      ]),
    )
  } finally {
    await pellet.stop()
  }
}

// --- internal ---

const headings = ['server', 'per second', 'of the echo', 'p50 ms', 'p99 ms', 'processor µs for a request']

interface Cost {
  measured: Measured
  /** Processor time by process, in microseconds for each request. */
  costs: Record<string, number>
}

const noop = (manifest: string) => `
import { defineFunction, step } from 'pellet'

export default defineFunction({
  manifest: { model: { onnx: 'identity.onnx' }, pre: ['take'], post: ['give'], keep_alive: -1, ${manifest} },
  steps: {
    take: step.request(({ fields }) => ({ x: { type: 'float32', dims: [1, 4], data: Float32Array.from(fields.x) } })),
    give: step.outputs((out) => ({ y: Array.from(out.y.data) })),
  },
})
`

async function withCosts(pids: Record<string, number>, run: () => Promise<Measured>): Promise<Cost> {
  const before = Object.values(pids).map(cpuMs)
  const measured = await run()
  const costs = Object.entries(pids).map(([name, pid], i) => [
    name,
    ((cpuMs(pid) - before[i]!) * 1000) / measured.answered,
  ])
  return { measured, costs: Object.fromEntries(costs) as Record<string, number> }
}

function middleOf<Value>(sorted: Value[]): Value {
  return sorted[Math.floor(sorted.length / 2)]!
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(0)} %`
}

/** Processor time of a process and its threads so far. */
function cpuMs(pid: number): number {
  let ms = 0
  for (const task of readdirSync(`/proc/${pid}/task`))
    // The first number: nanoseconds on a processor (Documentation/scheduler/sched-stats.rst).
    ms += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6
  return ms
}

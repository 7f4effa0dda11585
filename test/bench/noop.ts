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
    'functions/noop.ts': noop,
  })
  try {
    const bench: Bench = { ...yardstick, pellet }
    const body = Buffer.from(JSON.stringify({ x: [0.1, 0.2, 0.3, 0.4] }))
    const target: Target = { url: `${pellet.url}/v1/noop`, headers: { 'content-type': 'application/json' }, body }
    const echo = echoOf(bench, target)
    const count = Math.ceil(30_000 * bench.scale)
    await load(target, callers, count)
    await load(echo, callers, count)
    const { pid: isolatePid } = await pellet.row('noop')
    const pids = { main: pellet.pid, isolate: isolatePid!, 'load generator': process.pid }
    // Taken in turns, so that a noisy minute of the machine falls on both.
    const rounds: Round[] = []
    for (let i = 0; i < (bench.quick ? 3 : 9); i++) {
      const bare = await withShares({ echo: echoPid, 'load generator': process.pid }, () => load(echo, callers, count))
      rounds.push({ echo: bare, pellet: await withShares(pids, () => load(target, callers, count)) })
    }
    const ratioOf = ({ echo, pellet }: Round) => pellet.measured.perSecond / echo.measured.perSecond
    rounds.sort((a, b) => ratioOf(a) - ratioOf(b))
    const middle = rounds[Math.floor(rounds.length / 2)]!
    const percent = (ratio: number) => `${(ratio * 100).toFixed(0)} %`
    console.log(
      `\nThe no-op function (POST /v1/noop, ${body.length} bytes of JSON), ${callers} callers: ${percent(ratioOf(middle))} of the bare echo's requests per second, the median of ${rounds.length} rounds (${percent(ratioOf(rounds[0]!))} to ${percent(ratioOf(rounds.at(-1)!))}).\n`,
    )
    const row = (name: string, { measured, shares }: Share) => [
      name,
      measured.perSecond.toFixed(0),
      ...[measured.p50, measured.p99].map(ms),
      Object.entries(shares)
        .map(([process, share]) => `${process} ${percent(share)}`)
        .join(', '),
    ]
    console.log(
      toMarkdown(
        ['server', 'per second', 'p50 ms', 'p99 ms', 'processor time, % of a core'],
        [row('h3 + listhen echo', middle.echo), row('Pellet, no-op', middle.pellet)],
      ),
    )
  } finally {
    await pellet.stop()
  }
}

// --- internal ---

interface Share {
  measured: Measured
  /** Of one core, by process. */
  shares: Record<string, number>
}

interface Round {
  echo: Share
  pellet: Share
}

const noop = `
import { defineFunction, step } from 'pellet'

export default defineFunction({
  manifest: { route: 'POST /v1/noop', model: { onnx: 'identity.onnx' }, pre: ['take'], post: ['give'], keep_alive: -1 },
  steps: {
    take: step.request(({ fields }) => ({ x: { type: 'float32', dims: [1, 4], data: Float32Array.from(fields.x) } })),
    give: step.outputs((out) => ({ y: Array.from(out.y.data) })),
  },
})
`

async function withShares(pids: Record<string, number>, run: () => Promise<Measured>): Promise<Share> {
  const before = Object.values(pids).map(cpuMs)
  const startedAt = performance.now()
  const measured = await run()
  const elapsedMs = performance.now() - startedAt
  const shares = Object.entries(pids).map(([name, pid], i) => [name, (cpuMs(pid) - before[i]!) / elapsedMs])
  return { measured, shares: Object.fromEntries(shares) as Record<string, number> }
}

/** Processor time of a process and its threads so far. */
function cpuMs(pid: number): number {
  let ms = 0
  for (const task of readdirSync(`/proc/${pid}/task`))
    // The first number: nanoseconds on a processor (Documentation/scheduler/sched-stats.rst).
    ms += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6
  return ms
}

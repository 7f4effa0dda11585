// @not-a-test: `npm run bench` prints what Pellet adds to a model's own time, beside yardsticks taken in the same run.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { RunningPellet } from '../support/pellet.ts'
import { childrenOf, rssOf, until } from '../support/process.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData } from '../support/shared.ts'
import { megabytes, type Bench } from './context.ts'
import { benchDepth, depthModel, depthTarget, photosOf } from './depth.ts'
import { openBare } from './engine.ts'
import { benchJson } from './json.ts'
import { call } from './load.ts'
import { benchNoop } from './noop.ts'
import { benchNpu } from './npu.ts'
import { toMarkdown } from './table.ts'
import { benchVision } from './vision.ts'

const quick = process.argv.includes('--quick')
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length)

console.log(
  `\nPellet bench: ${cpus()[0]!.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${process.platform} ${process.arch}\n`,
)
const echo = fork(join(import.meta.dirname, 'echo-server.js'))
const [port] = (await once(echo, 'message')) as [number]
const yardstick = { echoUrl: `http://127.0.0.1:${port}/echo`, quick, scale: quick ? 0.1 : 1 }
if (only === undefined) await benchAll()
else if (only === 'vision') await benchVision(yardstick)
else if (only === 'noop') await benchNoop(yardstick, echo.pid!)
else if (only === 'npu') await benchNpu(yardstick)
else console.error(`--only: expected vision, noop or npu, found ${only}`)
echo.kill()

// --- internal ---

async function benchAll(): Promise<void> {
  const folder = temporaryFolder()
  for (const name of ['functions', 'manifests', 'models']) symlinkSync(join(projectRoot, name), join(folder, name))
  mkdirSync(join(folder, '.pellet'))
  const firstStart = await startTime(folder)
  const laterStarts = [await startTime(folder), await startTime(folder), await startTime(folder)].sort((a, b) => a - b)
  const pellet = await RunningPellet.start(folder, [], { PELLET_LOG_LEVEL: 'info' })
  await until(async () => (await pellet.fetch('/health/ready')).status === 200, 'ready')
  await pellet.cli('unload', 'tcn')
  await until(() => childrenOf(pellet.pid).length === 0, 'no isolate')
  const idleBytes = await settledRss(pellet)

  const bench: Bench = { ...yardstick, pellet }
  const photos = await photosOf(
    sharedData('images/street_road1.jpg') ?? join(projectRoot, 'models/samples/street_1.jpg'),
  )
  const cold = await coldCall(bench, photos[0]!.jpeg)
  const engine = await openBare(depthModel)
  await benchJson(bench)
  await benchDepth(bench, engine, photos)

  const loadedBytes = rssOf(pellet.pid)
  const isolates = Object.values(await pellet.ps()).filter((row) => row.pid !== null)
  for (const name of ['depth', 'tcn']) await pellet.cli('unload', name)
  await until(() => childrenOf(pellet.pid).length === 0, 'no isolate')
  // Main tidies up a second after the last isolate has gone.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const afterBytes = await settledRss(pellet)
  await pellet.stop()
  await benchNoop(yardstick, echo.pid!)
  await benchVision(yardstick)
  await benchNpu(yardstick)

  const rows = [
    ['start to ready, tcn preloaded, first time (nothing remembered)', `${firstStart.toFixed(0)} ms`],
    ['start to ready, tcn preloaded, later', `${laterStarts[1]!.toFixed(0)} ms`],
    [
      'cold call of depth (1.2 MB model)',
      `${cold.totalMs.toFixed(0)} ms, of which load ${cold.loadMs.toFixed(0)} ms; the engine alone opens the model in ${engine.openMs.toFixed(0)} ms`,
    ],
    ['main process, idle (RSS)', megabytes(idleBytes)],
    ['main process, after the load (RSS)', megabytes(loadedBytes)],
    ['isolates while loaded (PSS)', isolates.map((row) => megabytes(row.memory_bytes)).join(', ')],
    ['main process, all unloaded (RSS)', megabytes(afterBytes)],
  ]
  console.log('\nStart, cold call, memory.\n')
  console.log(toMarkdown(['what', 'value'], rows))
}

async function startTime(folder: string): Promise<number> {
  const at = performance.now()
  const started = await RunningPellet.start(folder)
  await until(async () => (await started.fetch('/health/ready')).status === 200, 'ready')
  const took = performance.now() - at
  await started.stop()
  return took
}

/** The middle one of three. */
async function coldCall(bench: Bench, jpeg: Buffer): Promise<{ totalMs: number; loadMs: number }> {
  const { pellet } = bench
  const colds: { totalMs: number; loadMs: number }[] = []
  for (let i = 0; i < 3; i++) {
    const at = performance.now()
    const phases = await call(depthTarget(bench, jpeg, 'numpy'))
    colds.push({ totalMs: performance.now() - at, loadMs: phases['load'] ?? 0 })
    await pellet.cli('unload', 'depth')
    await until(() => childrenOf(pellet.pid).length === 0, 'no isolate')
  }
  return colds.sort((a, b) => a.totalMs - b.totalMs)[1]!
}

/** The median of two seconds. */
async function settledRss({ pid }: RunningPellet): Promise<number> {
  const seen: number[] = []
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    seen.push(rssOf(pid))
  }
  return seen.sort((a, b) => a - b)[5]!
}

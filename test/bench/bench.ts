// @not-a-test: `npm run bench` prints what Pellet adds to a model's own time, beside yardsticks taken in the same run.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, mkdirSync, symlinkSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import '../support/no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import sharp from 'sharp'
import { RunningPellet } from '../support/pellet.ts'
import { childrenOf, rssOf, until } from '../support/process.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData } from '../support/shared.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { call, load, median, type Measured, type Target } from './load.ts'
import { toMarkdown } from './table.ts'

const quick = process.argv.includes('--quick')
const concurrencies = [1, 4, 16]
const scale = quick ? 0.1 : 1
const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`
const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1)

console.log(
  `\nPellet bench: ${cpus()[0]!.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${process.platform} ${process.arch}\n`,
)

const folder = temporaryFolder()
for (const name of ['functions', 'manifests', 'models']) symlinkSync(join(projectRoot, name), join(folder, name))
mkdirSync(join(folder, '.pellet'))

// --- start and memory ---
const firstStart = await startTime()
const laterStarts = [await startTime(), await startTime(), await startTime()].sort((a, b) => a - b)
const pellet = await RunningPellet.start(folder, [], { PELLET_LOG_LEVEL: 'info' })
await until(async () => (await pellet.fetch('/health/ready')).status === 200, 'ready')
await pellet.cli('unload', 'tcn')
await until(() => childrenOf(pellet.pid).length === 0, 'no isolate')
const idleBytes = await settledRss()

// --- what is sent ---
const window = readFileSync(join(projectRoot, 'models/samples/imu_walk.json'))
const photo = sharedData('images/street_road1.jpg') ?? join(projectRoot, 'models/samples/street_1.jpg')
const tcn: Target = { url: `${pellet.url}/infer`, headers: { 'content-type': 'application/json' }, body: window }
const pictures = [
  { size: '640x480', jpeg: await sharp(photo).resize(640, 480, { fit: 'fill' }).jpeg({ quality: 90 }).toBuffer() },
  { size: '1920x1080', jpeg: await sharp(photo).resize(1920, 1080, { fit: 'fill' }).jpeg({ quality: 90 }).toBuffer() },
]

// --- cold call ---
const depthTarget = (jpeg: Buffer, format: string): Target => ({
  url: `${pellet.url}/v1/depth/estimate?output_format=${format}`,
  headers: { 'content-type': 'image/jpeg' },
  body: jpeg,
})
const coldTarget = depthTarget(pictures[0]!.jpeg, 'numpy')
const colds: { total: number; phases: Record<string, number> }[] = []
for (let i = 0; i < 3; i++) {
  const at = performance.now()
  const phases = await call(coldTarget)
  colds.push({ total: performance.now() - at, phases })
  await pellet.cli('unload', 'depth')
  await until(() => childrenOf(pellet.pid).length === 0, 'no isolate')
}
const cold = colds.sort((a, b) => a.total - b.total)[1]!

// --- engine alone, in this process, one thread ---
const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 as const }
const openAt = performance.now()
const depthSession = await ort.InferenceSession.create(join(projectRoot, 'models/depth.onnx'), options)
const openMs = performance.now() - openAt
const tcnSession = await ort.InferenceSession.create(join(projectRoot, 'models/tcn.onnx'), options)
const depthFeed = {
  [depthSession.inputNames[0]!]: new ort.Tensor('float32', new Float32Array(3 * 256 * 320), [1, 3, 256, 320]),
}
const tcnFeed = { [tcnSession.inputNames[0]!]: new ort.Tensor('float32', new Float32Array(900), [1, 100, 9]) }
await median(20, () => depthSession.run(depthFeed))
const depthEngine = await median(quick ? 10 : 60, () => depthSession.run(depthFeed))
const tcnEngine = await median(quick ? 50 : 1000, () => tcnSession.run(tcnFeed))

// --- tensor route against a bare echo ---
const echo = fork(join(import.meta.dirname, 'echo-server.js'))
const [port] = (await once(echo, 'message')) as [number]
const echoTarget: Target = { ...tcn, url: `http://127.0.0.1:${port}/echo` }
await load(echoTarget, 4, 2000 * scale)
await load(tcn, 4, 2000 * scale)
const jsonRows: string[][] = []
for (const concurrency of concurrencies) {
  const count = Math.ceil(4000 * scale)
  // Taken in turns, so that a noisy minute of the machine falls on both.
  const rounds: { echo: Measured; pellet: Measured }[] = []
  for (let round = 0; round < 3; round++)
    rounds.push({ echo: await load(echoTarget, concurrency, count), pellet: await load(tcn, concurrency, count) })
  const middle = rounds.sort((a, b) => a.pellet.p50 / a.echo.p50 - b.pellet.p50 / b.echo.p50)[1]!
  const beyond = middle.pellet.p50 - tcnEngine
  jsonRows.push([
    String(concurrency),
    ms(middle.echo.p50),
    ms(middle.pellet.p50),
    ms(middle.pellet.p99),
    ms(beyond),
    `${(beyond / middle.echo.p50).toFixed(2)}`,
    middle.echo.perSecond.toFixed(0),
    middle.pellet.perSecond.toFixed(0),
  ])
}
// --- depth ---
const depthRows: string[][] = []
const ownRows: string[][] = []
for (const { size, jpeg } of pictures) {
  const [width, height] = size.split('x').map(Number) as [number, number]
  const decodeMs = await median(quick ? 5 : 15, () => sharp(jpeg).resize(320, 256, { fit: 'fill' }).raw().toBuffer())
  const raw = await sharp(jpeg).raw().toBuffer()
  const pngMs = await median(quick ? 3 : 10, () =>
    sharp(raw, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 1 })
      .toBuffer(),
  )
  ownRows.push([size, ms(decodeMs), ms(pngMs)])
  for (const format of ['numpy', 'image', 'both']) {
    for (const concurrency of concurrencies) {
      const target = depthTarget(jpeg, format)
      await load(target, concurrency, concurrency)
      const { p50, p99, perSecond } = await load(
        target,
        concurrency,
        Math.max(concurrency * 2, Math.ceil((size === '640x480' ? 80 : 24) * scale)),
      )
      const bare = await load(
        { url: echoTarget.url, headers: target.headers, body: jpeg },
        concurrency,
        Math.max(concurrency * 2, Math.ceil(40 * scale)),
      )
      depthRows.push([
        size,
        format,
        String(concurrency),
        ms(bare.p50),
        ms(p50),
        ms(p99),
        ms(p50 - depthEngine),
        perSecond.toFixed(1),
      ])
    }
  }
}

echo.kill()

// --- memory after ---
const loadedBytes = rssOf(pellet.pid)
const isolates = Object.values(await pellet.ps()).filter((row) => row.pid !== null)
const isolateBytes = isolates.map((row) => row.memory_bytes)
for (const name of ['depth', 'tcn']) await pellet.cli('unload', name)
await until(() => childrenOf(pellet.pid).length === 0, 'no isolate')
// Main tidies up a second after the last isolate has gone.
await new Promise((resolve) => setTimeout(resolve, 1500))
const afterBytes = await settledRss()
await pellet.stop()

console.log(`Tensor route, ${window.length} bytes of JSON (POST /infer); the engine alone takes ${ms(tcnEngine)} ms.\n`)
console.log(
  toMarkdown(
    [
      'callers',
      'h3 echo p50 ms',
      'Pellet p50 ms',
      'p99 ms',
      'beyond the engine, p50 ms',
      'of the echo',
      'echo/s',
      'Pellet/s',
    ],
    jsonRows,
  ),
)
console.log(`\nDepth (POST /v1/depth/estimate, raw JPEG, JSON answer); the engine alone takes ${ms(depthEngine)} ms.\n`)
console.log(
  toMarkdown(
    [
      'picture',
      'output',
      'callers',
      'h3 echo p50 ms',
      'Pellet p50 ms',
      'p99 ms',
      'beyond the engine, p50 ms',
      'Pellet/s',
    ],
    depthRows,
  ),
)
console.log('\nsharp alone, for comparison: decoding to 320x256, and writing an RGB PNG of the picture.\n')
console.log(toMarkdown(['picture', 'decode ms', 'PNG ms'], ownRows))
console.log('\nStart, cold call, memory.\n')
console.log(
  toMarkdown(
    ['what', 'value'],
    [
      ['start to ready, tcn preloaded, first time (nothing remembered)', `${firstStart.toFixed(0)} ms`],
      ['start to ready, tcn preloaded, later', `${laterStarts[1]!.toFixed(0)} ms`],
      [
        'cold call of depth (1.2 MB model)',
        `${cold.total.toFixed(0)} ms, of which load ${cold.phases['load']?.toFixed(0)} ms; the engine alone opens the model in ${openMs.toFixed(0)} ms`,
      ],
      ['main process, idle (RSS)', megabytes(idleBytes)],
      ['main process, after the load (RSS)', megabytes(loadedBytes)],
      ['isolates while loaded (PSS)', isolateBytes.map(megabytes).join(', ')],
      ['main process, all unloaded (RSS)', megabytes(afterBytes)],
    ],
  ),
)

// --- internal ---

async function startTime(): Promise<number> {
  const at = performance.now()
  const started = await RunningPellet.start(folder)
  await until(async () => (await started.fetch('/health/ready')).status === 200, 'ready')
  const took = performance.now() - at
  await started.stop()
  return took
}

/** The median of two seconds. */
async function settledRss(): Promise<number> {
  const seen: number[] = []
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    seen.push(rssOf(pellet.pid))
  }
  return seen.sort((a, b) => a - b)[5]!
}

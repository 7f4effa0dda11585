import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { RunningPellet } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData } from '../support/shared.ts'
import { concurrencies, echoOf, ms, type Bench } from './context.ts'
import { openBare } from './engine.ts'
import { call, load, type Measured, type Target } from './load.ts'
import { toMarkdown } from './table.ts'

/** Faces and objects in a 640x480 JPEG, sent in each of the ways that clients send it. */
export async function benchVision(bench: Omit<Bench, 'pellet'>): Promise<void> {
  const yolox = sharedData('models/yolox_nano.onnx')
  const pellet = await RunningPellet.start(projectWith(yolox))
  try {
    const faces = readFileSync(join(projectRoot, 'models/samples/faces_1.jpg'))
    await benchRoute({ ...bench, pellet }, 'SCRFD', '/v1/detect', join(projectRoot, 'models/scrfd.onnx'), faces)
    if (!yolox) return void console.log('\nDetection: not measured, there is no model beside the project.')
    const street = await sharp(sharedData('images/street_road1.jpg')!)
      .resize(640, 480, { fit: 'fill' })
      .jpeg({ quality: 90 })
      .toBuffer()
    await benchRoute({ ...bench, pellet }, 'Detection, YOLOX-nano', '/v1/vision/detection', yolox, street)
  } finally {
    await pellet.stop()
  }
}

// --- internal ---

/** The shipped functions, with a detector's weights beside the starter models, and a queue for many callers. */
function projectWith(yolox: string | undefined): string {
  const folder = temporaryFolder()
  symlinkSync(join(projectRoot, 'functions'), join(folder, 'functions'))
  cpSync(join(projectRoot, 'manifests'), join(folder, 'manifests'), { recursive: true })
  // Its queue is for cameras, and turns many callers away; here all are to be answered.
  const manifest = join(folder, 'manifests/detect.yaml')
  const written = readFileSync(manifest, 'utf8')
  const patient = written.replace(/^limits: .*drop: oldest.*$/m, '')
  if (patient === written) throw new Error(`${manifest}: expected limits with drop: oldest in one line`)
  writeFileSync(manifest, patient)
  mkdirSync(join(folder, 'models'))
  for (const name of readdirSync(join(projectRoot, 'models')))
    symlinkSync(join(projectRoot, 'models', name), join(folder, 'models', name))
  if (yolox) symlinkSync(yolox, join(folder, 'models/yolox_nano.onnx'))
  return folder
}

async function benchRoute(bench: Bench, title: string, path: string, model: string, jpeg: Buffer): Promise<void> {
  const { pellet, quick, scale } = bench
  const engine = await openBare(model)
  const rows: string[][] = []
  const phaseRows: string[][] = []
  const seen: number[] = []
  for (const [way, target] of waysOf(pellet.url + path, jpeg)) {
    await load(target, 4, Math.ceil(20 * scale))
    // Taken in turns, so that a noisy minute of the machine falls on all; the middle of three by what is beyond the engine.
    const rounds: { engineMs: number; echoes: Measured[]; calls: Measured[] }[] = []
    for (let round = 0; round < 3; round++) {
      const engineMs = await engine.run(quick ? 5 : 30)
      const calls: Measured[] = []
      const echoes: Measured[] = []
      for (const concurrency of concurrencies) {
        const count = Math.max(2 * concurrency, Math.ceil(100 * scale))
        echoes.push(await load(echoOf(bench, target), concurrency, count))
        calls.push(await load(target, concurrency, count))
      }
      rounds.push({ engineMs, echoes, calls })
    }
    const beyond = ({ calls, engineMs }: (typeof rounds)[0]) => calls[0]!.p50 - engineMs
    const middle = rounds.sort((a, b) => beyond(a) - beyond(b))[1]!
    seen.push(middle.engineMs)
    for (const [i, concurrency] of concurrencies.entries()) {
      const { p50, p99, perSecond } = middle.calls[i]!
      rows.push([
        way,
        String(concurrency),
        ...[middle.echoes[i]!.p50, p50, p99, p50 - middle.engineMs].map(ms),
        perSecond.toFixed(1),
        (perSecond / middle.calls[0]!.perSecond).toFixed(2),
      ])
    }
    phaseRows.push([way, ...(await phasesOf(target, quick ? 5 : 40)).map(ms)])
  }
  const alone = seen.map(ms).join(', ')
  console.log(
    `\n${title} (POST ${path}), a 640x480 JPEG of ${jpeg.length} bytes; the engine alone takes ${alone} ms.\n`,
  )
  console.log(toMarkdown(headings, rows))
  console.log('\nWhere one caller’s time goes, medians by phase in ms; the rest is HTTP, both ways through main.\n')
  console.log(toMarkdown(['sent as', ...phases, 'rest'], phaseRows))
}

const headings = [
  'sent as',
  'callers',
  'h3 echo p50 ms',
  'Pellet p50 ms',
  'p99 ms',
  'beyond the engine, p50 ms',
  'Pellet/s',
  'of one caller',
]

function waysOf(url: string, jpeg: Buffer): [string, Target][] {
  const boundary = 'pellet-bench'
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\ncontent-type: image/jpeg\r\n\r\n`
  const multipart = Buffer.concat([Buffer.from(head), jpeg, Buffer.from(`\r\n--${boundary}--\r\n`)])
  const json = Buffer.from(JSON.stringify({ image: jpeg.toString('base64') }))
  return [
    ['JPEG raw', { url, headers: { 'content-type': 'image/jpeg' }, body: jpeg }],
    ['multipart', { url, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body: multipart }],
    ['base64 JSON', { url, headers: { 'content-type': 'application/json' }, body: json }],
  ]
}

const phases = ['receive', 'pre', 'wait', 'infer', 'post']

async function phasesOf(target: Target, count: number): Promise<number[]> {
  const seen: number[][] = []
  for (let i = 0; i < count; i++) {
    const at = performance.now()
    const timing = await call(target)
    const total = performance.now() - at
    const values = phases.map((phase) => timing[phase] ?? 0)
    seen.push([...values, total - values.reduce((sum, value) => sum + value, 0)])
  }
  return seen[0]!.map((_, column) => seen.map((row) => row[column]!).sort((a, b) => a - b)[Math.floor(count / 2)]!)
}

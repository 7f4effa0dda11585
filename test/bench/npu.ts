import { readFileSync } from 'node:fs'
import { loadSimulated } from '../../ffi/sim/simulated.ts'
import { toFunction, toModel, writeHef, type NpuModel, type Shapes } from '../npu/models.ts'
import { RunningPellet } from '../support/pellet.ts'
import { sharedData } from '../support/shared.ts'
import { SimControl, simulatedFiles, simulatedLibrary } from '../support/sim.ts'
import { ms } from './context.ts'
import { call, load, type Target } from './load.ts'
import { toMarkdown } from './table.ts'

/**
 * What lies between an isolate and the NPU, for frames of 640x640x3 bytes and outputs of 252 KB: over the simulated device, which
 * takes as long as it is told for a frame. 1.4 ms is what Hailo says of SCDepthV3 on the Hailo-10H.
 */
export async function benchNpu({ quick }: { quick: boolean }): Promise<void> {
  const sim = new SimControl()
  process.env['PELLET_SIM'] = sim.file
  const models = await modelsOf()
  const pellet = await RunningPellet.start(
    {
      ...(await simulatedFiles()),
      ...Object.fromEntries(
        models.flatMap((model) => [
          [`models/${model.name}.hef`, model.hef],
          [`functions/${model.name}.ts`, toFunction(model, chip, { keep_alive: -1, limits: { concurrency: 4 } }, true)],
        ]),
      ),
    },
    [],
    { ...sim.env, PELLET_HAILORT: `simulated:${chip}` },
  )
  try {
    const scale = quick ? 0.1 : 1
    const rows: string[][] = []
    for (const frameUs of [0, 1400]) {
      sim.set({ frame_us: frameUs })
      rows.push(await measure(pellet, models, frameUs, scale))
    }
    console.log(`\nNPU, simulated: 640x640x3 bytes in, 252 KB out; ${await countLoads(pellet)}.\n`)
    console.log(toMarkdown(headings, rows))
  } finally {
    await pellet.stop()
  }
}

// --- internal ---

const chip = 'hailo10h' as const

const headings = [
  'a frame',
  'frame on the chip p50 ms',
  'isolate to answer p50 ms',
  'p99 ms',
  'beyond the chip p50 ms',
  'call p50 ms',
  'p99 ms',
  'chip alone/s',
  '4 callers/s',
  'of the chip',
  '2 models in turn, p50 ms',
]

/** SCRFD twice: with one more class of boxes the second would be another file. */
async function modelsOf(): Promise<NpuModel[]> {
  const scrfd = sharedData('hef/scrfd_2.5g.hef')
  const shapes: Shapes = {
    inputs: [[640, 640, 3]],
    chip,
    outputs: [80, 40, 20].flatMap((side): [number, number, number][] => [
      [side, side, 2],
      [side, side, 8],
      [side, side, 20],
    ]),
  }
  return [
    await toModel('first', scrfd ? readFileSync(scrfd) : writeHef('first', shapes)),
    await toModel('second', writeHef('second', shapes)),
  ]
}

async function measure(pellet: RunningPellet, models: NpuModel[], frameUs: number, scale: number): Promise<string[]> {
  const [first, second] = models.map(({ name }) => targetOf(pellet, name)) as [Target, Target]
  const count = Math.ceil(1000 * scale)
  for (const target of [first, second]) await load(target, 4, count / 5)
  // Taken in turns, so that a noisy minute of the machine falls on all; of each the middle one by what is beyond the chip.
  const rounds: Round[] = []
  for (let round = 0; round < 5; round++) {
    const alone = await chipAlone(models[0]!, count)
    const one = await callInTurn([first], count / 2)
    const four = await load(first, 4, count)
    const inTurn = await callInTurn([first, second], count / 2)
    rounds.push({ alone, one, perSecond: four.perSecond, inTurn })
  }
  const beyond = ({ one }: Round) => middle(one.deviceMs) - middle(one.chipMs)
  const { one } = middleBy(rounds, beyond)
  const { alone, perSecond } = middleBy(rounds, (round) => round.perSecond / round.alone)
  return [
    `${frameUs / 1000} ms`,
    ...[middle(one.chipMs), middle(one.deviceMs), nearly(one.deviceMs), beyond(middleBy(rounds, beyond))].map(ms),
    ...[middle(one.callMs), nearly(one.callMs)].map(ms),
    alone.toFixed(0),
    perSecond.toFixed(0),
    `${((perSecond / alone) * 100).toFixed(0)} %`,
    ms(middle(middleBy(rounds, ({ inTurn }) => middle(inTurn.callMs)).inTurn.callMs)),
  ]
}

interface Round {
  /** Frames per second of the chip with nothing between. */
  alone: number
  one: Calls
  /** Of four callers. */
  perSecond: number
  inTurn: Calls
}

/** Times of calls one after the other, sorted, in milliseconds. */
interface Calls {
  callMs: number[]
  /** From the isolate to the device and back. */
  deviceMs: number[]
  /** What the device says that it took. */
  chipMs: number[]
}

function targetOf({ url }: RunningPellet, name: string): Target {
  return { url: `${url}/v1/${name}`, headers: { 'content-type': 'application/json' }, body: Buffer.from('{"seed":7}') }
}

async function callInTurn(targets: Target[], count: number): Promise<Calls> {
  const calls: Calls = { callMs: [], deviceMs: [], chipMs: [] }
  for (let i = 0; i < count; i++) {
    const at = performance.now()
    const { infer = 0, wait = 0 } = await call(targets[i % targets.length]!)
    calls.callMs.push(performance.now() - at)
    calls.deviceMs.push(wait + infer)
    calls.chipMs.push(infer)
  }
  for (const times of Object.values(calls)) (times as number[]).sort((a, b) => a - b)
  return calls
}

/** What no server can be faster than: the simulated device in this very process, with four frames on their way. */
async function chipAlone({ hef }: NpuModel, count: number): Promise<number> {
  using npu = loadSimulated(await simulatedLibrary(), chip)
  const device = await npu.open({})
  const inFlight = 4
  const model = await device.load(hef, { batch: 0, powerMode: 'performance', slots: inFlight, dmaMap: false })
  const outputs = Buffer.alloc(model.info.outputs.reduce((sum, { bytes }) => sum + bytes, 0))
  const startedAt = performance.now()
  let left = count
  await new Promise<void>((resolve) => {
    const start = () => model.start(model.acquire()!, 1)
    device.onDone(({ ticket }) => {
      model.take(ticket, outputs)
      if (left-- > inFlight) start()
      else if (left === 0) resolve()
    })
    for (let i = 0; i < inFlight; i++) start()
  })
  const perSecond = (count / (performance.now() - startedAt)) * 1000
  await model.unload(1000)
  await device.close()
  return perSecond
}

async function countLoads(pellet: RunningPellet): Promise<string> {
  const rows = Object.values(await pellet.ps())
  const metrics = await (await pellet.fetch('/metrics')).text()
  const hardUnloads = /^pellet_device_hard_unloads_total (\d+)$/m.exec(metrics)?.[1]
  return `loads of each model ${rows.map(({ loads }) => loads).join(' and ')}, hard unloads ${hardUnloads}`
}

function middle(sorted: number[]): number {
  return sorted[Math.floor(sorted.length / 2)]!
}

/** The 99th percentile. */
function nearly(sorted: number[]): number {
  return sorted[Math.floor(sorted.length * 0.99)]!
}

function middleBy<Value>(values: Value[], by: (value: Value) => number): Value {
  return values.toSorted((a, b) => by(a) - by(b))[Math.floor(values.length / 2)]!
}

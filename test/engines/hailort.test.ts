import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { NpuEdge } from '../../ffi/shim/npu.ts'
import { systemClock } from '../../runtime/clock.ts'
import { DeviceHost } from '../../runtime/device/device-host.ts'
import { deviceSocketName } from '../../runtime/device/protocol.ts'
import { sha256File } from '../../runtime/digest.ts'
import { arrayTypes } from '../../runtime/engines/check-inputs.ts'
import type { Engine, TensorInfo } from '../../runtime/engines/engine.ts'
import { hailort, openOnDevice, type DeviceTerms } from '../../runtime/engines/hailort.ts'
import { createLogger } from '../../runtime/log.ts'
import { LogRing } from '../../runtime/log-ring.ts'
import type { Tensors } from '../../runtime/tensor.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { toHefProto, type HefLayer } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { simulatedOutputs } from '../support/sim-hash.ts'
import { SimControl, simulatedLibrary, testWithSim } from '../support/sim.ts'
import { assertTensors, caught, engineConformance, type ModelCase } from './conformance.ts'

const folder = temporaryFolder()
const sim = new SimControl({ frame_us: 0 })
process.env['PELLET_SIM'] = sim.file
const library = await simulatedLibrary().catch(() => '')
const ring = new LogRing()
const device = new DeviceHost({
  log: await createLogger('silent', ring),
  clock: systemClock,
  config: { deviceId: '', deviceGroup: '', deviceFrameTimeoutMs: 10_000 },
  socketFolder: folder,
  npu: () => ({ isUsable: true, kind: 'simulated', chip: 'hailo8', library: '4.23.0', file: library }),
})
const terms: DeviceTerms = {
  socketPath: join(folder, deviceSocketName),
  name: 'tried',
  sha256: '',
  batch: 0,
  powerMode: 'performance',
  priority: 16,
  slots: 4,
}
/** As an isolate does, which knows by its deployment what it is to tell the host. */
const open = async (file: string, more: Partial<DeviceTerms> = {}) =>
  openOnDevice(file, { ...terms, sha256: await sha256File(file), ...more })
const engine: Engine = {
  ...hailort,
  async open(file) {
    const sha256 = await sha256File(file).catch(() => '')
    return hailort.open(file, { device: { ...terms, sha256 } })
  },
}

const picture: HefLayer = { name: 'n/picture', shape: [4, 4, 3], scale: 1 / 255, zeroPoint: 0 }
const maps = hefCase('pictures to maps and rows', {
  inputs: [picture],
  outputs: [
    { name: 'n/map', shape: [2, 2, 8], scale: 0.5, zeroPoint: 7 },
    { name: 'n/row', shape: [1, 1, 5], format: 2, bytes: 2, scale: 0.25 },
  ],
  shapes: { 'n/picture': [1, 4, 4, 3], 'n/map': [1, 2, 2, 8], 'n/row': [1, 5] },
})
const features = hefCase('a scale for each feature', {
  extensions: [25],
  inputs: [picture],
  outputs: [{ name: 'n/row', shape: [1, 1, 3], format: 2, featureScales: [1, 2, 4], featureZeroPoints: [3, 4, 5] }],
  shapes: { 'n/picture': [1, 4, 4, 3], 'n/row': [1, 3] },
})
const boxes = hefCase('boxes by class, from two inputs', {
  inputs: [picture, { name: 'n/other', shape: [1, 1, 6], format: 2, bytes: 2 }],
  outputs: [{ name: 'n/boxes', shape: [1, 1, 1], format: 6, nms: { classes: 3, boxes: 4 } }],
  shapes: { 'n/picture': [1, 4, 4, 3], 'n/other': [1, 6], 'n/boxes': [3, 21] },
})

if (library !== '') {
  device.hold(1)
  engineConformance({
    engine,
    models: {
      cases: [maps, features, boxes],
      broken: {
        'not there': join(folder, 'none.hef'),
        text: written('text.hef', 'mock'),
        'cut off': written('cut.hef', hefOf({ inputs: [picture], outputs: [] }).subarray(0, -3)),
      },
    },
    ownThreads: false,
  })
}

const test = suite('a model on the device')
test.after(() => device.stop())

const toPicture = (seed: number): Tensors => ({
  'n/picture': {
    type: 'uint8',
    dims: [1, 4, 4, 3],
    data: Uint8Array.from({ length: 48 }, (_, i) => (seed * 7 + i) % 256),
  },
})

testWithSim(test, 'has several frames on their way, and each gets its own answer', async () => {
  const model = await open(maps.file)
  const runs = Array.from({ length: 200 }, async (_, seed) => {
    const { outputs, inferMs } = await model.run(toPicture(seed))
    assertTensors(outputs, maps.compute(toPicture(seed)))
    assert.ok(inferMs >= 0 && inferMs < 1000, String(inferMs))
  })
  await Promise.all(runs)
  model.release()
})

testWithSim(test, 'takes real numbers for an input of whole ones, and rounds them as HailoRT does', async () => {
  const model = await open(maps.file)
  const wholes = Uint8Array.from({ length: 48 }, (_, i) => (i * 5) % 256)
  const data = Float32Array.from(wholes, (whole) => whole / 255)
  // Half a step: to the even one.
  data.set([0.5 / 255, 1.5 / 255, -3, 9])
  wholes.set([0, 2, 0, 255])
  const dims = [1, 4, 4, 3]
  const { outputs } = await model.run({ 'n/picture': { type: 'float32', dims, data } })
  assertTensors(outputs, maps.compute({ 'n/picture': { type: 'uint8', dims, data: wholes } }))
  const { message } = await caught(model.run({ 'n/picture': { type: 'float32', dims: [4, 4, 3], data } }))
  assert.match(message, 'expected float32 [1, 4, 4, 3], found float32 [4, 4, 3]: it must have 4 dimensions, not 3')
  model.release()
})

testWithSim(test, 'is loaded again by the next request when its host has ended', async () => {
  const model = await open(maps.file)
  process.kill(device.row!.pid!, 'SIGKILL')
  // Which of the two it meets is chance: the host's end, or the next one.
  const first = await model.run(toPicture(1)).catch((error: unknown) => error as Error)
  if (first instanceof Error) assert.match(first.message, /^tried: the process that has the NPU ended/)
  const { outputs } = await model.run(toPicture(2))
  assertTensors(outputs, maps.compute(toPicture(2)))
  model.release()
})

testWithSim(test, 'is given up by a caller who leaves, and goes on', async () => {
  const model = await open(maps.file)
  sim.set({ frame_us: 0, stall: 1 })
  const left = new AbortController()
  const run = model.run(toPicture(3), { signal: left.signal })
  await delay(20)
  left.abort(new Error('left'))
  await run.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'left'),
  )
  sim.set({ frame_us: 0 })
  assertTensors((await model.run(toPicture(4))).outputs, maps.compute(toPicture(4)))
  model.release()
})

testWithSim(test, 'is refused where HailoRT sees it otherwise than its file says', async () => {
  const { inputs, outputs } = maps
  const expected = { inputs, outputs: outputs.with(0, { ...outputs[0]!, shape: [1, 2, 2, 9] }) }
  const error = await caught(open(maps.file, { expected }))
  assert.is(error.code, 'load_failed')
  assert.match(
    error.message,
    /output "n\/map": expected uint8 \[1, 2, 2, 9\], as the HEF says, found uint8 \[1, 2, 2, 8\]/,
  )
})

testWithSim(test, 'says that the chip is full, and whom to ask', async () => {
  sim.set({ frame_us: 0, memory_bytes: 1 })
  const error = await caught(open(features.file))
  assert.is(error.code, 'out_of_memory')
  sim.set({ frame_us: 0 })
})

test.run()

// --- internal ---

interface HefNetwork {
  inputs: HefLayer[]
  outputs: HefLayer[]
  extensions?: number[]
}

function hefOf({ inputs, outputs, extensions = [] }: HefNetwork): Buffer {
  const edges = [...inputs.map((layer) => ({ layer })), ...outputs.map((layer) => ({ layer, isOutput: true }))]
  return toHef(
    3,
    toHefProto({ extensions, groups: [{ name: 'n', edges, sortedOutputs: outputs.map(({ name }) => name) }] }),
  )
}

function written(name: string, contents: string | Buffer): string {
  const file = join(folder, name)
  writeFileSync(file, contents)
  return file
}

/** A model whose answers are those of the simulated device. */
function hefCase(name: string, network: HefNetwork & { shapes: Record<string, number[]> }): ModelCase {
  const toInfo = (layer: HefLayer): TensorInfo => {
    const { nms, bytes = 1, scale = 0.5, zeroPoint = 7, featureScales, featureZeroPoints } = layer
    const shape = network.shapes[layer.name]!
    if (nms) return { name: layer.name, type: 'float32', shape }
    const quant = { scale: Math.fround(scale), zeroPoint }
    const each = featureScales && { scale: featureScales, zeroPoint: featureZeroPoints! }
    return { name: layer.name, type: bytes === 2 ? 'uint16' : 'uint8', shape, quant: each ?? quant }
  }
  const inputs = network.inputs.map(toInfo)
  const outputs = network.outputs.map(toInfo)
  const edges = network.outputs.map(({ name: output, nms }, index) => {
    const { type, shape } = outputs[index]!
    const elements = (shape as number[]).reduce((product, size) => product * size, 1)
    return {
      name: output,
      type: type as NpuEdge['type'],
      bytes: elements * arrayTypes[type].BYTES_PER_ELEMENT,
      ...(nms && { nms: { classes: nms.classes, maxBoxesPerClass: nms.boxes, maxBoxesTotal: 0 } }),
    }
  })
  return {
    name,
    file: written(`${name.replaceAll(/\W+/g, '-')}.hef`, hefOf(network)),
    inputs,
    outputs,
    compute(given) {
      const bytes = inputs.map(({ name: input }) => {
        const { buffer, byteOffset, byteLength } = given[input]!.data
        return new Uint8Array(buffer, byteOffset, byteLength)
      })
      const answers = simulatedOutputs(edges, bytes)
      return Object.fromEntries(
        outputs.map(({ name: output, type, shape, quant }, index) => {
          const data = new arrayTypes[type](answers[index]!.buffer)
          return [output, { type, dims: shape as number[], data, ...(quant && { quant }) }]
        }),
      )
    },
  }
}

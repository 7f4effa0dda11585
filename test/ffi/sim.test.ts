import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HailoChip } from '../../ffi/hef/arch.ts'
import type { LoadTerms, NpuDevice } from '../../ffi/shim/npu.ts'
import { loadSimulated } from '../../ffi/sim/simulated.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { sharedData } from '../support/shared.ts'
import { FrameRunner, outputBytes } from '../support/sim-device.ts'
import { recordingName, simulatedOutputs } from '../support/sim-hash.ts'
import { manifoldHef, smallHef } from '../support/sim-hefs.ts'
import { SimControl, simulatedLibrary, testWithSim } from '../support/sim.ts'

const test = suite('the simulated device: answers, order and pace')

const terms: LoadTerms = { batch: 0, powerMode: 'performance', slots: 4, dmaMap: false }
const control = new SimControl()
process.env['PELLET_SIM'] = control.file

const hefs: Record<string, () => Buffer> = { 'a small one': smallHef, 'two inputs, 16 bits and boxes': manifoldHef }
for (const name of ['fast_depth', 'arcface_mobilefacenet_v2', 'mnist_cnn_a', 'scrfd_2.5g']) {
  const file = sharedData(`hef/${name}.hef`)
  if (file) hefs[`${name}.hef`] = () => readFileSync(file)
}

for (const [name, read] of Object.entries(hefs))
  testWithSim(test, `${name}: every answer is that of its input, with several on their way`, async () => {
    control.set({ frame_us: 0 })
    await withDevice(name.startsWith('scrfd') ? 'hailo10h' : 'hailo8', async (device, runner) => {
      const model = await device.load(read(), terms)
      const frames = [1, 2, 3].map((seed) => runner.start(model, seed))
      for (const { inputs, ticket, done } of frames) {
        await done
        const output = Buffer.alloc(outputBytes(model))
        assert.is(model.take(ticket, output), 0)
        assert.ok(output.equals(Buffer.concat(simulatedOutputs(model.info.outputs, inputs))))
      }
      assert.is(model.flying, 0)
      await model.unload(1000)
    })
  })

testWithSim(test, 'boxes by class are packed, surest first, within the picture', async () => {
  control.set({ frame_us: 0, seed: 5 })
  await withDevice('hailo8', async (device, runner) => {
    const model = await device.load(manifoldHef(), terms)
    const { output, inputs } = await runner.run(model)
    const [words, boxes, bytes] = model.info.outputs
    assert.equal([words!.bytes, bytes!.bytes, boxes!.nms?.classes], [10, 27, 80])
    assert.ok(output.equals(Buffer.concat(simulatedOutputs(model.info.outputs, inputs, 5))))
    const values = new Float32Array(output.buffer.slice(output.byteOffset + 10, output.byteOffset + 10 + boxes!.bytes))
    let [at, total] = [0, 0]
    for (let label = 0; label < 80; label++) {
      const count = values[at++]!
      assert.ok(Number.isInteger(count) && count >= 0 && count <= boxes!.nms!.maxBoxesPerClass)
      let surest = 1
      for (let i = 0; i < count; i++, at += 5) {
        const [top, left, bottom, right, score] = values.subarray(at, at + 5)
        assert.ok(top! >= 0 && top! < bottom! && bottom! <= 1 && left! >= 0 && left! < right! && right! <= 1)
        assert.ok(score! > 0.2 && score! <= surest)
        surest = score!
        total++
      }
    }
    assert.ok(total > 5, 'some are found')
    await model.unload(1000)
  })
})

testWithSim(test, 'an answer that was recorded for these inputs is given', async () => {
  const recordings = join(temporaryFolder(), 'recordings')
  mkdirSync(recordings)
  control.set({ frame_us: 0, recordings })
  await withDevice('hailo8', async (device, runner) => {
    const model = await device.load(smallHef(), terms)
    const first = await runner.run(model, 9)
    const recorded = Buffer.alloc(outputBytes(model), 7)
    writeFileSync(join(recordings, recordingName(first.inputs)), recorded)
    assert.ok((await runner.run(model, 9)).output.equals(recorded))
    assert.not.ok((await runner.run(model, 10)).output.equals(recorded))
    await model.unload(1000)
  })
})

testWithSim(test, 'models take turns; one with more priority comes first', async () => {
  control.set({ stall: 1, frame_us: 100 })
  await withDevice('hailo8', async (device, runner) => {
    const [one, other] = [
      await device.load(smallHef(), terms),
      await device.load(smallHef({ name: 'other' }), { ...terms, slots: 3 }),
    ]
    const run = async () => {
      control.set({ stall: 1 })
      const from = runner.order.length
      const frames = [one, one, one, other, other, other].map((model) => ({ model, ...runner.start(model) }))
      control.set({ frame_us: 100 })
      await Promise.all(frames.map(({ done }) => done))
      for (const { model, ticket } of frames) model.take(ticket, Buffer.alloc(outputBytes(model)))
      return runner.order.slice(from).map((user) => frames.findIndex((frame) => frame.user === user))
    }
    const turns = await run()
    assert.equal(
      turns.map((index) => index > 2).reduce((changes, is, i, all) => changes + Number(i > 0 && is !== all[i - 1]), 0),
      5,
    )
    await other.setPriority(20)
    assert.equal(await run(), [3, 4, 5, 0, 1, 2])
    await one.unload(1000)
    await other.unload(1000)
  })
})

testWithSim(test, 'one frame at a time: the chip sets the pace', async () => {
  control.set({ frame_us: 2000 })
  await withDevice('hailo8', async (device, runner) => {
    const model = await device.load(smallHef(), terms)
    const startedAt = performance.now()
    await Promise.all(
      [1, 2].map(async () => {
        for (let i = 0; i < 10; i++) await runner.run(model, i)
      }),
    )
    assert.ok(performance.now() - startedAt >= 20 * 2, 'no two at once')
    await model.unload(1000)
  })
})

testWithSim(test, 'what HailoRT refuses is refused with its status', async () => {
  control.set({})
  const small = smallHef()
  const damaged = Buffer.from(small)
  damaged[damaged.length - 1]! ^= 1
  const refused: [what: string, hef: Buffer, status: number, more?: Partial<LoadTerms>][] = [
    ['empty', Buffer.alloc(0), 91],
    ['cut off', small.subarray(0, -10), 91],
    ['damaged', damaged, 91],
    ['text', Buffer.from('{ "mock_hef": true, "name": "x" }'), 92],
    ['of a newer compiler', Buffer.concat([small.subarray(0, 4), Buffer.from([0, 0, 0, 9]), small.subarray(8)]), 92],
    ['for another chip', smallHef({ arch: 103 }), 93],
    ['another network', small, 61, { network: 'another' }],
    ['batch', small, 2, { batch: 65_535 }],
    ['slots', small, 2, { slots: 17 }],
  ]
  await withDevice('hailo8', async (device) => {
    for (const [what, hef, status, more] of refused)
      assert.is(await statusOf(device.load(hef, { ...terms, ...more })), status, what)
    const model = await device.load(small, { ...terms, network: 'small/small' })
    assert.is(await statusOf(model.setPriority(32)), 2)
    assert.is(await statusOf(device.close()), 6)
    await model.unload(1000)
  })
})

test.run()

// --- internal ---

async function withDevice(chip: HailoChip, use: (device: NpuDevice, runner: FrameRunner) => Promise<void>) {
  using npu = loadSimulated(await simulatedLibrary(), chip)
  const device = await npu.open({})
  assert.is((await device.identify()).chip, chip)
  await use(device, new FrameRunner(device))
  await device.close()
}

function statusOf(call: Promise<unknown>): Promise<number> {
  return call.then(
    () => 0,
    (error: { status: number }) => error.status,
  )
}

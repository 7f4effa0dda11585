import { spawnSync } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HailoChip } from '../../ffi/hef/arch.ts'
import type { LoadTerms, NpuDevice, NpuModel } from '../../ffi/shim/npu.ts'
import { loadSimulated } from '../../ffi/sim/simulated.ts'
import { FrameRunner, outputBytes, type Frame } from '../support/sim-device.ts'
import { simulatedOutputs } from '../support/sim-hash.ts'
import { smallHef } from '../support/sim-hefs.ts'
import { SimControl, simulatedLibrary, testWithSim } from '../support/sim.ts'

const test = suite('the simulated device: what goes wrong')

const terms: LoadTerms = { batch: 0, powerMode: 'performance', slots: 2, dmaMap: false }
const quick = { frame_us: 0 }
const control = new SimControl()
process.env['PELLET_SIM'] = control.file
test.before.each(() => control.set(quick))

const hef = smallHef()
const of10h = smallHef({ arch: 103 })

testWithSim(test, 'a frame that was given up frees its slot when it is done, and nobody hears of it', async () => {
  const { device, runner } = await open()
  const model = await device.load(hef, terms)
  control.set({ stall: 1 })
  const [late, kept] = [runner.start(model, 1), runner.start(model, 2)]
  assert.is(model.acquire(), undefined, 'all slots are taken')
  model.orphan(late.ticket)
  assert.is(model.flying, 2)
  control.set(quick)
  await kept.done
  assert.is(
    statusOf(() => take(model, late)),
    61,
  )
  assert.ok(take(model, kept).equals(answerOf(model, kept)))
  assert.is(model.flying, 0)
  assert.equal(runner.order, [kept.user])
  assert.ok(await isRight(runner, model))
  await model.unload(0)
  await device.close()
})

testWithSim(test, 'a late frame is late, and right', async () => {
  control.set({ frame_us: 0, late_every: 2, late_us: 30_000 })
  const { device, runner } = await open()
  const model = await device.load(hef, terms)
  const [first, second] = [runner.start(model, 1), runner.start(model, 2)]
  const times = [(await first.done).inferMs, (await second.done).inferMs]
  assert.ok(times[1]! >= 30, `expected the second after 30 ms, found ${times.join(', ')}`)
  for (const frame of [first, second]) assert.ok(take(model, frame).equals(answerOf(model, frame)))
  await model.unload(0)
  await device.close()
})

testWithSim(test, 'memory and core ops are held until the device is closed, once for the same', async () => {
  control.set({ ...quick, memory_bytes: Math.floor(hef.length * 2.5), core_ops: 3 })
  const { npu, device } = await open()
  const other = smallHef({ name: 'other', weightBytes: hef.length })
  for (let i = 0; i < 20; i++) await (await device.load(hef, terms)).unload(0)
  const [one, again] = [await device.load(hef, terms), await device.load(hef, terms)]
  assert.is(await failure(device.load(other, terms)), 71)
  const second = await device.load(hef, { ...terms, batch: 2 })
  assert.is(await failure(device.load(hef, { ...terms, batch: 4 })), 71)
  control.set({ ...quick, core_ops: 2 })
  assert.is(await failure(device.load(other, terms)), 6, 'too many')
  for (const model of [one, again, second]) await model.unload(0)
  assert.is(await failure(device.load(other, terms)), 6, 'unloading gives nothing back')
  await device.close()
  const anew = await npu.open({})
  await (await anew.load(other, terms)).unload(0)
  await anew.close()
})

testWithSim(test, 'absent, busy, twice: opening is refused', async () => {
  const npu = loadSimulated(await simulatedLibrary())
  control.set({ device: 'absent' })
  assert.is(await failure(npu.open({})), 74)
  control.set({ device: 'busy' })
  assert.equal([await failure(npu.open({})), await failure(npu.open({ deviceId: '0001:01:00.0' }))], [74, 73])
  control.set({ 'fail.open': '76:1' })
  assert.is(await failure(npu.open({})), 76)
  const device = await npu.open({})
  assert.is(await failure(npu.open({})), 74)
  await device.close()
})

testWithSim(test, 'a failed frame breaks its model, not others', async () => {
  const { device, runner } = await open()
  const [model, other] = [await device.load(hef, terms), await device.load(smallHef({ name: 'other' }), terms)]
  control.set({ ...quick, 'fail.frame': '8:1' })
  assert.is((await runner.run(model)).status, 8)
  assert.is(model.broken, 8)
  assert.is(
    statusOf(() => model.acquire()),
    63,
  )
  assert.ok(await isRight(runner, other))
  await model.unload(0)
  assert.ok(await isRight(runner, await device.load(hef, terms)))
  device.abandon()
})

testWithSim(test, 'stuck frames of a device that lives come back with the unload', async () => {
  const { device, runner } = await open()
  const model = await device.load(hef, terms)
  control.set({ stall: 1 })
  const stuck = runner.start(model)
  control.set({ ...quick, 'hang.frame': 60_000 })
  const onChip = runner.start(model)
  await model.unload(10)
  assert.equal([(await stuck.done).status, (await onChip.done).status], [63, 63])
  control.set(quick)
  const again = await device.load(hef, terms)
  assert.ok(await isRight(runner, again))
  await again.unload(0)
  await device.close()
})

testWithSim(
  test,
  'Hailo-8 lost with frames on it: silence, an unload that lasts, and it is back after abandon',
  async () => {
    const { npu, device, runner } = await open()
    const model = await device.load(hef, terms)
    control.set({ stall: 1 })
    runner.start(model)
    control.set({ device: 'lost', lost_unload_ms: 50 })
    assert.is(await failure(device.identify()), 36)
    assert.is(await failure(device.load(hef, terms)), 36)
    assert.is(await failure(npu.open({})), 74, 'it is still held')
    assert.is(await failure(model.unload(10)), 4)
    assert.equal([runner.order, model.flying], [[], 0])
    device.abandon()
    assert.is(await failure(npu.open({})), 36)
    control.set(quick)
    await expectWell(npu, hef)
  },
)

testWithSim(test, 'Hailo-8 lost while idle: the model that ran last is told at once, others never', async () => {
  const { device, runner } = await open()
  const [idle, active] = [await device.load(hef, terms), await device.load(hef, terms)]
  await runner.run(active)
  control.set({ ...quick, device: 'lost' })
  const silent = runner.start(idle)
  const told = runner.start(active)
  assert.is((await told.done).status, 72)
  assert.equal([idle.flying, active.broken], [1, 72])
  assert.not.ok(runner.order.includes(silent.user))
  device.abandon()
})

testWithSim(test, 'Hailo-10H lost: frames end at once, and so do unload and close', async () => {
  const { npu, device, runner } = await open('hailo10h')
  const model = await device.load(of10h, terms)
  control.set({ stall: 1 })
  const frames = [runner.start(model), runner.start(model)]
  control.set({ device: 'lost' })
  assert.is(await failure(device.identify()), 62)
  for (const { done } of frames) assert.is((await done).status, 62)
  assert.is(await failure(model.unload(1000)), 62)
  await device.close()
  assert.is(await failure(npu.open({})), 89)
  control.set(quick)
  await expectWell(npu, of10h)
})

testWithSim(test, 'false timeouts: the work is done all the same', async () => {
  control.set({ ...quick, core_ops: 1, 'false_timeout.open': 1, 'false_timeout.configure': 1 })
  const npu = loadSimulated(await simulatedLibrary(), 'hailo10h')
  assert.is(await failure(npu.open({})), 4)
  const device = await npu.open({})
  assert.is(await failure(device.load(of10h, terms)), 4)
  assert.is(await failure(device.load(of10h, { ...terms, batch: 2 })), 6, 'what was left behind takes its place')
  const model = await device.load(of10h, terms)
  control.set({ ...quick, 'false_timeout.priority': 1, 'false_timeout.close': 1, restart_ms: 40 })
  assert.is(await failure(model.setPriority(20)), 4)
  await model.unload(0)
  assert.is(await failure(device.close()), 62, 'the server ends with what it does not know of')
  assert.is(await failure(npu.open({})), 89)
  control.set(quick)
  while ((await failure(npu.open({}).then((opened) => opened.close()))) !== 0) await new Promise(setImmediate)
})

testWithSim(test, 'calls hang as long as they are told to', async () => {
  control.set({ 'hang.open': 60_000 })
  const npu = loadSimulated(await simulatedLibrary())
  const opening = npu.open({})
  control.set({ open_ms: 20 })
  await (await opening).close()
})

const misuse: Record<string, string> = {
  'an unloaded model is used': `
    library.unload(model, 0, err, 512).then(() => library.acquire(model, new Uint32Array(1)))`,
  'a model is unloaded after abandon': `library.abandon(device); library.unload(model, 0, err, 512)`,
  'a device is closed twice': `
    library.unload(model, 0, err, 512).then(() => library.close(device, err, 512)).then(() => library.close(device, err, 512))`,
}
for (const [what, code] of Object.entries(misuse))
  testWithSim(test, `${what}: the process ends, as with HailoRT`, async () => {
    const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', toScript(code)], {
      env: { ...process.env, LIBRARY: await simulatedLibrary(), HEF: hef.toString('base64') },
      encoding: 'utf8',
    })
    assert.is(signal, 'SIGABRT', stderr)
    assert.match(stderr, /simulated NPU: pn_\w+: the (model|device) is not (loaded|open) \(any more\)/)
  })

test.run()

// --- internal ---

async function open(chip: HailoChip = 'hailo8') {
  const npu = loadSimulated(await simulatedLibrary(), chip)
  const device = await npu.open({})
  return { npu, device, runner: new FrameRunner(device) }
}

/** A device that was opened anew answers. */
async function expectWell(npu: { open(terms: object): Promise<NpuDevice> }, file: Buffer): Promise<void> {
  const device = await npu.open({})
  const model = await device.load(file, terms)
  assert.ok(await isRight(new FrameRunner(device), model))
  await model.unload(0)
  await device.close()
}

async function isRight(runner: FrameRunner, model: NpuModel): Promise<boolean> {
  const { status, output, inputs } = await runner.run(model, 3)
  return status === 0 && output.equals(Buffer.concat(simulatedOutputs(model.info.outputs, inputs)))
}

function take(model: NpuModel, { ticket }: Frame): Buffer {
  const output = Buffer.alloc(outputBytes(model))
  assert.is(model.take(ticket, output), 0)
  return output
}

function answerOf(model: NpuModel, { inputs }: Frame): Buffer {
  return Buffer.concat(simulatedOutputs(model.info.outputs, inputs))
}

function statusOf(call: () => unknown): number {
  try {
    call()
    return 0
  } catch (error) {
    return (error as { status: number }).status
  }
}

function failure(call: Promise<unknown>): Promise<number> {
  return call.then(
    () => 0,
    (error: { status: number }) => error.status,
  )
}

/** A program that has the functions of the library itself, without what keeps Pellet from misusing them. */
function toScript(code: string): string {
  const from = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  return `
import { loadLibrary } from ${from('../../ffi/shim/library.js')}
import { describeHef } from ${from('../../ffi/sim/describe.js')}
import koffi from 'koffi'
const library = loadLibrary(process.env.LIBRARY)
const [hef, err] = [Buffer.from(process.env.HEF, 'base64'), Buffer.alloc(512)]
const describe = koffi.load(process.env.LIBRARY).func('uint32_t ps_describe(const void *hef, size_t bytes, const char *text)')
describe(hef, hef.length, await describeHef(hef, 'hailo8'))
const out = new BigUint64Array(1)
await library.open(null, null, out, err, 512)
const device = out[0]
await library.load(device, hef, hef.length, null, 0, 0, 0, 0, 2, 0, out, err, 512)
const model = out[0]
${code}
`
}

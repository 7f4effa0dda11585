// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HailoError } from '../../ffi/hailort/statuses.ts'
import type { FrameDone, LoadTerms, Npu, NpuDevice, NpuModel } from '../../ffi/shim/npu.ts'
import { loadNpu } from '../../ffi/shim/shim.ts'
import { buildStub, cppCompiler, type Stub } from './hailort-stub/stub.ts'

// The shim's own C++, over a HailoRT that does what the test says: on every machine that has a C++ compiler.
const test = suite('the shim over HailoRT')
const run = (name: string, fn: () => Promise<void>) => {
  if (cppCompiler) return test(name, fn)
  console.error(`SKIPPED for want of a C++ compiler (apt install g++): ${name}`)
  test.skip(name, fn)
}

let stub: Stub
let npu: Npu
let device: NpuDevice
let dones: FrameDone[]
let told: (() => void) | undefined
const terms: LoadTerms = { batch: 3, powerMode: 'ultra_performance', slots: 2, dmaMap: true }
const hef = Buffer.alloc(64, 'HEF')

test.before(async () => {
  if (!cppCompiler) return
  stub = await buildStub()
  npu = loadNpu(stub.file)
})
test.before.each(async () => {
  if (!cppCompiler) return
  dones = []
  device = await npu.open({})
  device.onDone((done) => {
    dones.push(done)
    told?.()
  })
})

const failing = async (work: () => unknown): Promise<number | undefined> => {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof HailoError) return error.status
    throw error
  }
}

/** Starts a frame whose inputs are all `value`. */
function start(model: NpuModel, value: number, user: number): bigint {
  const slot = model.acquire()!
  for (const input of model.inputsOf(slot)) input.fill(value)
  return model.start(slot, user)
}

async function nextDone(): Promise<FrameDone> {
  while (dones.length === 0) await new Promise<void>((resolve) => (told = resolve))
  return dones.shift()!
}

/** The first byte of every output. */
function taken(model: NpuModel, ticket: bigint): number[] {
  const into = new Uint8Array(5003)
  assert.is(model.take(ticket, into), 0)
  return [into[0]!, into[3]!]
}

run('a device says what it is, and a model what goes in and out, whatever the names', async () => {
  assert.equal([npu.kind, npu.version, stub.openedWith], ['hailort', '4.23.0', ' UNIQUE'])
  assert.equal(await device.identify(), {
    id: '0000:01:00.0',
    chip: 'hailo8l',
    firmware: '4.23.0',
    product: 'Hailo-8',
    serial: String.raw`"S\1`,
  })
  const model = await device.load(hef, terms)
  assert.equal(stub.counts.batch, 3)
  assert.equal(model.info.inputs, [
    {
      name: 'net/in "1"',
      bytes: 12,
      height: 2,
      width: 2,
      features: 3,
      type: 'uint8',
      order: 1,
      quant: [{ zeroPoint: 0, scale: 1, min: 0, max: 255 }],
    },
  ])
  const [byFeature, boxes] = model.info.outputs
  assert.is(byFeature!.quant.length, 2)
  assert.equal([boxes!.type, boxes!.nms], ['float32', { classes: 80, maxBoxesPerClass: 100, maxBoxesTotal: 0 }])
  assert.is(stub.counts.mapped, 2 * (12 + 3 + 5000), 'exact sizes')
  await model.setPriority(20)
  assert.equal([stub.counts.priority, await failing(() => model.setPriority(32))], [20, 2])
  await model.unload(0)
  assert.is(stub.counts.mapped, 0)
  await device.close()
  assert.is(stub.counts.devices, 0)
})

run('frames go through slots, and each answer is its own', async () => {
  const model = await device.load(hef, terms)
  const [first, second] = [start(model, 10, 1), start(model, 50, 2)]
  assert.equal([model.acquire(), model.flying, stub.frames], [undefined, 2, 2])
  stub.finish()
  stub.finish()
  assert.equal([(await nextDone()).user, (await nextDone()).user], [1, 2])
  assert.equal(taken(model, second), [51, 52])
  assert.equal(taken(model, first), [11, 12])
  assert.is(await failing(() => model.take(first, new Uint8Array(5003))), 61, 'once')
  assert.throws(() => model.take(second, new Uint8Array(1)), /expected room for 5003 bytes/)
  assert.equal([model.flying, model.broken, stub.counts.undetached], [0, 0, 0])
  await model.unload(0)
  await device.close()
})

run('a frame that was given up keeps its slot until it is done, and tells nobody', async () => {
  const model = await device.load(hef, terms)
  const late = start(model, 10, 1)
  model.orphan(late)
  const ticket = start(model, 50, 2)
  assert.is(model.acquire(), undefined)
  stub.finish()
  stub.finish()
  assert.is((await nextDone()).ticket, ticket)
  assert.equal(taken(model, ticket), [51, 52])
  assert.equal([dones, model.flying], [[], 0])
  assert.type(model.acquire(), 'number', 'free again')
  assert.is(await failing(() => model.unload(0)), 6, 'not while somebody writes to a slot')
  model.release(0)
  await model.unload(0)
  await device.close()
})

run('a full queue is no harm, a refusal and a failed frame break the model', async () => {
  const model = await device.load(hef, terms)
  const { runs } = stub.counts
  stub.answer('ready', 4)
  assert.is(await failing(() => start(model, 1, 1)), 82)
  assert.equal(
    [stub.counts.runs, model.broken, model.flying],
    [runs, 0, 0],
    'HailoRT is not asked: it would shut the model down',
  )
  stub.answer('ready', 0)
  start(model, 1, 1)
  stub.finish(63)
  const done = await nextDone()
  assert.equal([done.status, model.take(done.ticket, new Uint8Array(5003)), model.broken], [63, 63, 63])
  assert.is(await failing(() => model.acquire()), 63)
  await model.unload(0)
  const other = await device.load(hef, terms)
  stub.answer('run', 6)
  assert.equal([await failing(() => start(other, 1, 1)), other.broken, other.flying], [6, 6, 0])
  stub.answer('run', 0)
  await other.unload(0)
  await device.close()
})

run('an unload waits for frames, and for those that it aborts', async () => {
  const model = await device.load(hef, terms)
  const ticket = start(model, 1, 1)
  const unloading = model.unload(10)
  assert.equal([await failing(() => model.acquire()), model.flying], [63, 0], 'nothing more goes in')
  await unloading
  assert.is((await nextDone()).status, 63)
  assert.is(model.take(ticket, new Uint8Array(5003)), 63)
  assert.is(stub.counts.destroyedUnderFrames, 0)
  await device.close()
})

run('a false timeout of HailoRT 5 at the unload is none', async () => {
  const model = await device.load(hef, terms)
  stub.answer('shutdown', 4)
  await model.unload(0)
  stub.answer('shutdown', 62)
  assert.is(await failing(async () => (await device.load(hef, terms)).unload(0)), 62)
  stub.answer('shutdown', 0)
  await device.close()
})

run('a device that is lost goes before its models, which are never touched again', async () => {
  const model = await device.load(hef, terms)
  start(model, 1, 1)
  assert.is(await failing(() => device.close()), 6)
  const { shutdowns } = stub.counts
  device.abandon()
  assert.equal([stub.counts.devices, stub.counts.shutdowns, stub.counts.destroyedUnderFrames], [0, shutdowns, 0])
  assert.equal([await failing(() => model.acquire()), await failing(() => model.unload(0))], [63, 63])
  assert.is(await failing(() => device.identify()), 6)
  stub.finish()
  const again = await npu.open({})
  await again.close()
})

run('what crashes HailoRT, or would be taken for something else, does not reach it', async () => {
  for (const [bad, status] of [
    [Buffer.alloc(0), 91],
    [Buffer.alloc(15), 91],
    [Buffer.alloc(64, 'garbage'), 92],
  ] as const)
    assert.is(await failing(() => device.load(bad, terms)), status)
  for (const wrong of [{ slots: 0 }, { slots: 17 }, { batch: 70_000 }])
    assert.is(await failing(() => device.load(hef, { ...terms, ...wrong })), 2, JSON.stringify(wrong))
  for (const deviceId of ['192.168.0.7', '192.168.0.7:80', 'fe80::1', 'x'.repeat(40)])
    assert.is(await failing(() => npu.open({ deviceId })), 2, deviceId)
  const named = await npu.open({ deviceId: '0001:01:00.0', group: 'pellet' })
  assert.is(stub.openedWith, '0001:01:00.0 pellet')
  await named.close()
  stub.answer('open', 74)
  assert.is(await failing(() => npu.open({})), 74)
  stub.answer('open', 0)
  await device.close()
  assert.throws(() => loadNpu('/nowhere/shim.so'), /cannot be loaded.*pellet build-shim/)
})

run('frames that never come back: the model is leaked, and the device is to be abandoned', async () => {
  const model = await device.load(hef, terms)
  start(model, 1, 1)
  stub.stick(true)
  assert.is(await failing(() => model.unload(0)), 4)
  assert.is(stub.counts.destroyedUnderFrames, 0)
  device.abandon()
  stub.stick(false)
  stub.finish()
})

test.run()

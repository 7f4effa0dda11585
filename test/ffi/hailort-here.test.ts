// @timeout 120s
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Hailort } from '../../ffi/hailort/hailort.ts'
import { HailoError } from '../../ffi/hailort/statuses.ts'
import { buildShim, findCompiler } from '../../ffi/shim/build.ts'
import { findHailort, missingOf } from '../../ffi/shim/hailort-files.ts'
import type { FrameDone, LoadTerms, NpuDevice } from '../../ffi/shim/npu.ts'
import { loadNpu } from '../../ffi/shim/shim.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { sharedData } from '../support/shared.ts'

// The HailoRT that is installed on this machine, if there is one (PELLET_HAILORT_PREFIX for one in a place of its own); and its
// device, where it has one that nobody else uses.
process.env['HAILORT_LOGGER_PATH'] = 'NONE'
process.env['HAILORT_CONSOLE_LOGGER_LEVEL'] = 'critical'

const test = suite('the HailoRT of this machine')
const files = await findHailort()
const isThere = missingOf(files).length === 0 && (await findCompiler('c++')) !== undefined
const terms: LoadTerms = { batch: 0, powerMode: 'performance', slots: 4, dmaMap: true }

const run = (name: string, fn: () => Promise<void>) => {
  if (isThere) return test(name, fn)
  console.error(`SKIPPED: ${name}: HailoRT with its headers, and a C++ compiler, are needed`)
  test.skip(name, fn)
}

run('the shim is compiled against it and says its version; a device is opened or refused', async () => {
  const { file, version } = await buildShim({ dataFolder: temporaryFolder() })
  using npu = loadNpu(file)
  assert.equal([npu.kind, npu.version, version], ['hailort', version, files.version])
  const hailort = Hailort.load(files.library!)
  assert.equal([hailort.version, hailort.nameOf(74)], [version, 'HAILO_OUT_OF_PHYSICAL_DEVICES'])
  const ids = await hailort.scan()
  assert.is(await statusOf(npu.open({ deviceId: '00ff:ff:1f.7' })), 2)
  const opened = await npu.open({}).catch((error: HailoError) => error)
  if (opened instanceof HailoError) {
    assert.equal([opened.status, opened.operation], [74, 'open'], `${opened.message}; seen: ${ids.join()}`)
    return console.error(`SKIPPED: what needs a device: ${opened.reason}`)
  }
  await withDevice(opened)
  await opened.close()
})

test.run()

// --- internal ---

async function statusOf(work: Promise<unknown>): Promise<number> {
  try {
    await work
    return 0
  } catch (error) {
    if (error instanceof HailoError) return error.status
    throw error
  }
}

async function withDevice(device: NpuDevice): Promise<void> {
  const { chip } = await device.identify()
  const waiting = new Map<number, (done: FrameDone) => void>()
  device.onDone((done) => waiting.get(done.user)!(done))
  assert.is(await statusOf(device.load(Buffer.alloc(5000, 'A'), terms)), 92)
  const path = sharedData('hef/fast_depth.hef')
  if (!path || chip !== 'hailo8') return
  const hef = readFileSync(path)
  const flipped = Buffer.from(hef)
  flipped[5000]! ^= 1
  for (const bad of [hef.subarray(0, 100_000), flipped]) assert.is(await statusOf(device.load(bad, terms)), 91)

  const model = await device.load(hef, terms)
  const [input, output] = [model.info.inputs[0]!, model.info.outputs[0]!]
  assert.equal([input.height, input.width, input.features, output.type], [224, 224, 3, 'uint16'])
  const answers = await Promise.all(
    [7, 8, 7].map(async (value, index) => {
      const slot = model.acquire()!
      model.inputsOf(slot)[0]!.fill(value)
      const done = new Promise<FrameDone>((resolve) => waiting.set(index + 1, resolve))
      model.start(slot, index + 1)
      const into = Buffer.alloc(output.bytes)
      assert.is(model.take((await done).ticket, into), 0)
      return into
    }),
  )
  assert.ok(
    answers[0]!.equals(answers[2]!) && !answers[0]!.equals(answers[1]!),
    'the same for the same, another for another',
  )
  await model.unload(1000)
}

import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lendArray } from '../../runtime/buffers.ts'
import { onnxruntime } from '../../runtime/engines/onnxruntime.ts'
import { openHere, openOnThread } from '../../runtime/engines/thread.ts'
import { isQuick } from '../../runtime/engines/quick.ts'
import { PelletError } from '../../runtime/errors.ts'
import type { Tensor } from '../../runtime/tensor.ts'
import { identityModel } from '../deployments/tiny.ts'
import { createProject } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'

const threads = suite('a model on a thread of its own')
const depth = join(projectRoot, 'models/depth.onnx')
const dims = [1, 3, 256, 320]
const length = 3 * 256 * 320
const quick = join(createProject({ 'identity.onnx': identityModel() }), 'identity.onnx')
// An idle thread does not keep a process alive, nor does the wait for its answer.
const alive = setInterval(() => {}, 60_000)
const here = await onnxruntime.open(depth)
const there = await openOnThread('onnxruntime', depth, {})
const name = there.inputs[0]!.name
threads.after(async () => {
  clearInterval(alive)
  await here.release()
})

function ramp(data: Float32Array = new Float32Array(length)): Tensor {
  for (let i = 0; i < length; i++) data[i] = (i % 255) / 255
  return { type: 'float32', dims, data }
}

threads('answers what the engine answers, and this thread goes on meanwhile', async () => {
  assert.equal(there.inputs, here.inputs)
  assert.equal(there.outputs, here.outputs)
  const expected = await here.run({ [name]: ramp() })
  let isOver = false
  let turns = 0
  const count = (): void => void (isOver || (turns++, setImmediate(count)))
  setImmediate(count)
  const { outputs, inferMs } = await there.run({ [name]: ramp() })
  isOver = true
  assert.equal(outputs, expected)
  assert.ok(inferMs > 0 && turns > 10, `${turns} turns of the loop in ${inferMs} ms`)
})

threads('serves runs in order, each with its own answer', async () => {
  const levels = [0, 0.25, 0.5, 0.75, 1]
  const inputs = levels.map((level) => ({ type: 'float32' as const, dims, data: new Float32Array(length).fill(level) }))
  const answers = await Promise.all(inputs.map((input) => there.run({ [name]: input })))
  for (const [i, input] of inputs.entries()) assert.equal(answers[i]!.outputs, await here.run({ [name]: input }))
})

threads('takes buffers that were lent and gives them back; others stay their makers’', async () => {
  const lent = lendArray(Float32Array, length)
  const first = await there.run({ [name]: ramp(lent) }, { mayKeep: true })
  assert.is(lent.length, 0, 'it went to the thread')
  const again = lendArray(Float32Array, length)
  assert.is(again[1], Math.fround(1 / 255), 'it came back with what was in it')
  await there.run({ [name]: ramp(again) })
  assert.is(again.length, length, 'somebody may still look at it')

  const own = ramp(new Float32Array(new ArrayBuffer(length * 4 + 8), 8, length))
  const second = await there.run({ [name]: own })
  assert.is(own.data.length, length)
  assert.equal(second.outputs, first.outputs)
})

threads('passes the engine’s errors on as they are, and serves on', async () => {
  const wrong = { [name]: { type: 'float32' as const, dims: [1, 3, 2, 2], data: new Float32Array(12) } }
  const error = await there.run(wrong).catch((thrown: unknown) => thrown)
  assert.instance(error, PelletError)
  assert.is((error as PelletError).code, 'invalid_input')
  assert.equal((error as PelletError).details?.[0]?.loc, [name])
  assert.ok((await there.run({ [name]: ramp() })).outputs)
})

threads('is not for a model that is quick, which answers on this one', async () => {
  assert.is(await isQuick(here), false)
  const session = await onnxruntime.open(quick)
  // On a machine that is busy with other tests even an empty run may take its millisecond.
  let looks = 1
  while (!(await isQuick(session)) && looks < 20) looks++
  assert.ok(looks < 20, 'one of twenty looks finds it quick')
  await session.release()
  const model = await openHere('onnxruntime', quick, {})
  const lent = lendArray(Float32Array, 4)
  const { outputs } = await model.run({ x: { type: 'float32', dims: [1, 4], data: lent.fill(3) } }, { mayKeep: true })
  assert.equal(outputs['y']!.data, Float32Array.of(3, 3, 3, 3))
  assert.is(lent.length, 4, 'nothing was sent anywhere')
})

threads('refuses what is no model', async () => {
  const error = await openOnThread('onnxruntime', import.meta.filename, {}).catch((thrown: unknown) => thrown)
  assert.is((error as PelletError).code, 'load_failed')
})

threads.run()

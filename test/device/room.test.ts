// @timeout 240s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { About, DeviceModelRow } from '../../runtime/http/admin.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { SimControl, simulatedFiles, testWithSim } from '../support/sim.ts'
import { simulatedOutputs } from '../support/sim-hash.ts'
import { smallHef } from './small-hef.ts'

/** Four models, of which the chip takes two at a time, and one on the CPU. */
const names = ['a', 'b', 'c', 'd'] as const
type Name = (typeof names)[number]
const inputBytes = 8 * 8 * 4
const outputBytes = 4 * 4 * 8

const test = suite('more models than the NPU has room for')
const control = new SimControl()
let pellet: RunningPellet

test.before(async () => {
  const files: ProjectFiles = {
    ...(await simulatedFiles()),
    'functions/cpu.ts': functionOf('cpu', { onnx: 'cpu.onnx' }),
    'models/cpu.onnx': toOnnx({
      inputs: [{ name: 'in', type: 'uint8', shape: [1, 8, 8, 4] }],
      outputs: [{ name: 'out', type: 'uint8', shape: [1, 8, 8, 4] }],
      nodes: [{ op: 'Identity', inputs: ['in'], outputs: ['out'] }],
    }),
  }
  for (const name of names) {
    const hef = smallHef(name)
    files[`models/${name}.hef`] = hef
    files[`functions/${name}.ts`] = functionOf(name, { hef: { hailo8: `${name}.hef` } })
    control.set({ memory_bytes: Math.round(2.5 * hef.length) })
  }
  pellet = await RunningPellet.start(files, [], control.env)
})
test.after(async () => {
  await pellet?.stop()
})

testWithSim(
  test,
  'in turn: each answers, and the one that was idle for longest goes; the CPU keeps its own',
  async () => {
    assert.is((await pellet.post('/v1/cpu', { seed: 1 })).headers.get('x-pellet-engine'), 'onnxruntime')
    for (const [seed, name] of names.entries()) await ask(name, seed)
    assert.equal(await states(), { a: 'cold', b: 'cold', c: 'ready', d: 'ready', cpu: 'ready' })
    const { a, b, c, d, cpu } = await pellet.ps()
    assert.equal(
      [a, b, c, d, cpu].map((row) => row!.evictions),
      [1, 1, 0, 0, 0],
    )
    const told = pellet.log.filter(({ msg }) => msg.startsWith('There is no room for c on the NPU beside a, b: '))
    assert.is(told.length, 1, pellet.text())
  },
)

testWithSim(test, 'two that fit take turns and load nothing', async () => {
  const loads = (await pellet.row('c')).loads + (await pellet.row('d')).loads
  for (let seed = 0; seed < 20; seed++) await ask(seed % 2 ? 'c' : 'd', seed)
  assert.is((await pellet.row('c')).loads + (await pellet.row('d')).loads, loads)
})

testWithSim(test, 'who has the NPU open, and what became of frames, is told', async () => {
  const { c } = await pellet.ps()
  const framesOf = async () => ((await pellet.ps())['c'] as unknown as { device: DeviceModelRow }).device.frames
  // Main hears from the host once a second.
  await until(async () => (await framesOf()) >= 11, `11 frames of c, found ${JSON.stringify(c)}`)
  const { device } = (await pellet.admin('GET', '/api/about')) as About
  assert.equal([device!.state, [...device!.models].sort()], ['open', ['c', 'd']])
  assert.ok(childrenOf(pellet.pid).includes(device!.pid!))
  const metrics = await (await pellet.fetch('/metrics')).text()
  assert.match(metrics, /^pellet_device_open 1$/m)
  assert.ok(Number(/^pellet_device_frames_total (\d+)$/m.exec(metrics)![1]) >= 22)
  assert.match(metrics, /^pellet_device_hard_unloads_total 2$/m)
})

testWithSim(test, 'all at once: everybody is answered, with what is his', async () => {
  const callers = names.flatMap((name, caller) => [0, 1].map((round) => ask(name, 100 * caller + 10 * round)))
  await Promise.all(callers)
  const rows = await pellet.ps()
  for (const name of names) assert.equal([rows[name]!.crashes, rows[name]!.queued], [0, 0], name)
  assert.is(rows['cpu']!.evictions, 0)
})

testWithSim(test, 'one that does not fit even alone is refused with why, and the CPU still keeps its own', async () => {
  control.set({ memory_bytes: 1 })
  await pellet.admin('POST', '/api/deployments/c/unload')
  await pellet.rowWhen('c', ({ state }) => state === 'cold')
  const answer = await pellet.post('/v1/c', { seed: 1 })
  assert.is(answer.status, 503)
  assert.is(answer.headers.get('x-pellet-error'), 'out_of_memory')
  assert.match(await answer.text(), 'c could not be loaded: the NPU cannot load the model')
  assert.equal(await states(), { a: 'cold', b: 'cold', c: 'failed', d: 'cold', cpu: 'ready' })
})

testWithSim(test, 'when the last one goes by its keep_alive the host is gone: nothing has the device', async () => {
  control.set({})
  const { pid } = await pellet.row('cpu')
  const answer = await pellet.post('/v1/b', { seed: 1 }, { 'x-keep-alive': '0' })
  assert.is(answer.status, 200, await answer.text())
  await until(() => childrenOf(pellet.pid).join() === String(pid), 'all children but the one on the CPU to be gone')
})

test.run()

// --- internal ---

function functionOf(name: string, model: object): string {
  return `
import { defineFunction, step, z } from 'pellet'
export default defineFunction({
  manifest: { route: 'POST /v1/${name}', model: ${JSON.stringify(model)}, pre: ['fill'], post: ['bytes'], keep_alive: -1, limits: { timeout: '2m' } },
  input: { seed: z.number() },
  steps: {
    fill: step.request(({ fields }, context) => {
      const [{ name, shape }] = context.model.inputs
      return { [name]: { type: 'uint8', dims: shape, data: new Uint8Array(${inputBytes}).fill(fields.seed) } }
    }),
    bytes: step.outputs((out) => ({ hex: Buffer.from(Object.values(out)[0].data).toString('hex') })),
  },
})
`
}

/** Asks a model, and compares the answer with what the simulated chip makes of just this input. */
async function ask(name: Name, seed: number): Promise<void> {
  const answer = await pellet.post(`/v1/${name}`, { seed })
  const text = await answer.text()
  assert.is(answer.status, 200, text)
  assert.is(answer.headers.get('x-pellet-engine'), 'simulated')
  const input = new Uint8Array(inputBytes).fill(seed)
  const [expected] = simulatedOutputs([{ name: `${name}/out`, type: 'uint8', bytes: outputBytes }], [input])
  assert.is((JSON.parse(text) as { hex: string }).hex, Buffer.from(expected!).toString('hex'), `${name} ${seed}`)
}

async function states(): Promise<Record<string, string>> {
  return Object.fromEntries(Object.entries(await pellet.ps()).map(([name, { state }]) => [name, state]))
}

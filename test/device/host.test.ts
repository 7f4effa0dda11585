import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemClock } from '../../runtime/clock.ts'
import { DeviceHost } from '../../runtime/device/device-host.ts'
import { deviceSocketName, type LoadRequest, type Refusal } from '../../runtime/device/protocol.ts'
import type { Logger } from '../../runtime/log.ts'
import { isAnswered } from '../../runtime/socket-folder.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { simulatedOutputs } from '../support/sim-hash.ts'
import { SimControl, simulatedLibrary, testWithSim } from '../support/sim.ts'
import { HostClient, type Lease } from './host-client.ts'
import { smallHef } from './small-hef.ts'

// The device host as main starts it: a real process over the simulated device.
const test = suite('device: host')

const folder = temporaryFolder()
const socketPath = join(folder, deviceSocketName)
const sim = new SimControl({ frame_us: 500 })
const lines: string[] = []
const say = (...said: unknown[]) => void lines.push(String(said.at(-1)))
const client = new HostClient(socketPath)
let host: DeviceHost

test.before(async () => {
  process.env['PELLET_SIM'] = sim.file
  const file = await simulatedLibrary().catch(() => '')
  host = new DeviceHost({
    log: { info: say, warn: say, error: say } as unknown as Logger,
    clock: systemClock,
    config: { deviceId: '', deviceGroup: '', deviceFrameTimeoutMs: 600 },
    socketFolder: folder,
    npu: () => ({ isUsable: true, kind: 'simulated', chip: 'hailo8', library: '4.23.0', file }),
    limits: { load: 4000 },
  })
})
test.after(async () => {
  client.close()
  await host.stop()
})

function requestOf(name: string): LoadRequest {
  const hef = smallHef(name)
  const file = join(folder, `${name}.hef`)
  writeFileSync(file, hef)
  const sha256 = createHash('sha256').update(hef).digest('hex')
  return { name, file, sha256, batch: 0, powerMode: 'performance', priority: 16, slots: 2 }
}

async function load(name: string): Promise<Lease> {
  await until(() => isAnswered(socketPath), 'a device host')
  return client.load(requestOf(name))
}

const refused = (work: Promise<unknown>): Promise<Refusal> =>
  work.then(
    () => assert.unreachable('expected a refusal') as never,
    (error: Refusal) => error,
  )

const inputOf = (seed: number) => Buffer.from(Array.from({ length: 256 }, (_, index) => (index * seed + seed) & 0xff))

/** One frame, and that its answer is its own. */
async function infer({ id, info }: Lease, seed: number): Promise<void> {
  const { status, body, refusal } = await client.infer(id, inputOf(seed))
  assert.is(status, 200, JSON.stringify(refusal))
  assert.equal(body, Buffer.concat(simulatedOutputs(info.outputs, [inputOf(seed)])))
}

testWithSim(test, 'many callers of two models: each gets his own answer', async () => {
  host.hold(1)
  const models = [await load('a'), await load('b')]
  await Promise.all(Array.from({ length: 60 }, (_, seed) => infer(models[seed % 2]!, seed)))
  for (const model of models) model.release()
})

testWithSim(test, 'a device that stands still: 503, and the model is loaded anew', async () => {
  const model = await load('a')
  sim.set({ stall: 1 })
  const answers = await Promise.all([1, 2].map((seed) => client.infer(model.id, inputOf(seed))))
  assert.equal(
    answers.map(({ status, refusal }) => [status, refusal.error.code, refusal.error.message]),
    Array.from({ length: 2 }, () => [503, 'device_failed', 'a: the NPU did not answer within 600 ms']),
  )
  await until(() => lines.includes('the model is loaded anew on the NPU'), 'the model to be loaded anew')
  sim.set({})
  await infer(model, 3)
  model.release()
})

testWithSim(test, 'a model that goes while a caller still sends his inputs takes no other along', async () => {
  const [a, b] = [await load('a'), await load('b')]
  const losses = lines.filter((line) => line.startsWith('the NPU was lost')).length
  const half = client.startFrame(a.id, 256)
  half.write(inputOf(1).subarray(0, 100))
  await infer(a, 2)
  a.release()
  await until(() => half.isRefused, 'the half-sent frame to be refused')
  await infer(b, 1)
  await infer(await load('a'), 2)
  assert.is(lines.filter((line) => line.startsWith('the NPU was lost')).length, losses, lines.join('\n'))
  b.release()
})

testWithSim(test, 'a lost device: its models are lost; when it is back they can be loaded again', async () => {
  const [a, b] = [await load('a'), await load('b')]
  sim.set({ device: 'lost' })
  assert.is((await client.infer(a.id, inputOf(1))).refusal.error.code, 'device_failed')
  const [lost, lostToo] = await Promise.all([a.lost, b.lost])
  assert.match(lost!.lost, /^the NPU was lost/)
  assert.ok(lost!.retryAfterMs > 0 && lostToo!.retryAfterMs > 0)
  const { error } = await refused(load('a'))
  assert.is(error.code, 'device_unavailable')
  assert.ok(error.retryAfterMs! <= 250, `${error.retryAfterMs}`)
  sim.set({})
  let again: Lease | undefined
  await until(async () => (again = await load('a').catch(() => undefined)) !== undefined, 'the device to be back')
  await infer(again!, 5)
  again!.release()
})

testWithSim(
  test,
  'a full chip: what is not in use goes, what stays still answers, and what does not fit is told',
  async () => {
    sim.set({ core_ops: 2 })
    const [a, b] = [await load('a'), await load('b')]
    b.release()
    const [c] = await Promise.all([load('c'), ...Array.from({ length: 20 }, (_, seed) => infer(a, seed))])
    await infer(a, 21)
    await infer(c, 22)
    const refusal = await refused(load('d'))
    assert.equal([refusal.isFull, refusal.error.code], [true, 'out_of_memory'])
    await until(() => host.counts.hardUnloads === 1, 'a hard unload to be counted')
    a.release()
    c.release()
    sim.set({})
  },
)

testWithSim(
  test,
  'a host that is killed is started anew while it is needed; so is one whose device hangs',
  async () => {
    const model = await load('a')
    const { pid } = host.row!
    process.kill(pid!, 'SIGKILL')
    assert.is(await model.lost, null)
    await until(() => host.row !== undefined && host.row.pid !== pid, 'another host')
    const again = await load('a')
    await infer(again, 1)
    sim.set({ 'hang.load': 60_000 })
    const second = host.row!.pid
    await refused(load('b'))
    assert.is(await again.lost, null)
    assert.ok(lines.some((line) => line.startsWith("load b: expected the NPU's answer within 4000 ms")))
    sim.set({})
    await until(() => host.row !== undefined && host.row.pid !== second, 'a third host')
    await infer(await load('b'), 2)
    assert.is(host.counts.restarts, 2)
  },
)

testWithSim(test, 'nobody needs it: the process ends', async () => {
  const { pid } = host.row!
  host.release(1)
  await until(() => host.row === undefined, 'the end of the host')
  assert.not(isAlive(pid!))
  assert.is(lines.at(-1), 'device host: gone: exit code 0')
})

test.run()

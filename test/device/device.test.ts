import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemClock } from '../../runtime/clock.ts'
import { Device } from '../../runtime/device/host/device.ts'
import { createHostServer } from '../../runtime/device/host/server.ts'
import { operationLimits } from '../../runtime/device/host/turns.ts'
import type { LoadRequest, Refusal } from '../../runtime/device/protocol.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { until } from '../support/process.ts'
import { answerTo, FakeNpu, frameBytes } from './fake-npu.ts'
import { HostClient } from './host-client.ts'

const test = suite('device: owner')

/** What is in use here. */
interface Bench extends AsyncDisposable {
  npu: FakeNpu
  device: Device
  client: HostClient
  ended: string[]
  model(name: string, changes?: Partial<LoadRequest>): LoadRequest
}

async function createBench({ frameTimeoutMs = 60, limits = {} } = {}): Promise<Bench> {
  const folder = temporaryFolder()
  const npu = new FakeNpu()
  const ended: string[] = []
  const device = new Device({
    npu,
    frameTimeoutMs,
    limits: { ...operationLimits, ...limits },
    clock: systemClock,
    log() {},
    end: (message) => ended.push(message),
  })
  const server = createHostServer(device, 'simulated')
  const socketPath = join(folder, 'device.sock')
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const client = new HostClient(socketPath)
  return {
    npu,
    device,
    client,
    ended,
    model(name, changes = {}) {
      const file = join(folder, `${name}.hef`)
      writeFileSync(file, name)
      const sha256 = createHash('sha256').update(name).digest('hex')
      return { name, file, sha256, batch: 0, powerMode: 'performance', priority: 16, slots: 2, ...changes }
    },
    async [Symbol.asyncDispose]() {
      client.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const frame = (seed: number) => Buffer.from(Array.from({ length: frameBytes }, (_, index) => (index * 7 + seed) & 0xff))

test('opens for the first model, answers frames of each, and closes after the last', async () => {
  await using bench = await createBench()
  const { npu, client, device } = bench
  const [a, b] = [await client.load(bench.model('a', { priority: 20 })), await client.load(bench.model('b'))]
  assert.equal(npu.takeCalls(), ['open', 'load a', 'priority 20', 'load b'])
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, seed) => client.infer(seed % 2 === 0 ? a.id : b.id, frame(seed))),
  )
  answers.forEach(({ status, body }, seed) => {
    assert.is(status, 200)
    assert.equal(body, answerTo(frame(seed)))
  })
  a.release()
  await until(
    () => npu.calls.length > 0,
    () => 'an unload',
  )
  assert.equal(npu.takeCalls(), ['unload a'])
  b.release()
  await until(
    () => npu.openDevices === 0,
    () => 'a close',
  )
  assert.equal(npu.takeCalls(), ['unload b', 'close'])
  await until(
    () => device.state.device === 'closed',
    () => 'closed',
  )
})

test('a frame of another size is refused', async () => {
  await using bench = await createBench()
  const lease = await bench.client.load(bench.model('a'))
  const { status, refusal } = await bench.client.infer(lease.id, new Uint8Array(3))
  assert.is(status, 422)
  assert.is(refusal.error.message, 'a: expected 64 bytes of inputs, found 3')
  assert.is((await bench.client.infer(lease.id, frame(1))).status, 200)
})

test('a caller whose time is over, or who leaves, gives his frame up; the next one gets his own answer', async () => {
  await using bench = await createBench({ frameTimeoutMs: 5000 })
  const { npu, client } = bench
  const lease = await client.load(bench.model('a'))
  npu.isStalled = true
  const left = new AbortController()
  const leaving = client.infer(lease.id, frame(1), { signal: left.signal }).catch((error: Error) => error)
  const late = await client.infer(lease.id, frame(2), { timeoutMs: 20 })
  assert.is(late.refusal.error.code, 'deadline_exceeded')
  left.abort()
  assert.instance(await leaving, Error)
  // Both slots are taken: it waits.
  const third = client.infer(lease.id, frame(3))
  await until(
    () => bench.device.state.models[0]!.waiting === 1,
    () => 'one that waits',
  )
  npu.resume()
  assert.equal((await third).body, answerTo(frame(3)))
})

test('a chip that is full of what is not in use any more is cleared; those that stay still answer', async () => {
  await using bench = await createBench()
  const { npu, client } = bench
  npu.room = 2
  const [a, b] = [await client.load(bench.model('a')), await client.load(bench.model('b'))]
  b.release()
  await until(
    () => npu.calls.includes('unload b'),
    () => 'an unload',
  )
  npu.takeCalls()
  const [, waiting] = await Promise.all([client.load(bench.model('c')), client.infer(a.id, frame(1))])
  assert.equal(npu.takeCalls(), ['load c', 'unload a', 'close', 'open', 'load a', 'load c'])
  assert.equal(waiting.body, answerTo(frame(1)))
  assert.equal((await client.infer(a.id, frame(2))).body, answerTo(frame(2)))
  assert.is(bench.device.state.hardUnloads, 1)
  const refusal = (await client.load(bench.model('d')).catch((error: unknown) => error)) as Refusal
  assert.is(refusal.isFull, true)
  assert.is(refusal.error.code, 'out_of_memory')
  assert.equal(npu.takeCalls(), ['load d'])
})

test('the chip is not cleared while a frame is on it', async () => {
  await using bench = await createBench({ frameTimeoutMs: 5000 })
  const { npu, client } = bench
  npu.room = 2
  const [a, b] = [await client.load(bench.model('a')), await client.load(bench.model('b'))]
  b.release()
  await until(
    () => npu.calls.includes('unload b'),
    () => 'an unload',
  )
  npu.takeCalls()
  npu.isStalled = true
  const flying = client.infer(a.id, frame(1))
  await until(
    () => bench.device.state.models[0]!.flying === 1,
    () => 'a frame on the device',
  )
  const loading = client.load(bench.model('c'))
  await until(
    () => bench.device.state.device === 'recycling',
    () => 'a hard unload',
  )
  const next = client.infer(a.id, frame(2))
  await until(
    () => bench.device.state.models[0]!.waiting === 1,
    () => 'a frame that waits',
  )
  assert.equal(npu.takeCalls(), ['load c'])
  npu.resume()
  assert.equal((await flying).body, answerTo(frame(1)))
  await loading
  assert.equal((await next).body, answerTo(frame(2)))
})

test('a device that stands still for one model: identify, and the model is loaded anew', async () => {
  await using bench = await createBench()
  const { npu, client } = bench
  const lease = await client.load(bench.model('a'))
  npu.takeCalls()
  npu.isStalled = true
  const stuck = await Promise.all([1, 2].map((seed) => client.infer(lease.id, frame(seed))))
  assert.equal(
    stuck.map(({ status, refusal }) => [status, refusal.error.code]),
    [
      [503, 'device_failed'],
      [503, 'device_failed'],
    ],
  )
  const waiting = client.infer(lease.id, frame(3))
  npu.isStalled = false
  assert.equal((await waiting).body, answerTo(frame(3)))
  // Each frame that is overdue has it asked, when its turn comes.
  assert.equal([...new Set(npu.takeCalls())], ['identify', 'unload a', 'load a'])
  assert.is(bench.device.state.timeouts, 2)
})

test('a lost device is abandoned; it is opened again after a while, and is told as unavailable until then', async () => {
  await using bench = await createBench()
  const { npu, client } = bench
  const [a, b] = [await client.load(bench.model('a')), await client.load(bench.model('b'))]
  npu.takeCalls()
  npu.fail('frame', 62)
  npu.fail('identify', 62)
  const failed = await client.infer(a.id, frame(1))
  assert.is(failed.refusal.error.code, 'device_failed')
  const [lostA, lostB] = await Promise.all([a.lost, b.lost])
  assert.is(lostA!.retryAfterMs, 250)
  assert.match(lostB!.lost, /was lost/)
  assert.equal(npu.takeCalls(), ['identify', 'abandon'])
  const refused = (await client.load(bench.model('a')).catch((error: unknown) => error)) as Refusal
  assert.is(refused.error.code, 'device_unavailable')
  assert.is(bench.device.state.device, 'lost')
  assert.is((await client.infer(a.id, frame(1))).refusal.error.code, 'device_failed')
  await until(
    () =>
      client.load(bench.model('a')).then(
        () => true,
        () => false,
      ),
    () => 'the device to be back',
  )
  assert.is(bench.device.state.losses, 1)
})

test('false timeouts: opening is tried again, a load as well, and then all is cleared', async () => {
  await using bench = await createBench()
  const { npu, client } = bench
  npu.fail('open', 4, 4)
  npu.fail('load', 4, 4)
  const lease = await client.load(bench.model('a'))
  assert.equal(npu.takeCalls(), ['open', 'open', 'open', 'load a', 'load a', 'close', 'open', 'load a'])
  assert.equal((await client.infer(lease.id, frame(1))).body, answerTo(frame(1)))
})

test('what fails for good says why, and the device is free again', async () => {
  await using bench = await createBench()
  const { npu, client } = bench
  npu.fail('open', 74)
  const busy = (await client.load(bench.model('a')).catch((error: unknown) => error)) as Refusal
  assert.is(busy.error.code, 'device_unavailable')
  assert.ok(busy.error.retryAfterMs! > 0)
  const other = (await client.load({ ...bench.model('a'), sha256: 'f00' }).catch((error: unknown) => error)) as Refusal
  assert.match(other.error.message, /^a: expected the HEF that was deployed \(sha256 f00/)
  npu.fail('load', 93)
  let wrong: Refusal
  await until(async () => {
    wrong = (await client.load(bench.model('a')).catch((error: unknown) => error)) as Refusal
    return wrong.error.code !== 'device_unavailable'
  }, 'the device to be opened again')
  assert.is(wrong!.error.code, 'load_failed')
  assert.match(wrong!.error.message, /^a: the NPU cannot load the model: /)
  assert.is(npu.openDevices, 0)
})

test('an operation that hangs ends the process', async () => {
  await using bench = await createBench({ limits: { load: 20 } })
  bench.npu.fail('load', 'hang')
  bench.client.load(bench.model('a')).catch(() => {})
  await until(
    () => bench.ended.length > 0,
    () => 'an end',
  )
  assert.match(bench.ended[0]!, /^load a: expected the NPU's answer within 20 ms/)
})

test.run()

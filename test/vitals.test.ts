import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { Vitals, type Stall } from '../runtime/vitals.ts'
import { answering, identityModel } from './deployments/tiny.ts'
import { createProject } from './support/pellet.ts'
import { freePorts } from './support/ports.ts'
import { until } from './support/process.ts'
import { projectRoot } from './support/root.ts'
import { hasPython, SmallServiceManager } from './support/service-manager.ts'

const test = suite('vitals')

const silent = { error() {}, info() {} }

const frame = (number: number): Stall => ({ key: `frame ${number}`, message: 'frame waits', allowedMs: 5000 })

/** `found` at each look, and the time since the one before: seconds, 1 unless it says more. */
const cases: { title: string; looks: { found: Stall[]; afterS?: number }[]; problem: string | undefined }[] = [
  { title: 'nothing is found', looks: repeat(10, () => ({ found: [] })), problem: undefined },
  {
    title: 'one frame stands still for as long as it may, less one look',
    looks: repeat(5, () => ({ found: [frame(1)] })),
    problem: undefined,
  },
  {
    title: 'one frame stands still for as long as it may',
    looks: repeat(6, () => ({ found: [frame(1)] })),
    problem: 'frame waits, for 5 s',
  },
  {
    title: 'frames come and go, one at each look',
    looks: repeat(60, (n) => ({ found: [frame(n)] })),
    problem: undefined,
  },
  {
    title: 'the machine is suspended, or main is stopped, for an hour in the middle of a frame',
    looks: [{ found: [frame(1)] }, { found: [frame(1)], afterS: 3600 }, { found: [frame(1)] }],
    problem: undefined,
  },
  {
    title: 'the clock goes back',
    looks: [{ found: [frame(1)] }, { found: [frame(1)], afterS: -3600 }, ...repeat(3, () => ({ found: [frame(1)] }))],
    problem: undefined,
  },
  {
    title: 'it goes on after all',
    looks: [...repeat(9, () => ({ found: [frame(1)] })), { found: [frame(2)] }],
    problem: undefined,
  },
]

for (const { title, looks, problem } of cases)
  test(title, () => {
    const clock = { now: 0 }
    const vitals = new Vitals(() => clock.now, silent)
    let found: Stall[] = []
    vitals.watch(() => found)
    for (const look of looks) {
      clock.now += 1000 * (look.afterS ?? 1)
      found = look.found
      vitals.tick()
    }
    assert.is(vitals.problem(), problem)
  })

test('a component that cannot answer is told of, and ends nothing', () => {
  const clock = { now: 0 }
  const vitals = new Vitals(() => clock.now, silent)
  vitals.watch(() => {
    throw new Error('no idea')
  })
  for (clock.now = 0; clock.now <= 5000; clock.now += 1000) vitals.tick()
  assert.is(vitals.problem(), 'whether all moves on cannot be told (no idea), for 5 s')
})

test('who is asked is told that timers do not fire; after a long stop they are given their time', () => {
  const clock = { now: 0 }
  const vitals = new Vitals(() => clock.now, silent)
  vitals.start()
  clock.now = 3_600_000
  assert.is(vitals.problem(), undefined)
  for (const at of [1, 2, 3, 4]) {
    clock.now += 1000
    assert.is(vitals.problem(), at < 4 ? undefined : 'timers of the main process have not fired for 6 s')
  }
  vitals.stop()
})

const service = hasPython ? test : test.skip

service(
  'a lost event and a blocked loop are noticed within 10 s, starve the watchdog, and the next start serves',
  async () => {
    const [port] = (await freePorts(1)) as [number]
    const folder = createProject({
      'models/identity.onnx': identityModel(),
      'functions/well.ts': answering('return {}'),
      'functions/lost.ts': answering('return {}'),
      'functions/blocked.ts': answering('return {}'),
    })
    const manager = await SmallServiceManager.start(folder, [port], {
      NODE_OPTIONS: `--import=${join(projectRoot, 'dist/test/support/sick-scheduler.js')}`,
      WATCHDOG_USEC: '1000000',
      PELLET_PORT: String(port),
    })
    const post = (name: string, signal = AbortSignal.timeout(10_000)) =>
      fetch(`http://127.0.0.1:${port}/v1/${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
        signal,
      })
    const live = () => fetch(`http://127.0.0.1:${port}/health/live`, { signal: AbortSignal.timeout(1500) })
    try {
      await manager.orderUntil('start', 'READY=1')
      assert.is((await post('well')).status, 200)
      assert.equal(await (await live()).json(), { live: true })

      const lostAt = performance.now()
      const left = new AbortController()
      const unanswered = post('lost', left.signal).catch(() => undefined)
      await until(async () => (await live()).status === 503, 'a problem to be noticed')
      assert.ok(performance.now() - lostAt < 10_000)
      const { error } = (await (await live()).json()) as { error: { code: string; message: string } }
      assert.is(error.code, 'stalled')
      assert.match(error.message, /^requests that wait: 1, by the scheduler's books 0, for \d s$/)
      await manager.notified('STATUS=requests that wait: 1')
      const starvedFrom = manager.events.length
      assert.is((await post('well')).status, 200, 'others are served')
      left.abort()
      await unanswered
      await until(async () => (await live()).status === 200, 'the problem to be gone')
      const fed = manager.messages(starvedFrom).findIndex((text) => text === 'WATCHDOG=1')
      const well = manager.messages(starvedFrom).findIndex((text) => text.startsWith('STATUS=serving'))
      assert.ok(fed === -1 || fed >= well - 1, 'not fed before it was well again')
      // Lines of the log come by a way of their own, after the answer.
      await until(() => manager.logged().includes('progress again'), 'the log to say so')
      const told = manager.logged().match(/no progress: requests that wait: 1|progress again/g)
      assert.equal(told, ['no progress: requests that wait: 1', 'progress again'])

      const from = manager.events.length
      await post('blocked', AbortSignal.timeout(1500)).catch(() => undefined)
      assert.is(await live().catch((problem: Error) => problem.name), 'TimeoutError')
      assert.ok(manager.messages(from).length <= 1, 'no pulse')
      manager.order('SIGKILL')
      await manager.orderUntil('start', 'READY=1')
      assert.equal(await (await live()).json(), { live: true })
    } finally {
      await manager.close()
    }
  },
)

test.run()

// --- internal ---

function repeat<Item>(count: number, item: (n: number) => Item): Item[] {
  return Array.from({ length: count }, (_, n) => item(n))
}

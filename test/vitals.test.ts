import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { Vitals, type Stall } from '../runtime/vitals.ts'
import { answering, identityModel } from './deployments/tiny.ts'
import { RunningPellet } from './support/pellet.ts'
import { until } from './support/process.ts'
import { projectRoot } from './support/root.ts'

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

test('a scheduler that loses an event is noticed within 10 s, told, and logged; nothing else is', async () => {
  const pellet = await RunningPellet.start(
    {
      'models/identity.onnx': identityModel(),
      'functions/well.ts': answering('return {}'),
      'functions/sick.ts': answering('return {}'),
    },
    [],
    { NODE_OPTIONS: `--import=${join(projectRoot, 'dist/test/support/losing-scheduler.js')}` },
  )
  try {
    const live = () => pellet.fetch('/health/live')
    assert.is((await pellet.post('/v1/well', {})).status, 200)
    assert.equal(await (await live()).json(), { live: true })
    const lostAt = performance.now()
    const left = new AbortController()
    const unanswered = pellet.post('/v1/sick', {}, {}, left.signal).catch(() => undefined)
    await until(async () => (await live()).status === 503, 'a problem to be noticed')
    assert.ok(performance.now() - lostAt < 10_000)
    const answer = await live()
    const { error } = (await answer.json()) as { error: { code: string; message: string } }
    assert.is(error.code, 'stalled')
    assert.match(error.message, /^1 request waited, of which the scheduler knew 0, for \d s$/)
    assert.is((await pellet.post('/v1/well', {})).status, 200, 'others are served')
    left.abort()
    await unanswered
    await until(async () => (await live()).status === 200, 'the problem to be gone')
    const told = pellet.log.filter(({ msg }) => /progress/.test(msg)).map(({ level, msg }) => `${level} ${msg}`)
    assert.is(told.length, 2, told.join('\n'))
    assert.match(told[0]!, /^error no progress: 1 request waited/)
    assert.is(told[1], 'info progress again')
  } finally {
    await pellet.stop()
  }
})

test.run()

// --- internal ---

function repeat<Item>(count: number, item: (n: number) => Item): Item[] {
  return Array.from({ length: count }, (_, n) => item(n))
}

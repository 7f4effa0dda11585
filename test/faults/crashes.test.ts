// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { functionProject } from '../support/functions.ts'
import { RunningPellet, starterModel } from '../support/pellet.ts'
import { rssOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { besideSteady, expectError, expectOk } from './beside.ts'

const crashes = suite('a function that takes its process down')
let pellet: RunningPellet

/** Throws while its model, of some 10 ms, works on ten requests. */
const thrown = `
import { defineFunction, step } from 'pellet'
export default defineFunction({
  manifest: { route: 'POST /v1/thrown', model: { onnx: 'depth.onnx' }, pre: ['start'], post: ['end'], limits: { concurrency: 10 } },
  steps: {
    start: step.request(({ fields }, { model }) => {
      if (fields.fault) setTimeout(() => { throw new Error('nobody catches me') }, 60)
      const [{ name, shape }] = model.inputs
      return { [name]: { type: 'float32', dims: shape, data: new Float32Array(3 * 256 * 320) } }
    }),
    end: step.outputs(() => ({ ok: true, pid: process.pid })),
  },
})
`

crashes.before(async () => {
  pellet = await RunningPellet.start({
    'models/depth.onnx': starterModel('depth.onnx'),
    'functions/thrown.ts': thrown,
    ...functionProject({
      steady: {},
      heap: {
        manifest: { limits: { heap: '64MB' } },
        pre: `if (fields.fault) { const kept = []; for (;;) kept.push({ list: new Array(1000).fill(Math.random()) }) }`,
      },
      buffers: {
        manifest: { limits: { memory: '200MB' } },
        pre: `if (fields.fault) {
          const kept = []
          for (let at = 0; at < 128; at++) {
            kept.push(Buffer.alloc(16 * 2 ** 20, 1))
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
          await new Promise((resolve) => setTimeout(resolve, 20_000))
          return kept
        }`,
      },
      abort: { pre: `if (fields.fault) process.abort()` },
      exit: { pre: `if (fields.fault) process.exit(0)` },
      killed: { pre: `if (fields.fault) await new Promise(() => {})` },
      rejection: {
        pre: `if (fields.fault) setTimeout(() => Promise.reject(new Error('nobody awaits me')), 50)`,
      },
      narrow: {
        manifest: { limits: { concurrency: 1 } },
        pre: `if (fields.fault) { await new Promise((resolve) => setTimeout(resolve, 300)); process.abort() }`,
      },
      stubborn: { pre: `if (fields.fault) process.abort()` },
    }),
  })
})
crashes.after(async () => {
  await pellet.stop('SIGKILL')
})

/** Makes it crash: the caller is told so, the next request works in another process, and the crash is counted. */
async function crashAndRecover(name: string, message: RegExp, code = 'isolate_crashed'): Promise<void> {
  const { pid } = await expectOk(await pellet.post(`/v1/${name}`, {}))
  const answer = await pellet.post(`/v1/${name}`, { fault: true }, { 'x-request-id': `crash-${name}` })
  await expectError(answer, { status: 503, code, message, isRetryable: true, requestId: `crash-${name}` })
  const next = await expectOk(await pellet.post(`/v1/${name}`, {}))
  assert.is.not(next.pid, pid)
  await until(() => !isAlive(pid), 'the crashed process to be gone')
  const row = await pellet.row(name)
  assert.is(row.loads, 2)
  assert.is(row.crashes, 1)
}

crashes('by exhausting its heap: 503, and the next request works', () =>
  besideSteady(pellet, () => crashAndRecover('heap', /^heap: /)),
)

crashes('by process.abort: 503, and the next request works', () =>
  besideSteady(pellet, () => crashAndRecover('abort', /^abort: /)),
)

crashes('by process.exit(0): 503, and the next request works', () =>
  besideSteady(pellet, () => crashAndRecover('exit', /^exit: /)),
)

crashes('by allocating 2 GB outside the heap is killed at twice limits.memory: 503, and the next request works', () =>
  besideSteady(pellet, async () => {
    const rss = rssOf(pellet.pid)
    await crashAndRecover('buffers', /^buffers: /, 'out_of_memory')
    await pellet.logged(({ deployment, reason }) => deployment === 'buffers' && reason === 'memory')
    assert.ok(rssOf(pellet.pid) < rss + 30 * 2 ** 20)
  }),
)

crashes('by a kill -9 from outside, in the middle of a request: 503, and the next request works', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/killed', {}))
    const answer = pellet.post('/v1/killed', { fault: true })
    await pellet.rowWhen('killed', (row) => row.in_flight === 1)
    process.kill(pid, 'SIGKILL')
    await expectError(await answer, { status: 503, code: 'isolate_crashed', isRetryable: true })
    assert.is.not((await expectOk(await pellet.post('/v1/killed', {}))).pid, pid)
  }),
)

crashes('by a kill -9 from outside while idle: the next request works and nobody notices', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/killed', {}))
    process.kill(pid, 'SIGKILL')
    await pellet.logged((line) => line.deployment === 'killed' && line['pid'] === pid && line.msg.startsWith('gone'))
    assert.is.not((await expectOk(await pellet.post('/v1/killed', {}))).pid, pid)
  }),
)

crashes('by a rejection that nobody awaits, after its answer: the next request works', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/rejection', { fault: true }))
    await pellet.logged(({ deployment, msg }) => deployment === 'rejection' && /nobody awaits me/.test(msg))
    // Between its end and main's notice of it lie some microseconds, in which a request is still sent its way.
    await pellet.logged(({ deployment, msg }) => deployment === 'rejection' && msg.startsWith('gone: '))
    assert.not(isAlive(pid))
    assert.is.not((await expectOk(await pellet.post('/v1/rejection', {}))).pid, pid)
  }),
)

crashes('by an error that nobody catches, while its model works: it is not aborted', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/thrown', {}))
    const others = Array.from({ length: 9 }, () => pellet.post('/v1/thrown', {}))
    await Promise.all([pellet.post('/v1/thrown', { fault: true }), ...others])
    const gone = await pellet.logged(({ deployment, msg }) => deployment === 'thrown' && msg.startsWith('gone: '))
    assert.is(gone.msg, 'gone: exit code 1')
    assert.ok(pellet.log.some(({ deployment, msg }) => deployment === 'thrown' && /nobody catches me/.test(msg)))
    assert.not(pellet.log.some(({ msg }) => msg.includes('Napi::Error')))
    assert.is.not((await expectOk(await pellet.post('/v1/thrown', {}))).pid, pid)
  }),
)

crashes('is alone in its fate: those who wait behind it get another process', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/narrow', {}))
    const faulty = pellet.post('/v1/narrow', { fault: true })
    await pellet.rowWhen('narrow', (row) => row.in_flight === 1)
    const others = Array.from({ length: 10 }, () => pellet.post('/v1/narrow', {}))
    await expectError(await faulty, { status: 503, code: 'isolate_crashed', isRetryable: true })
    for (const other of others) assert.is.not((await expectOk(await other)).pid, pid)
    assert.is((await pellet.row('narrow')).loads, 2)
  }),
)

crashes('at every request backs off after the third time, and says when to try again', () =>
  besideSteady(pellet, async () => {
    for (let time = 0; time < 3; time++)
      await expectError(await pellet.post('/v1/stubborn', { fault: true }), {
        status: 503,
        code: 'isolate_crashed',
        isRetryable: true,
      })
    await pellet.rowWhen('stubborn', (row) => row.crashes === 3)
    const refused = await pellet.post('/v1/stubborn', {})
    await expectError(refused, { status: 503, code: 'isolate_crashed', isRetryable: true })
    assert.is((await pellet.row('stubborn')).state, 'failed')
    await until(async () => (await pellet.post('/v1/stubborn', {})).status === 200, 'the back-off to end')
  }),
)

crashes.run()

// @timeout 150s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { functionProject, stuck } from '../support/functions.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { besideSteady, expectError, expectLeft, expectOk } from './beside.ts'

const steps = suite('a function whose steps misbehave')
let pellet: RunningPellet

steps.before(async () => {
  pellet = await RunningPellet.start(
    functionProject({
      steady: {},
      thrower: { pre: `if (fields.fault) throw new TypeError('the shoe pinches')` },
      'post-thrower': { post: `throw { not: 'an error' }` },
      'no-tensors': { pre: `if (fields.fault) return` },
      nothing: { post: `return undefined` },
      'no-json': { post: `const loop = {}; loop.loop = loop; return loop` },
      'wrong-shape': {
        pre: `if (fields.fault) return { imu_window: { type: 'float32', dims: [1, 5], data: new Float32Array(5) } }`,
      },
      looper: { manifest: { limits: { timeout: '2s' } }, pre: `if (fields.fault) ${stuck}` },
      abandoned: { manifest: { limits: { timeout: '2s' } }, pre: `if (fields.fault) ${stuck}` },
      babbler: {
        pre: `if (fields.fault) {
          for (const message of [null, 'x', 7, {}, { type: 'failed' }, { type: 'ready' }, { type: 'pong' }])
            process.send(message)
        }`,
      },
      hermit: { pre: `if (fields.fault) process.disconnect()` },
      never: { manifest: { limits: { timeout: '2s' } }, pre: `if (fields.fault) await new Promise(() => {})` },
      slow: {
        manifest: { limits: { timeout: '2s' } },
        pre: `if (fields.fault) await new Promise((resolve, reject) => {
          context.signal.addEventListener('abort', () => setTimeout(reject, 150, context.signal.reason))
        })`,
      },
    }),
  )
  // Their deadlines are short; a load counts, and may take longer on a busy machine.
  for (const name of ['looper', 'abandoned', 'never', 'slow'])
    await pellet.admin('POST', `/api/deployments/${name}/load`)
})
steps.after(async () => {
  await pellet.stop('SIGKILL')
})

steps('that throws is answered 500 with its message and the step, and works on', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/thrower', {}))
    const answer = await pellet.post('/v1/thrower', { fault: true }, { 'x-request-id': 'mine-1' })
    await expectError(answer, {
      status: 500,
      code: 'function_failed',
      message: /step start: the shoe pinches/,
      requestId: 'mine-1',
    })
    await pellet.logged(({ deployment, msg }) => deployment === 'thrower' && /the shoe pinches/.test(msg))
    assert.is((await expectOk(await pellet.post('/v1/thrower', {}))).pid, pid)
    assert.is((await pellet.row('thrower')).loads, 1)
  }),
)

steps('that throws what is no error, or returns what cannot be written, is answered 500', async () => {
  await expectError(await pellet.post('/v1/post-thrower', {}), { status: 500, code: 'function_failed' })
  const nothing = await pellet.post('/v1/nothing', {})
  await expectError(nothing, { status: 500, code: 'function_failed', message: /returned nothing/ })
  await expectError(await pellet.post('/v1/no-json', {}), { status: 500, code: 'function_failed', message: /circular/ })
})

steps('that hands the model nothing is answered 500 with its name', async () => {
  const answer = await pellet.post('/v1/no-tensors', { fault: true })
  await expectError(answer, { status: 500, code: 'function_failed', message: /step start: .* found undefined/ })
})

steps('that hands the model a wrong shape is told so by name, and works on', async () => {
  const answer = await pellet.post('/v1/wrong-shape', { fault: true })
  assert.ok(answer.status === 500 || answer.status === 422)
  assert.match(await answer.text(), /imu_window/)
  await expectOk(await pellet.post('/v1/wrong-shape', {}))
})

/** What waits for a deadline waits side by side. */
const overdue: [what: string, fault: () => Promise<void>][] = [
  [
    'that loops for ever is answered 504 at limits.timeout; its process goes, the next request gets another',
    async () => {
      const { pid } = await expectOk(await pellet.post('/v1/looper', {}))
      const startedAt = performance.now()
      const answer = await pellet.post('/v1/looper', { fault: true })
      const tookMs = performance.now() - startedAt
      await expectError(answer, { status: 504, code: 'deadline_exceeded', message: /2000 ms \(limits.timeout\)/ })
      assert.ok(tookMs > 1900 && tookMs < 8000, `answered after ${tookMs} ms`)
      await servedByAnother('looper', pid)
      await until(() => !isAlive(pid), 'the looping process to be gone')
      assert.is((await pellet.row('looper')).loads, 2)
    },
  ],
  [
    'that loops for ever for a caller who left is found out by the deadline, and replaced',
    async () => {
      const { pid } = await expectOk(await pellet.post('/v1/abandoned', {}))
      await expectLeft(pellet.post('/v1/abandoned', { fault: true }, {}, AbortSignal.timeout(300)))
      await until(() => !isAlive(pid), 'the looping process to be gone', 15_000)
      await servedByAnother('abandoned', pid)
    },
  ],
  [
    'that never answers is answered 504, and replaced, since what it holds is lost',
    async () => {
      const { pid } = await expectOk(await pellet.post('/v1/never', {}))
      await expectError(await pellet.post('/v1/never', { fault: true }), { status: 504, code: 'deadline_exceeded' })
      await servedByAnother('never', pid)
      await until(() => !isAlive(pid), 'the process of the lost request to be gone')
    },
  ],
  [
    'that is only slow and heeds the signal, if not at once, is answered 504, and its process stays',
    async () => {
      const { pid } = await expectOk(await pellet.post('/v1/slow', {}))
      await expectError(await pellet.post('/v1/slow', { fault: true }), { status: 504, code: 'deadline_exceeded' })
      assert.is((await expectOk(await pellet.post('/v1/slow', {}))).pid, pid)
      assert.is((await pellet.row('slow')).loads, 1)
    },
  ],
]

let ends: PromiseSettledResult<void>[]
steps('that are overdue, several of them at once, do not disturb others', () =>
  besideSteady(pellet, async () => {
    ends = await Promise.allSettled(overdue.map(([, fault]) => fault()))
  }),
)
for (const [index, [what]] of overdue.entries())
  steps(what, () => {
    const end = ends[index]!
    if (end.status === 'rejected') throw end.reason
  })

steps('that sends what it likes to its parent harms nobody', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/babbler', { fault: true }))
    assert.is((await expectOk(await pellet.post('/v1/babbler', {}))).pid, pid)
    assert.is((await pellet.row('babbler')).loads, 1)
  }),
)

steps('that cuts itself off from its parent ends; the next request works', () =>
  besideSteady(pellet, async () => {
    const { pid } = await expectOk(await pellet.post('/v1/hermit', {}))
    const answer = await pellet.post('/v1/hermit', { fault: true })
    await expectError(answer, { status: 503, code: 'isolate_crashed', isRetryable: true })
    assert.is.not((await expectOk(await pellet.post('/v1/hermit', {}))).pid, pid)
  }),
)

steps.run()

// --- internal ---

/**
 * A silent isolate gets no more requests, and another is loaded beside it: most often within the same short deadline,
 * and where the machine is busy within one of the next.
 */
async function servedByAnother(name: string, silent: number): Promise<void> {
  let answer = await pellet.post(`/v1/${name}`, {})
  for (let turn = 0; turn < 5 && answer.status !== 200; turn++) {
    await expectError(answer, { status: 504, code: 'deadline_exceeded' })
    assert.is.not((await pellet.row(name)).pid, silent, 'the request was given to the silent one')
    answer = await pellet.post(`/v1/${name}`, {})
  }
  assert.is.not((await expectOk(answer)).pid, silent)
}

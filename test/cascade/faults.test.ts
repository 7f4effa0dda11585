// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering } from '../deployments/tiny.ts'
import { expectError, expectLeft } from '../faults/beside.ts'
import { RunningPellet } from '../support/pellet.ts'
import { isAlive } from '../support/processes.ts'
import { until } from '../support/process.ts'
import { calling, cascade, cascadeProject } from './project.ts'

const test = suite('a cascade in which something goes wrong')
let pellet: RunningPellet

/** Does to itself what its item says. Two that `meet` are answered together. */
const victim = `
  const { what } = request.fields
  if (what === 'abort') process.abort()
  if (what === 'loop') for (;;);
  if (what === 'throw') throw new Error('thrown')
  if (what === 'wait') {
    console.log('waiting')
    await new Promise((resolve, reject) => context.signal.addEventListener('abort', () => {
      console.log('noticed')
      reject(context.signal.reason)
    }))
  }
  if (what === 'meet') await new Promise((resolve) => { meeting.push(resolve); if (meeting.length === 2) meeting.splice(0).forEach((go) => go()) })
  return { theirs: process.pid }`

const caller = (deployment: string, manifest = '') =>
  cascade(
    'return { pid: process.pid, items: (request.fields.items ?? []).map((what) => ({ what })) }',
    [calling({ deployment, each: 'items', send: 'what' })],
    manifest,
  )

test.before(async () => {
  pellet = await RunningPellet.start(
    cascadeProject({
      victim: answering(victim, { head: 'const meeting = []', manifest: 'limits: { concurrency: 2, timeout: "60s" }' }),
      patient: caller('victim', 'limits: { timeout: "60s" }'),
      hasty: caller('victim', 'limits: { timeout: "1500ms", concurrency: 2 }'),
      outer: cascade(
        'return { items: request.fields.items }',
        [calling({ deployment: 'hasty', send: 'items', take: 'pid' })],
        'limits: { timeout: "1s" }',
      ),
      hopeless: caller('unloadable'),
      unloadable: answering('return {}', {
        head: `import { env } from 'node:process'\nif (env.UV_THREADPOOL_SIZE) throw new Error('not in an isolate')`,
      }),
    }),
  )
})
/** A load may take longer than the deadlines here: those who have them are loaded without one. */
async function ready(...names: string[]): Promise<void> {
  await Promise.all(names.map((name) => pellet.admin('POST', `/api/deployments/${name}/load`)))
}

test.after(async () => {
  await pellet.stop('SIGKILL')
})

interface Answer {
  pid: number
  items: { theirs: number }[]
}

async function works(name: string, items: string[] = ['']): Promise<Answer> {
  const answer = await pellet.post(`/v1/${name}`, { items })
  const text = await answer.text()
  assert.is(answer.status, 200, text)
  return JSON.parse(text) as Answer
}

const count = (msg: string) => pellet.log.filter((line) => line.deployment === 'victim' && line.msg === msg).length

async function allEnded(): Promise<void> {
  for (const name of ['patient', 'hasty', 'outer', 'victim'])
    await pellet.rowWhen(name, ({ in_flight: inFlight, queued }) => inFlight === 0 && queued === 0)
}

test('items are worked on side by side, as limits.concurrency of the callee allows', async () => {
  assert.is((await works('patient', ['meet', 'meet'])).items.length, 2)
})

test('the callee crashes: 503 that names it, and its caller lives on', async () => {
  const before = await works('patient')
  const answer = await pellet.post('/v1/patient', { items: ['', 'abort'] })
  const message = /^victim: the process that served this request ended: SIGABRT/
  await expectError(answer, { status: 503, code: 'isolate_crashed', message, isRetryable: true })
  const after = await works('patient')
  assert.is(after.pid, before.pid)
  assert.is.not(after.items[0]!.theirs, before.items[0]!.theirs)
  assert.is((await pellet.row('patient')).crashes, 0)
})

test('the process of the caller dies: 503 that names it, and the callee stops its work and lives on', async () => {
  const before = await works('patient')
  const noticed = count('noticed')
  const waiting = count('waiting')
  const answer = pellet.post('/v1/patient', { items: ['wait'] })
  await until(() => count('waiting') > waiting, 'the callee to wait')
  process.kill(before.pid, 'SIGKILL')
  const message = /^patient: the process that served this request ended/
  await expectError(await answer, { status: 503, code: 'isolate_crashed', message, isRetryable: true })
  await until(() => count('noticed') > noticed, 'the callee to notice')
  const after = await works('patient')
  assert.is.not(after.pid, before.pid)
  assert.is(after.items[0]!.theirs, before.items[0]!.theirs)
  await allEnded()
})

test('an item fails: those beside it are given up, and the answer does not wait for them', async () => {
  const noticed = count('noticed')
  const answer = await pellet.post('/v1/patient', { items: ['wait', 'throw'] })
  const message = /^victim, item 2 of 2: step answer: thrown$/
  await expectError(answer, { status: 500, code: 'function_failed', message })
  assert.is(count('noticed'), noticed + 1)
})

test('the deadline of the first request is that of all: one 504, and every process works on', async () => {
  await ready('hasty', 'victim')
  const before = await works('hasty')
  const outer = await pellet.post('/v1/hasty', { items: ['wait'] })
  const message = /^hasty: expected an answer within 1500 ms/
  await expectError(outer, { status: 504, code: 'deadline_exceeded', message })
  await allEnded()
  assert.equal(await works('hasty'), before)
  assert.equal(
    pellet.log.filter(({ reason }) => reason === 'hung'),
    [],
  )
})

test('a caller who leaves ends the work of all: places come back, and every process works on', async () => {
  const before = await works('patient')
  const waiting = count('waiting')
  const noticed = count('noticed')
  const leave = new AbortController()
  const answer = pellet.post('/v1/patient', { items: ['wait', 'wait'] }, {}, leave.signal)
  await until(() => count('waiting') === waiting + 2, 'the callee to work')
  leave.abort()
  await expectLeft(answer)
  await until(() => count('noticed') === noticed + 2, 'the callee to notice')
  await allEnded()
  assert.equal(await works('patient'), before)
})

test('a callee that loops is replaced; its caller is not taken to hang', async () => {
  await ready('hasty', 'victim')
  const before = await works('hasty')
  const answer = await pellet.post('/v1/hasty', { items: ['loop'] })
  await expectError(answer, { status: 504, code: 'deadline_exceeded' })
  // The callee is still silent: who needs it not is served at once.
  assert.is((await works('hasty', [])).pid, before.pid)
  const { items, pid } = await works('patient')
  assert.is.not(items[0]!.theirs, before.items[0]!.theirs)
  await until(() => !isAlive(before.items[0]!.theirs), 'the looping process to be gone')
  assert.is((await works('hasty')).pid, before.pid)
  assert.is((await works('patient')).pid, pid)
  assert.is((await pellet.row('hasty')).crashes, 0)
})

test('through three deployments it is the deadline of the first that counts', async () => {
  await ready('outer', 'hasty', 'victim')
  const before = await works('hasty')
  const noticed = count('noticed')
  const answer = await pellet.post('/v1/outer', { items: ['wait'] }, { 'x-request-id': 'deep' })
  const message = /^outer: expected an answer within 1000 ms/
  await expectError(answer, { status: 504, code: 'deadline_exceeded', message, requestId: 'deep' })
  await until(() => count('noticed') > noticed, 'the callee to notice')
  await allEnded()
  assert.equal(await works('hasty'), before)
})

test('a callee that cannot be loaded: its code, its message, and when to try again', async () => {
  const answer = await pellet.post('/v1/hopeless', { items: [''] })
  const message = /^unloadable could not be loaded: .*not in an isolate/s
  await expectError(answer, { status: 503, code: 'load_failed', message, isRetryable: true })
  assert.is((await pellet.row('hopeless')).state, 'ready')
})

test.run()

// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expectError, expectOk } from '../faults/beside.ts'
import { functionProject, slow } from '../support/functions.ts'
import { createProject, RunningPellet, withPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'

const loading = suite('loading and unloading')
const preload = suite('preload')

/** Holds the load up for as long as the file `wait` is there. */
const gate = `
import { existsSync } from 'node:fs'
while (existsSync('wait')) await new Promise((resolve) => setTimeout(resolve, 20))`

let pellet: RunningPellet

loading.before(async () => {
  pellet = await RunningPellet.start(
    functionProject({
      shared: { manifest: { limits: { concurrency: 4, queue: { depth: 32 } } } },
      gated: { module: gate },
      busy: { pre: slow },
      early: {},
    }),
  )
  // The compiler's process may outlast its answer by a moment.
  await until(() => childrenOf(pellet.pid).length === 0, 'the compiler to be gone')
})
// Each begins with nothing loaded, and leaves nothing loaded behind.
loading.before.each(() => {
  assert.equal(childrenOf(pellet.pid), [])
})
loading.after.each(async () => {
  for (const name of ['shared', 'gated', 'busy', 'early']) await pellet.admin('POST', `/api/deployments/${name}/unload`)
  await until(() => childrenOf(pellet.pid).length === 0, 'all to be unloaded')
})
loading.after(async () => {
  await pellet.stop('SIGKILL')
})

loading('nothing is loaded before the first request; twenty at once share one load', async () => {
  for (const { state, memory_bytes: bytes } of Object.values(await pellet.ps()))
    assert.equal([state, bytes], ['cold', 0])
  const answers = await Promise.all(Array.from({ length: 20 }, () => pellet.post('/v1/shared', {})))
  const pids = new Set<number>()
  for (const answer of answers) {
    assert.match(answer.headers.get('server-timing')!, /load;dur=\d/)
    pids.add((await expectOk(answer)).pid)
  }
  assert.is(pids.size, 1)
  const row = await pellet.row('shared')
  assert.is(row.loads, 1)
  assert.equal(childrenOf(pellet.pid), [...pids])
  assert.ok(row.memory_bytes > 20e6 && row.memory_bytes < 200e6, `${row.memory_bytes} bytes`)
})

loading('a load of which all callers left still serves the next one', async () => {
  const marker = join(pellet.folder, 'wait')
  writeFileSync(marker, '')
  const leave = new AbortController()
  const waiting = [1, 2].map(() => pellet.post('/v1/gated', {}, {}, leave.signal).catch(() => 'left'))
  await pellet.rowWhen('gated', (row) => row.queued === 2 && row.state === 'loading')
  leave.abort()
  assert.equal(await Promise.all(waiting), ['left', 'left'])
  await pellet.rowWhen('gated', (row) => row.queued === 0)
  const next = pellet.post('/v1/gated', {})
  await pellet.rowWhen('gated', (row) => row.queued === 1)
  rmSync(marker)
  await expectOk(await next)
  assert.is((await pellet.row('gated')).loads, 1)
})

loading('unload while busy lets the request finish, then process and memory are gone', async () => {
  const { pid } = await expectOk(await pellet.post('/v1/busy', {}))
  const running = pellet.post('/v1/busy', { ms: 1500 })
  await pellet.rowWhen('busy', (row) => row.in_flight === 1)
  assert.is((await pellet.cli('unload', 'busy')).code, 0)
  assert.ok(isAlive(pid))
  // Those who come meanwhile get another process; nobody is refused.
  const next = await expectOk(await pellet.post('/v1/busy', {}))
  assert.is.not(next.pid, pid)
  assert.is((await expectOk(await running)).pid, pid)
  await until(() => !isAlive(pid), 'the unloaded process to be gone')
  await pellet.cli('unload', 'busy')
  await until(() => !isAlive(next.pid), 'the other process to be gone')
  const row = await pellet.rowWhen('busy', ({ state }) => state === 'cold')
  assert.is(row.memory_bytes, 0)
  assert.equal(childrenOf(pellet.pid), [])
})

loading('pellet load loads without a request', async () => {
  assert.is((await pellet.cli('load', 'early')).code, 0)
  const { state, loads, pid } = await pellet.row('early')
  assert.equal([state, loads], ['ready', 1])
  assert.is((await expectOk(await pellet.post('/v1/early', {}))).pid, pid)
})

loading.run()

preload('not ready before it is loaded, but alive, and others are served', async () => {
  const folder = createProject(
    functionProject({
      steady: {},
      gated: {
        manifest: { preload: true },
        // Not when it is looked at at the start, only where it is loaded.
        module: `
import { existsSync } from 'node:fs'
while (process.env.UV_THREADPOOL_SIZE && existsSync('wait')) await new Promise((resolve) => setTimeout(resolve, 20))`,
      },
    }),
  )
  writeFileSync(join(folder, 'wait'), '')
  await withPellet(folder, [], async (pellet) => {
    await pellet.rowWhen('gated', ({ state }) => state === 'loading')
    const ready = await pellet.fetch('/health/ready')
    await expectError(ready, { status: 503, code: 'not_ready', message: /gated/, isRetryable: true })
    assert.is((await pellet.fetch('/health/live')).status, 200)
    await expectOk(await pellet.post('/v1/steady', {}))
    rmSync(join(folder, 'wait'))
    await until(async () => (await pellet.fetch('/health/ready')).status === 200, 'Pellet to be ready')
    assert.is((await pellet.row('gated')).state, 'ready')
    assert.is((await pellet.row('gated')).loads, 1)
  })
})

preload('that fails: not ready, with the reason, until a request brings it about', async () => {
  const folder = createProject(
    functionProject({
      moody: {
        manifest: { preload: true },
        module: `
import { existsSync } from 'node:fs'
if (process.env.UV_THREADPOOL_SIZE && existsSync('not-now')) throw new Error('not now')`,
      },
    }),
  )
  writeFileSync(join(folder, 'not-now'), '')
  await withPellet(folder, [], async (pellet) => {
    await pellet.rowWhen('moody', ({ state }) => state === 'failed')
    const ready = await pellet.fetch('/health/ready')
    await expectError(ready, { status: 503, code: 'not_ready', message: /not now/, isRetryable: true })
    rmSync(join(folder, 'not-now'))
    await until(async () => (await pellet.post('/v1/moody', {})).status === 200, 'the back-off to end')
    assert.is((await pellet.fetch('/health/ready')).status, 200)
  })
})

preload.run()

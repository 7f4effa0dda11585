// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { functionProject } from '../support/functions.ts'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { expectOk } from './beside.ts'

const killed = suite('kill -9 of main')

const swallow = (call: Promise<unknown>) => call.catch(() => {})

killed('leaves no child: idle, in an endless loop, or in the middle of loading; the next start works', async () => {
  const folder = createProject(
    functionProject({
      idle: {},
      looper: { pre: `if (fields.fault) for (;;);` },
      loading: { module: `import { existsSync } from 'node:fs'\nif (existsSync('now')) for (;;);` },
    }),
  )
  const pellet = await RunningPellet.start(folder)
  const idle = await expectOk(await pellet.post('/v1/idle', {}))
  const looper = await expectOk(await pellet.post('/v1/looper', {}))
  void swallow(pellet.post('/v1/looper', { fault: true }))
  await pellet.rowWhen('looper', (row) => row.in_flight === 1)
  writeFileSync(join(folder, 'now'), '')
  void swallow(pellet.post('/v1/loading', {}))
  const loading = await pellet.rowWhen('loading', (row) => row.state === 'loading' && row.pid !== null)
  const children = childrenOf(pellet.pid)
  assert.equal(new Set(children), new Set([idle.pid, looper.pid, loading.pid]))
  await pellet.stop('SIGKILL')
  await until(() => !children.some(isAlive), 'all children to be gone')
  rmSync(join(folder, 'now'))

  const run = join(folder, '.pellet/run')
  const old = readdirSync(run)
  assert.ok(old.length >= 3, 'the crash left sockets behind')
  const next = await RunningPellet.start(folder)
  assert.equal(readdirSync(run).sort(), ['calls.sock', 'own.sock'])
  assert.is(statSync(run).mode & 0o777, 0o700)
  assert.is(statSync(join(folder, '.pellet/pellet.sock')).mode & 0o777, 0o600)
  for (const name of ['idle', 'looper', 'loading']) await expectOk(await next.post(`/v1/${name}`, {}))
  assert.is(readdirSync(run).length, 5)
  assert.is(await next.stop(), 0)
  assert.not(existsSync(run))
  assert.not(existsSync(join(folder, '.pellet/pellet.sock')))
})

killed('during the start, while a function file is looked at, leaves no process either', async () => {
  const pellet = RunningPellet.spawn(functionProject({ looper: { module: `for (;;);` } }))
  // The compiler, and its children: the describer and the bundler.
  let family: number[] = []
  await until(() => {
    const compilers = childrenOf(pellet.pid)
    family = [...compilers, ...compilers.flatMap(childrenOf)]
    return family.length >= 3
  }, 'a compiler with children')
  await pellet.stop('SIGKILL')
  await until(
    () => !family.some(isAlive),
    () => `processes ${family.filter(isAlive).join(', ')} to be gone`,
  )
})

killed.run()

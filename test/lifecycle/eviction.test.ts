// @alone
// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as pause } from 'node:timers/promises'
import { expectOk } from '../faults/beside.ts'
import { functionProject } from '../support/functions.ts'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'

const eviction = suite('when memory is short')
let pellet: RunningPellet

const slow = `if (fields.ms) await new Promise((resolve) => setTimeout(resolve, fields.ms))`

/** A budget for two of the three. Measured first, and alone: with each further isolate the share of common pages falls. */
eviction.before(async () => {
  const folder = createProject(
    functionProject({
      one: { pre: slow },
      two: { pre: slow },
      three: { pre: slow },
      keeper: { manifest: { pin: true } },
    }),
  )
  const measuring = await RunningPellet.start(folder)
  const sizes: number[] = []
  for (const name of ['one', 'two', 'three', 'keeper']) {
    await expectOk(await measuring.post(`/v1/${name}`, {}))
    // The size is measured once the answer is on its way: until then it is the prediction.
    await measuring.logged(({ msg, deployment }) => msg === 'loaded' && deployment === name)
    sizes.push((await measuring.row(name)).memory_bytes)
  }
  assert.is(await measuring.stop(), 0)
  const budget = Math.round(2.2 * Math.max(...sizes))
  pellet = await RunningPellet.start(folder, ['--memory', String(budget)])
})
eviction.after(async () => {
  await pellet.stop('SIGKILL')
})

const ask = (name: string, ms = 0) => pellet.post(`/v1/${name}`, { ms })

eviction('the least recently used goes, and its process with it', async () => {
  const one = await expectOk(await ask('one'))
  const two = await expectOk(await ask('two'))
  assert.is((await expectOk(await ask('one'))).pid, one.pid)
  // two has been idle for longer, by more than what a load's time may differ.
  await pause(1500)
  assert.is((await expectOk(await ask('one'))).pid, one.pid)
  const three = await expectOk(await ask('three'))
  await until(() => !isAlive(two.pid), 'the least recently used to be gone')
  assert.ok(isAlive(one.pid))
  const rows = await pellet.ps()
  assert.equal([rows['one']!.evictions, rows['two']!.evictions, rows['three']!.evictions], [0, 1, 0])
  assert.is(rows['two']!.state, 'cold')
  assert.equal(new Set(childrenOf(pellet.pid)), new Set([one.pid, three.pid]))
})

eviction('one that is busy is never ended for another: it finishes what it holds', async () => {
  await expectOk(await ask('one'))
  await expectOk(await ask('three'))
  const busy = [ask('one', 4000), ask('three', 4000)]
  await pellet.rowWhen('one', (row) => row.in_flight === 1)
  await pellet.rowWhen('three', (row) => row.in_flight === 1)
  const before = await pellet.ps()
  const waiting = ask('two')
  await pellet.rowWhen('two', (row) => row.queued === 1)
  const pids = await Promise.all(busy.map(async (one) => (await expectOk(await one)).pid))
  assert.equal(pids, [before['one']!.pid, before['three']!.pid])
  await expectOk(await waiting)
})

eviction('three that are asked in turn all answer, always', async () => {
  const names = ['one', 'two', 'three']
  const answers = await Promise.all(
    names.map(async (name) => {
      for (let time = 0; time < 3; time++) await expectOk(await ask(name, 50))
      return name
    }),
  )
  assert.equal(answers, names)
  assert.ok(childrenOf(pellet.pid).length <= 3)
})

eviction('what is pinned stays', async () => {
  const { pid } = await expectOk(await pellet.post('/v1/keeper', {}))
  for (const name of ['one', 'two', 'three', 'one', 'two']) await expectOk(await ask(name))
  assert.is((await expectOk(await pellet.post('/v1/keeper', {}))).pid, pid)
  assert.is((await pellet.row('keeper')).evictions, 0)
  assert.is(await pellet.stop(), 0)
})

eviction.run()

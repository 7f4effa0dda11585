// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as pause } from 'node:timers/promises'
import { expectOk } from '../faults/beside.ts'
import { createGate, type Gate } from '../http/gate.ts'
import { parseMetrics, valuesOf } from '../http/prometheus.ts'
import { functionProject } from '../support/functions.ts'
import { RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'

const eviction = suite('when memory is short')
let pellet: RunningPellet
let gate: Gate

/**
 * Memory of its own for each isolate, in its process only: what Node and the engine take beside it depends on how many
 * processes share their pages at the moment (30 to 90 MB), and must not decide how many fit.
 */
const ballast = `
const ballast = process.argv[1].includes('describe') ? undefined : Buffer.alloc(192 * 2 ** 20, 1)
globalThis.kept = ballast`
/** In MB. For two of 204 to 305 MB, and never for three. */
const budget = 610

eviction.before(async () => {
  gate = await createGate()
  const behindGate = { module: ballast, pre: `if (fields.gate) await fetch('${gate.url}')` }
  pellet = await RunningPellet.start(
    functionProject({
      one: behindGate,
      two: behindGate,
      three: behindGate,
      keeper: { module: ballast, manifest: { pin: true } },
    }),
    ['--memory', `${budget}MB`],
  )
  // Once each, so that the sizes are known and not guessed. The last two stay.
  for (const name of ['three', 'one', 'two']) {
    await pellet.admin('POST', `/api/deployments/${name}/load`)
    await pellet.logged(({ msg, deployment }) => msg === 'loaded' && deployment === name)
    const megabytes = (await pellet.row(name)).memory_bytes / 2 ** 20
    assert.ok(
      2 * megabytes <= budget && 3 * megabytes > budget,
      `${name}: ${megabytes} MB, two must fit, three must not`,
    )
    if (name !== 'three') continue
    await pellet.admin('POST', `/api/deployments/${name}/unload`)
    await until(() => childrenOf(pellet.pid).length === 0, 'it to be unloaded')
  }
})
eviction.after(async () => {
  gate.close()
  await pellet.stop('SIGKILL')
})

const ask = (name: string) => pellet.post(`/v1/${name}`, {})

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
  const metrics = parseMetrics(await (await pellet.fetch('/metrics')).text())
  const told = (name: string, suffix: string, labels = {}) =>
    valuesOf(metrics.get(name), { deployment: 'two', ...labels }, suffix)
  assert.equal(told('pellet_unloads_total', '', { reason: 'evicted' }), [1])
  const [age, idle] = ['pellet_eviction_age_seconds', 'pellet_eviction_idle_seconds'].map((name) => told(name, '_sum'))
  assert.ok(idle![0]! >= 1.5 && age![0]! > idle![0]!, `evicted ${age} s after its load, ${idle} s after its last use`)
  assert.equal(new Set(childrenOf(pellet.pid)), new Set([one.pid, three.pid]))
})

eviction('one that is busy is never ended for another: it finishes what it holds', async () => {
  const before = [await expectOk(await ask('one')), await expectOk(await ask('three'))]
  const busy = ['one', 'three'].map((name) => pellet.post(`/v1/${name}`, { gate: true }))
  await gate.waiting(2)
  const waiting = ask('two')
  // It has waited so long that they are closed for it, and goes on to wait for their answers.
  await pellet.logged(({ deployment, msg }) => deployment === 'two' && /busy isolates take no new requests/.test(msg))
  gate.open()
  const pids = await Promise.all(busy.map(async (one) => (await expectOk(await one)).pid))
  assert.equal(
    pids,
    before.map(({ pid }) => pid),
  )
  await expectOk(await waiting)
})

eviction('three that are asked in turn all answer, always', async () => {
  const names = ['one', 'two', 'three']
  const answers = await Promise.all(
    names.map(async (name) => {
      await expectOk(await ask(name))
      return name
    }),
  )
  assert.equal(answers, names)
  assert.ok(childrenOf(pellet.pid).length <= 3)
})

eviction('what is pinned stays', async () => {
  const { pid } = await expectOk(await ask('keeper'))
  for (const name of ['one', 'two']) await expectOk(await ask(name))
  assert.is((await expectOk(await ask('keeper'))).pid, pid)
  assert.is((await pellet.row('keeper')).evictions, 0)
  assert.is(await pellet.stop(), 0)
})

eviction.run()

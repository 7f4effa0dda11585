// @timeout 60s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { expectError, expectOk } from '../faults/beside.ts'
import { functionProject, slow } from '../support/functions.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'

const keepAlive = suite('keep_alive')
let pellet: RunningPellet

keepAlive.before(async () => {
  pellet = await RunningPellet.start(
    functionProject({
      usual: {},
      zero: { manifest: { keep_alive: 0 } },
      'zero-slow': { manifest: { keep_alive: 0 }, pre: slow },
      second: { manifest: { keep_alive: '1s' }, pre: slow },
      forever: { manifest: { keep_alive: -1 } },
      pinned: { manifest: { keep_alive: '1s', pin: true } },
      asked: { manifest: { keep_alive: '10m' } },
    }),
    [],
    { PELLET_MAX_KEEP_ALIVE: '1h' },
  )
})
keepAlive.after(async () => {
  await pellet.stop('SIGKILL')
})

const gone = (pid: number) => until(() => !isAlive(pid), 'the process to be gone')

keepAlive('is five minutes unless the manifest says another', async () => {
  await expectOk(await pellet.post('/v1/usual', {}))
  const { state, expires_in_s: expiresIn } = await pellet.row('usual')
  assert.is(state, 'ready')
  assert.ok(expiresIn! > 280 && expiresIn! <= 300, `expires in ${expiresIn} s`)
})

keepAlive('0 ends the process with the last request, not before', async () => {
  const { pid } = await expectOk(await pellet.post('/v1/zero', {}))
  await gone(pid)
  const row = await pellet.rowWhen('zero', ({ state }) => state === 'cold')
  assert.is(row.memory_bytes, 0)
  assert.is(row.pid, null)

  const both = [pellet.post('/v1/zero-slow', { ms: 1000 }), pellet.post('/v1/zero-slow', {})]
  const pids = await Promise.all(both.map(async (one) => (await expectOk(await one)).pid))
  assert.is(pids[0], pids[1])
  await gone(pids[0]!)
  assert.is((await pellet.row('zero-slow')).loads, 1)
})

keepAlive('1s ends the process a second after the last release, and the next request loads anew', async () => {
  // The short one is over for more than a second when the long one ends.
  const both = [pellet.post('/v1/second', {}), pellet.post('/v1/second', { ms: 1500 })]
  const [pid, other] = await Promise.all(both.map(async (one) => (await expectOk(await one)).pid))
  assert.is(other, pid)
  const releasedAt = performance.now()
  await gone(pid!)
  assert.ok(performance.now() - releasedAt > 900, 'it went before its time')
  const next = await expectOk(await pellet.post('/v1/second', {}))
  assert.is.not(next.pid, pid)
  assert.is((await pellet.row('second')).loads, 2)
})

keepAlive('-1 and pin never expire', async () => {
  await expectOk(await pellet.post('/v1/forever', {}))
  await expectOk(await pellet.post('/v1/pinned', {}))
  assert.is((await pellet.row('forever')).expires_in_s, null)
  assert.is((await pellet.row('pinned')).expires_in_s, null)
})

keepAlive('of a request counts for its own release, within max_keep_alive', async () => {
  const ask = (value: string) => pellet.post('/v1/asked', {}, { 'x-keep-alive': value })
  const expiresIn = async () => (await pellet.row('asked')).expires_in_s!
  await expectOk(await ask('30s'))
  assert.ok((await expiresIn()) <= 30)
  await expectOk(await pellet.post('/v1/asked', {}))
  assert.ok((await expiresIn()) > 500, 'the manifest counts again')
  await expectOk(await ask('5h'))
  assert.ok((await expiresIn()) <= 3600 && (await expiresIn()) > 3500, 'max_keep_alive bounds it')
  const { pid } = await expectOk(await ask('-1'))
  assert.ok((await expiresIn()) <= 3600 && (await expiresIn()) > 3500, 'max_keep_alive bounds for ever')
  await expectError(await ask('soon'), { status: 400, code: 'invalid_request', message: /X-Keep-Alive/ })
  await expectOk(await ask('0'))
  await gone(pid)
  assert.is((await pellet.rowWhen('asked', ({ state }) => state === 'cold')).loads, 1)
  const pinned = await pellet.row('pinned')
  await expectOk(await pellet.post('/v1/pinned', {}, { 'x-keep-alive': '0' }))
  assert.is((await pellet.row('pinned')).pid, pinned.pid)
})

keepAlive.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createGate } from './gate.ts'
import { call, callJson, RawConnection, readPs, type Answer } from './raw.ts'

const test = suite('while Pellet starts')
const inIsolate = `const inIsolate = !process.argv[1].includes('describe')`

test('it says alive and not ready, and lets early callers wait for their routes', async () => {
  const gate = await createGate()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const folder = createProject({
    'models/identity.onnx': identityModel(),
    'functions/slow.ts': answering('return {}', { head: `await fetch('${gate.url}')` }),
    'functions/unwanted.ts': answering('return {}'),
  })
  const starting = RunningPellet.start(folder, ['--port', String(port)])
  await gate.waiting(1)
  const get = (path: string) => call(url + path, { method: 'GET' })
  assert.equal((await get('/health/live')).json, { live: true })
  assert.is((await get('/health')).json.status, 'starting')
  notReady(await get('/health/ready'), 'starting')
  notReady(await get('/health/ready/slow'), 'starting')
  const index = get('/')
  const early = [callJson(`${url}/v1/slow`, {}), callJson(`${url}/f/slow`, {}), callJson(`${url}/v1/none`, {})]
  assert.is((await call(`${url}/health`, { method: 'PUT' })).status, 405)
  const leaving = new RawConnection(url)
  await leaving.send('POST /v1/unwanted HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
  // Its request was read when one that was sent later is answered.
  await get('/health/live')
  leaving.end()
  await get('/health/live')
  gate.open(true)
  const pellet = await starting
  assert.equal(
    (await Promise.all(early)).map(({ status }) => status),
    [200, 200, 404],
  )
  assert.is((await index).json.functions.length, 2, 'the list of functions waits for them')
  assert.is((await get('/health/ready')).status, 200)
  assert.equal((await get('/health/ready/unwanted')).json, { ready: true }, 'it loads with its first request')
  assert.is((await get('/health/ready/none')).status, 404)
  assert.is((await call(`${url}/health/ready/slow`, { method: 'PUT' })).status, 405)
  assert.is((await readPs(folder))['unwanted']!.state, 'cold', 'nothing is loaded for a caller who left')
  assert.is(await pellet.stop(), 0)
  gate.close()
})

test('it is not ready until what is to be preloaded is loaded; the rest serves meanwhile', async () => {
  const gate = await createGate()
  const pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/eager.ts': answering('return {}', {
      manifest: 'preload: true',
      head: `${inIsolate}\nif (inIsolate) await fetch('${gate.url}')`,
    }),
    'functions/other.ts': answering('return {}'),
  })
  await gate.waiting(1)
  notReady(await call(`${pellet.url}/health/ready`, { method: 'GET' }), 'eager')
  const ready = (name: string) => call(`${pellet.url}/health/ready/${name}`, { method: 'GET' })
  notReady(await ready('eager'), 'being loaded')
  assert.is((await ready('other')).status, 200)
  const { deployments } = (await call(`${pellet.url}/health`, { method: 'GET' })).json
  assert.equal(
    deployments.map((row: { name: string; ready: boolean }) => [row.name, row.ready]),
    [
      ['eager', false],
      ['other', true],
    ],
  )
  assert.is((await callJson(`${pellet.url}/v1/other`, {})).status, 200)
  const early = callJson(`${pellet.url}/v1/eager`, {})
  gate.open(true)
  assert.is((await early).status, 200)
  assert.is((await call(`${pellet.url}/health/ready`, { method: 'GET' })).status, 200)
  assert.is((await ready('eager')).status, 200)
  assert.is((await pellet.ps())['eager']!.loads, 1, 'the request shared the load')
  assert.is(await pellet.stop(), 0)
  gate.close()
})

test('a preload that fails is told by name and reason, until the model is loaded after all', async () => {
  const pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/eager.ts': answering('return {}', {
      manifest: 'preload: true',
      head: `import { existsSync } from 'node:fs'\n${inIsolate}\nif (inIsolate && !existsSync('key')) throw new Error('no key')`,
    }),
  })
  await pellet.logged(({ msg }) => msg.startsWith('load failed'))
  notReady(await call(`${pellet.url}/health/ready`, { method: 'GET' }), 'eager')
  notReady(await call(`${pellet.url}/health/ready`, { method: 'GET' }), 'no key')
  notReady(await call(`${pellet.url}/health/ready/eager`, { method: 'GET' }), 'no key')
  const failed = await pellet.cli('load', 'eager')
  assert.is(failed.code, 1)
  assert.match(failed.stderr, 'no key')
  writeFileSync(join(pellet.folder, 'key'), '')
  const loaded = await pellet.cli('load', 'eager')
  assert.is(loaded.code, 0, loaded.stderr)
  const ready = async () => (await call(`${pellet.url}/health/ready`, { method: 'GET' })).status === 200
  await until(ready, 'Pellet to be ready')
  assert.is(await pellet.stop(), 0)
})

function notReady({ status, json, headers }: Answer, why: string): void {
  assert.is(status, 503)
  assert.is(json.error.code, 'not_ready')
  assert.match(json.error.message, why)
  assert.ok(Number(headers['retry-after']) >= 1)
}

test.run()

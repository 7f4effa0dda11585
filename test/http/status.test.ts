import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answering, identityModel } from '../deployments/tiny.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { createGate, type Gate } from './gate.ts'
import { call, callJson, RawConnection, readPs } from './raw.ts'

const test = suite('status routes')

/** As hailo-depth's, the other way round, and the states by name. */
const routes = `{
  'GET /health': { status: 'ok', name: '$name', loaded: '$loaded', ready: '$ready', state: '$state' },
  'GET /health/ready': [
    { when: 'loading', code: 503, body: { ready: false, reason: 'model_loading' } },
    { when: 'failed', code: 503, body: { ready: false, reason: 'load_failed', error: '$last_error' } },
    { body: { ready: true } },
  ],
  'GET /turned': [{ when: 'ready', code: 202, body: null }, { code: 500, body: 'not $state$$' }],
  'GET /both': [{ when: 'not_ready', code: 418, body: [{ is: '$ready' }] }, { code: 201, body: [{ is: '$ready' }] }],
}`
const isolate = `const inIsolate = !process.argv[1].includes('describe')`

let gate: Gate
let pellet: RunningPellet
let port: number

test.before(async () => {
  gate = await createGate()
  port = await freePort()
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/slow.ts': answering('return {}', {
      manifest: `preload: true, listen: ${port}, status: ${routes}`,
      head: `${isolate}\nif (inIsolate) await fetch('${gate.url}')`,
    }),
    'functions/broken.ts': answering('return {}', {
      manifest: `preload: true, status: ${routes}`,
      head: `import { existsSync } from 'node:fs'\n${isolate}\nif (inIsolate && !existsSync('key')) throw new Error('no key')`,
    }),
    'functions/calm.ts': answering(`if (request.fields.fail) throw new Error('no such luck')\nreturn {}`, {
      manifest: `status: { ...${routes}, 'GET /all': {
        name: '$name', model: '$model', engine: '$engine', device: '$device', version: '$version', revision: '$revision',
        digest: '$digest', digest_short: '$digest_short', loaded: '$loaded', ready: '$ready', state: '$state',
        uptime_s: '$uptime_s', inferences: '$inferences', errors: '$errors', last_error: '$last_error',
        latency_ms: '$latency_ms', text: 'v$version: $inferences of $name, $last_error, $$name', plain: 5, none: null,
        list: ['$ready', { deep: '$name' }] } }`,
    }),
  })
})
test.after(async () => {
  gate.close()
  await pellet.stop('SIGKILL')
})

const get = (path: string, base = pellet.url) => call(base + path, { method: 'GET' })
/** Status and body of the four routes. */
async function look(name: string): Promise<unknown[]> {
  const paths = ['/health', '/health/ready', '/turned', '/both']
  const answers = await Promise.all(paths.map((path) => get(`/f/${name}${path}`)))
  return answers.map(({ status, json, text }) => [status, text === '' ? '' : json])
}

test('while its preload runs a deployment is loading, on its own port too', async () => {
  await gate.waiting(1)
  assert.equal(await look('slow'), [
    [200, { status: 'ok', name: 'slow', loaded: false, ready: false, state: 'loading' }],
    [503, { ready: false, reason: 'model_loading' }],
    [500, 'not loading$'],
    [418, [{ is: false }]],
  ])
  const { status, headers, json } = await get('/health/ready', `http://127.0.0.1:${port}`)
  assert.is(status, 503)
  assert.equal(json, { ready: false, reason: 'model_loading' })
  assert.ok(Number(headers['retry-after']) >= 1)
})

test('where its preload failed it has failed, with the reason, until it is loaded after all', async () => {
  await pellet.logged(({ msg, deployment }) => deployment === 'broken' && msg.startsWith('load failed'))
  const failed = async () => {
    const [health, ready, turned, both] = (await look('broken')) as [number, any][]
    assert.is(health![1].ready, false)
    assert.is(ready![0], 503)
    assert.is(ready![1].reason, 'load_failed')
    assert.match(ready![1].error, 'no key')
    assert.is(turned![0], 500)
    assert.is(both![0], 418)
  }
  await failed()
  await pellet.rowWhen('broken', ({ state }) => state === 'cold')
  // The back-off is over, and nothing has changed.
  await failed()
  writeFileSync(join(pellet.folder, 'key'), '')
  await pellet.admin('POST', '/api/deployments/broken/load')
  await until(async () => (await get('/f/broken/health/ready')).status === 200, 'the deployment to be ready')
  const [health] = (await look('broken')) as [number, any][]
  assert.is(health![1].ready, true)
})

test('loaded, it is ready', async () => {
  gate.open(true)
  await until(async () => (await get('/f/slow/health/ready')).status === 200, 'the deployment to be ready')
  assert.equal(await look('slow'), [
    [200, { status: 'ok', name: 'slow', loaded: true, ready: true, state: 'ready' }],
    [200, { ready: true }],
    [202, null],
    [201, [{ is: true }]],
  ])
})

test('without preload it is ready when it is deployed; no isolate is started to say so', async () => {
  assert.equal(await look('calm'), [
    [200, { status: 'ok', name: 'calm', loaded: false, ready: true, state: 'cold' }],
    [200, { ready: true }],
    [202, null],
    [201, [{ is: true }]],
  ])
  const { pid, loads } = (await readPs(pellet.folder))['calm']!
  assert.equal([pid, loads], [null, 0])
})

test('variables have their types, and stand in text as text', async () => {
  const before = (await get('/f/calm/all')).json
  assert.is(before.name, 'calm')
  assert.is(before.model, 'identity')
  assert.equal([before.engine, before.device], ['onnxruntime', 'cpu'])
  assert.match(before.version, /^\d+\.\d+\.\d+/)
  assert.match(before.revision, /^[0-9a-f]{12}$/)
  assert.match(before.digest, /^[0-9a-f]{64}$/)
  assert.is(before.digest_short, before.digest.slice(0, 16))
  assert.equal([before.loaded, before.ready, before.state], [false, true, 'cold'])
  assert.ok(before.uptime_s > 0)
  assert.equal([before.inferences, before.errors, before.last_error, before.latency_ms], [0, 0, null, null])
  assert.is(before.text, `v${before.version}: 0 of calm, null, $name`)
  assert.equal([before.plain, before.none, before.list], [5, null, [true, { deep: 'calm' }]])

  await callJson(`${pellet.url}/v1/calm`, {})
  await callJson(`${pellet.url}/f/calm`, {})
  await callJson(`${pellet.url}/v1/calm`, { fail: true })
  await call(`${pellet.url}/v1/calm`, { body: '{', headers: { 'content-type': 'application/json' } })
  const after = (await get('/f/calm/all')).json
  assert.equal([after.inferences, after.errors], [2, 1], 'a bad request is neither')
  assert.match(after.last_error, 'step answer: no such luck')
  assert.ok(after.latency_ms > 0 && after.latency_ms < 30_000)
  assert.equal([after.loaded, after.state], [true, 'ready'])
  assert.ok(after.uptime_s >= before.uptime_s)
})

test('a load that fails makes a deployment failed while it backs off', async () => {
  await pellet.admin('POST', '/api/deployments/broken/unload')
  await pellet.rowWhen('broken', ({ state, pid }) => state === 'cold' && pid === null)
  assert.is((await get('/f/broken/health/ready')).status, 200)
  rmSync(join(pellet.folder, 'key'))
  const refused = await callJson(`${pellet.url}/v1/broken`, {})
  assert.is(refused.status, 503)
  assert.match(refused.json.error.message, 'could not be loaded')
  const { status, json, headers } = await get('/f/broken/health/ready')
  assert.is(status, 503)
  assert.is(json.reason, 'load_failed')
  assert.match(json.error, 'no key')
  assert.not.match(json.error, 'could not be loaded', 'why, not what the last caller was told')
  assert.ok(Number(headers['retry-after']) >= 1)
  await pellet.rowWhen('broken', ({ state }) => state === 'cold')
  assert.is((await get('/f/broken/health/ready')).status, 200, 'the next request may try')
})

test('HEAD answers as GET, without a body; other methods are 405', async () => {
  for (const path of ['/health', '/both']) {
    const [whole, head] = await Promise.all([
      get(`/f/calm${path}`),
      call(`${pellet.url}/f/calm${path}`, { method: 'HEAD' }),
    ])
    assert.is(head.status, whole.status)
    assert.is(head.text, '')
    assert.is(head.headers['content-type'], 'application/json')
    assert.is(head.headers['content-length'], whole.headers['content-length'])
    for (const method of ['POST', 'PUT', 'OPTIONS', 'DELETE']) {
      const wrong = await call(`${pellet.url}/f/calm${path}`, { method })
      assert.is(wrong.status, 405)
      assert.is(wrong.headers.allow, 'GET, HEAD')
    }
  }
})

test('while Pellet stops nothing is ready, and what is always answered still is', async () => {
  const url = `http://127.0.0.1:${port}`
  const connections = await Promise.all(Array.from({ length: 4 }, async () => new RawConnection(url)))
  for (const connection of connections) {
    await connection.send('HEAD /health HTTP/1.1\r\nhost: x\r\n\r\n')
    assert.is((await connection.answer(true)).status, 200)
  }
  pellet.child.kill('SIGTERM')
  await pellet.logged(({ msg }) => msg.startsWith('stopping'))
  const ask = async (index: number, path: string) => {
    await connections[index]!.send(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return connections[index]!.answer()
  }
  const answers = await Promise.all(['/health', '/health/ready', '/turned', '/both'].map((path, i) => ask(i, path)))
  assert.equal(
    answers.map(({ status }) => status),
    [200, 503, 500, 418],
  )
  assert.is(answers[0]!.json.ready, false)
  assert.is(answers[1]!.json.error.code, 'stopping')
  assert.ok(answers[1]!.headers['retry-after'])
  assert.equal(answers[3]!.json, [{ is: false }])
  for (const { headers } of answers) assert.is(headers.connection, 'close')
  assert.is(await pellet.ended(), 0)
})

test.run()

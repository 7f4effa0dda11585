// @timeout 90s
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { RunningPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createGate, type Gate } from '../http/gate.ts'
import { call, callJson, RawConnection, readPs } from '../http/raw.ts'
import { accepted, later, resultOf } from './jobs.ts'

const test = suite('Prefer: respond-async')
let gate: Gate
let pellet: RunningPellet
let ownPort: number

test.before(async () => {
  gate = await createGate()
  ownPort = await freePort()
  const waits = `
    if (request.fields.who) await fetch('${gate.url}?who=' + request.fields.who, { signal: context.signal })
    if (request.fields.crash) process.abort()
    const size = request.files.image?.bytes.length
    const raw = () => Buffer.alloc(3_000_000, 'bytes ')
    return withFormats({ 'application/json': () => ({ who: request.fields.who ?? null, size }), 'application/x-raw': raw })`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'pellet.yaml': 'max_bytes_in_flight: 2MB\nwatch: true\n',
    'functions/slow.ts': answering(waits, {
      manifest: `limits: { concurrency: 1, body: '1MB', queue: { depth: 0 } }, listen: [${ownPort}], errors: 'object'`,
    }),
    'functions/wide.ts': answering(waits),
  })
})
test.after(async () => {
  gate.close()
  await pellet.stop()
})

test('202 with a place, progress there, and at last the answer with its own type and headers, as often as one likes', async () => {
  const headers = { 'content-type': 'application/json', 'x-request-id': 'mine', ...later }
  const { status, headers: answered, json } = await call(`${pellet.url}/v1/wide`, { headers, body: '{"who":"a"}' })
  assert.is(status, 202)
  const location = answered.location!
  assert.match(location, /^\/results\/[0-9a-f]{32}$/)
  assert.is(answered['preference-applied'], 'respond-async')
  assert.is(answered['retry-after'], '1')
  assert.is(json.result, location)
  await gate.waiting(1)
  const progress = await call(pellet.url + location, { method: 'GET' })
  assert.is(progress.status, 202)
  assert.is(progress.json.state, 'running')
  assert.is(progress.json.route, 'POST /v1/wide')
  assert.is(progress.headers['retry-after'], '1')
  gate.open()
  const first = await resultOf(pellet.url, location)
  assert.is(first.status, 200)
  assert.equal(first.json, { who: 'a' })
  assert.is(first.headers['x-request-id'], 'mine')
  assert.is(first.headers['x-pellet-engine'], 'onnxruntime')
  assert.match(String(first.headers['server-timing']), 'infer;dur=')
  const again = await resultOf(pellet.url, location)
  assert.equal(again.json, first.json)
  const head = await call(pellet.url + location, { method: 'HEAD' })
  assert.is(head.headers['content-length'], String(Buffer.byteLength(first.text)))
  assert.is(head.text, '')
})

test('bytes in several pieces come back as they were', async () => {
  const location = await accepted(`${pellet.url}/f/wide`, {}, { accept: 'application/x-raw' })
  const { headers, text } = await resultOf(pellet.url, location)
  assert.is(headers['content-type'], 'application/x-raw')
  assert.is(text.length, 3_000_000)
  assert.ok(text === Buffer.alloc(3_000_000, 'bytes ').toString())
  // Half an answer is none.
  truncateSync(join(pellet.folder, '.pellet/storage/jobs', `${location.slice('/results/'.length)}%3a2`), 100)
  assert.is(await resultOf(pellet.url, location).then(String, ({ code }) => code), 'ECONNRESET')
  assert.is((await resultOf(pellet.url, location)).status, 404)
})

test('with wait=N it is the answer itself when that comes in time, else 202', async () => {
  const url = `${pellet.url}/v1/wide`
  const soon = await callJson(url, {}, { prefer: 'respond-async, wait=10' })
  assert.is(soon.status, 200)
  assert.is(soon.headers['preference-applied'], 'wait=10')
  const late = await callJson(url, { who: 'late' }, { prefer: 'wait=1; x="y", Respond-Async' })
  assert.is(late.status, 202)
  gate.open()
  assert.is((await resultOf(pellet.url, late.headers.location!)).status, 200)
})

test('what goes wrong is the result, in the shape that the deployment’s clients know', async () => {
  const wrong = await accepted(`${pellet.url}/v1/slow`, [])
  const refused = await resultOf(pellet.url, wrong)
  assert.is(refused.status, 400)
  assert.is(refused.json.error.code, 'invalid_request')
  assert.is(refused.json.error.type, 'invalid_request')
  assert.is(refused.headers['x-pellet-job'], 'done')
  const crashed = await resultOf(pellet.url, await accepted(`${pellet.url}/v1/wide`, { crash: 1 }))
  assert.is(crashed.status, 503)
  assert.is(crashed.json.error.code, 'isolate_crashed')
})

test('no more run at once than the deployment has places; the others wait, and so does a caller who came before', async () => {
  const url = `${pellet.url}/v1/slow`
  const direct = callJson(url, { who: 'direct' })
  await gate.waiting(1)
  // It has no queue: what comes now is refused, and made again.
  const first = await accepted(url, { who: 'first' })
  const second = await accepted(url, { who: 'second' })
  const state = async (location: string) => (await call(pellet.url + location, { method: 'GET' })).json.state
  assert.is(await state(second), 'waiting')
  gate.open()
  assert.is((await direct).status, 200)
  await gate.waiting(1)
  assert.equal(gate.names(), ['first'])
  assert.is(await state(second), 'waiting')
  gate.open()
  await gate.waiting(1)
  gate.open()
  assert.is((await resultOf(pellet.url, first)).json.who, 'first')
  assert.is((await resultOf(pellet.url, second)).json.who, 'second')
})

test('DELETE ends what runs, takes out what waits, forgets what is done: 204, then 404', async () => {
  const url = `${pellet.url}/v1/slow`
  const running = await accepted(url, { who: 'running' })
  await gate.waiting(1)
  const waiting = await accepted(url, { who: 'waiting' })
  const drop = (location: string) => call(pellet.url + location, { method: 'DELETE' })
  assert.is((await drop(waiting)).status, 204)
  assert.is((await drop(running)).status, 204)
  // The function's signal fired, and nobody came in for it.
  await gate.waiting(0)
  const done = await accepted(url, {})
  await resultOf(pellet.url, done)
  assert.is((await drop(done)).status, 204)
  for (const location of [running, waiting, done]) {
    const { status, json } = await call(pellet.url + location, { method: 'GET' })
    assert.is(status, 404)
    assert.is(json.error.code, 'not_found')
    assert.is((await drop(location)).status, 404)
  }
})

test('on an own port as on the main one, but of this deployment alone', async () => {
  const own = `http://127.0.0.1:${ownPort}`
  const other = await accepted(`${pellet.url}/v1/wide`, {})
  const mine = await accepted(`${own}/v1/slow`, {})
  assert.is((await resultOf(own, mine)).status, 200)
  assert.is((await resultOf(pellet.url, mine)).status, 200)
  await resultOf(pellet.url, other)
  const { status, json } = await resultOf(own, other)
  assert.is(status, 404)
  assert.is(json.error.type, 'invalid_request')
})

test('what can be refused at once is: wrong methods and routes, bodies that are too large, callbacks', async () => {
  const body = Buffer.alloc(1_100_000, 1)
  const headers = { 'content-type': 'image/png', ...later }
  const rows: [string, number, string, (Uint8Array | string)?, string?][] = [
    ['/v1/slow', 413, 'payload_too_large', body],
    ['/v1/none', 404, 'not_found'],
    ['/v1/slow', 405, 'method_not_allowed', '', 'PUT'],
    ['/v1/wide?callback=http%3A%2F%2F127.0.0.1%2F', 400, 'url_input_disabled'],
  ]
  for (const [path, status, code, sent = '', method = 'POST'] of rows) {
    const answer = await call(pellet.url + path, { method, headers, body: sent })
    assert.is(answer.status, status, path)
    assert.is(answer.headers['x-pellet-error'], code)
  }
  const chunked = new RawConnection(pellet.url)
  await chunked.send('POST /v1/slow HTTP/1.1\r\nhost: x\r\nprefer: respond-async\r\ntransfer-encoding: chunked\r\n\r\n')
  await chunked.send(Buffer.concat([Buffer.from('10c8e0\r\n'), body]))
  assert.is((await chunked.answer()).status, 413)
  chunked.end()
  assert.is((await call(`${pellet.url}/results/x`, { method: 'POST' })).headers.allow, 'GET, HEAD, DELETE')
})

test('bodies that wait are bounded, whoever they are for: 503 with Retry-After, and room again when they are done', async () => {
  const url = `${pellet.url}/v1/slow`
  const blocker = await accepted(url, { who: 'blocker' })
  await gate.waiting(1)
  const headers = { 'content-type': 'image/png', ...later }
  const send = (path: string) => call(pellet.url + path, { headers, body: Buffer.alloc(900_000, 1) })
  const kept = [await send('/v1/slow'), await send('/v1/slow')]
  assert.equal(
    kept.map(({ status }) => status),
    [202, 202],
  )
  const full = await send('/v1/wide')
  assert.is(full.status, 503)
  assert.is(full.json.error.code, 'overloaded')
  assert.is(full.headers['retry-after'], '1')
  // A request whose answer is waited for is none of this.
  assert.is((await callJson(`${pellet.url}/v1/wide`, {})).status, 200)
  gate.open()
  for (const { headers } of kept) assert.is((await resultOf(pellet.url, headers.location!)).json.size, 900_000)
  assert.is((await resultOf(pellet.url, blocker)).status, 200)
  assert.is((await send('/v1/wide')).status, 202)
})

test('a caller who leaves before it knows the place leaves no job behind', async () => {
  const connection = new RawConnection(pellet.url)
  const head =
    'POST /v1/wide HTTP/1.1\r\nhost: x\r\nprefer: respond-async, wait=60\r\ncontent-type: application/json\r\n'
  await connection.send(`${head}content-length: 14\r\n\r\n{"who":"gone"}`)
  await gate.waiting(1)
  connection.end()
  await gate.waiting(0)
  await until(async () => (await readPs(pellet.folder))['wide']!.in_flight === 0, 'its place to be free')
})

test('a deployment that is removed finishes what runs; what waits is told, in the shape that it had', async () => {
  const url = `${pellet.url}/v1/slow`
  const running = await accepted(url, { who: 'running' })
  await gate.waiting(1)
  const waiting = await accepted(url, {})
  rmSync(join(pellet.folder, 'functions/slow.ts'))
  await pellet.logged(({ msg, deployment }) => msg.startsWith('removed') && deployment === 'slow')
  gate.open()
  assert.is((await resultOf(pellet.url, running)).json.who, 'running')
  const { status, json } = await resultOf(pellet.url, waiting)
  assert.equal([status, json.error.type], [404, 'invalid_request'])
  assert.match(json.error.message, 'not deployed any more')

  // What is wrong with the store is told in the log, and not to callers.
  const store = join(pellet.folder, '.pellet/storage/jobs')
  rmSync(store, { recursive: true })
  writeFileSync(store, 'not a folder')
  const unread = await resultOf(pellet.url, waiting)
  assert.equal([unread.status, unread.text.includes(store)], [500, false])
  await pellet.logged(({ level, msg }) => level === 'error' && msg.includes(store))
})

test.run()

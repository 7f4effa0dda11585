// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../support/process.ts'
import { RunningPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createGate, type Gate } from './gate.ts'
import { call, callJson, RawConnection, readPs, type Answer } from './raw.ts'

const test = suite('more than there is room or time for')
let gate: Gate
let pellet: RunningPellet

test.before(async () => {
  gate = await createGate()
  const waits = `
    if (request.fields.who) await fetch('${gate.url}?who=' + request.fields.who)
    return { who: request.fields.who }`
  const narrow = (drop: string) => `limits: { concurrency: 1, queue: { depth: 1, drop: '${drop}' } }`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'pellet.yaml': 'max_bytes_in_flight: 1MB\nmax_keep_alive: 1h\n',
    'functions/newest.ts': answering(waits, { manifest: narrow('newest') }),
    'functions/oldest.ts': answering(waits, { manifest: narrow('oldest') }),
    'functions/late.ts': answering(waits, {
      manifest: `limits: { timeout: '700ms', concurrency: 2 }, errors: 'object'`,
    }),
    'functions/wide.ts': answering('return { bytes: request.files.image?.bytes.length }'),
    'functions/unloadable.ts': answering('return {}', {
      head: `import { env } from 'node:process'\nif (!new URL(import.meta.url).pathname.includes('never') && env.UV_THREADPOOL_SIZE) throw new Error('not in an isolate')`,
    }),
  })
  await Promise.all(['newest', 'oldest', 'late', 'wide'].map((name) => callJson(`${pellet.url}/v1/${name}`, {})))
})
test.after(async () => {
  gate.close()
  await pellet.stop()
})

const queued = (name: string, count: number) =>
  until(async () => (await readPs(pellet.folder))[name]!.queued === count, `${count} queued at ${name}`)

function refusedWith({ status, json, headers }: Answer, expected: number, code: string): void {
  assert.is(status, expected, code)
  assert.is(json.error.code, code)
  assert.ok(Number(headers['retry-after']) >= 1, `Retry-After: ${headers['retry-after']}`)
}

test('a full queue refuses the newest with 429 and Retry-After, and serves those who came before', async () => {
  const url = `${pellet.url}/v1/newest`
  const first = callJson(url, { who: 'first' })
  await gate.waiting(1)
  const second = callJson(url, { who: 'second' })
  await queued('newest', 1)
  refusedWith(await callJson(url, { who: 'third' }), 429, 'queue_full')
  gate.open()
  await gate.waiting(1)
  assert.equal(gate.names(), ['second'])
  gate.open()
  assert.is((await first).status, 200)
  const { status, headers } = await second
  assert.is(status, 200)
  assert.ok(Number(/queue;dur=([\d.]+)/.exec(String(headers['server-timing']))![1]) > 0, 'it waited')
})

test('with drop: oldest the newest takes the place of the oldest that waits, which gets 429', async () => {
  const url = `${pellet.url}/v1/oldest`
  const first = callJson(url, { who: 'first' })
  await gate.waiting(1)
  const second = callJson(url, { who: 'second' })
  await queued('oldest', 1)
  const third = callJson(url, { who: 'third' })
  refusedWith(await second, 429, 'dropped')
  gate.open()
  await gate.waiting(1)
  assert.equal(gate.names(), ['third'])
  gate.open()
  assert.is((await first).status, 200)
  assert.is((await third).status, 200)
})

test('a refused request that was too large to be read at once does not take the answer with it', async () => {
  const url = `${pellet.url}/v1/newest`
  const inside = callJson(url, { who: 'inside' })
  await gate.waiting(1)
  const waiting = callJson(url, { who: 'waiting' })
  await queued('newest', 1)
  const body = Buffer.alloc(900_000, 1)
  refusedWith(await call(url, { body, headers: { 'content-type': 'image/png' } }), 429, 'queue_full')
  gate.open(true)
  await Promise.all([inside, waiting])
  gate.open(false)
})

test('a queued caller who leaves is taken out of the queue', async () => {
  const url = `${pellet.url}/v1/newest`
  const first = callJson(url, { who: 'first' })
  await gate.waiting(1)
  const leaving = new RawConnection(pellet.url)
  await leaving.send('POST /v1/newest HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
  await queued('newest', 1)
  leaving.end()
  await queued('newest', 0)
  gate.open()
  assert.is((await first).status, 200)
})

test('past the deadline it is 504, whether the request waits or runs; the function goes on', async () => {
  const url = `${pellet.url}/v1/late`
  const late = await Promise.all(['a', 'b', 'c'].map((who) => callJson(url, { who })))
  for (const { status, json } of late) {
    assert.is(status, 504)
    assert.is(json.error.code, 'deadline_exceeded')
    assert.match(json.error.message, /700 ?ms|limits\.timeout/)
  }
  gate.open()
  await until(async () => (await callJson(url, {})).status === 200, 'the next one to be served')
})

test('a body that takes longer than the deadline is 504', async () => {
  const connection = new RawConnection(pellet.url)
  const type = 'content-type: application/json'
  await connection.send(`POST /v1/late HTTP/1.1\r\nhost: x\r\n${type}\r\ncontent-length: 100\r\n\r\n{`)
  const answer = await connection.answer()
  assert.is(answer.status, 504)
  assert.is(answer.json.error.type, 'internal_error')
  connection.end()
})

test('bytes in flight beyond max_bytes_in_flight are 503 with Retry-After, by length and by what is sent', async () => {
  const url = `${pellet.url}/v1/wide`
  const body = Buffer.alloc(700_000, 1)
  const slow = new RawConnection(pellet.url)
  await slow.send(`POST /v1/wide HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`)
  await until(async () => (await readPs(pellet.folder))['wide']!.in_flight === 1, 'the first to be in')
  refusedWith(await call(url, { body }), 503, 'overloaded')
  const chunked = new RawConnection(pellet.url)
  await chunked.send('POST /v1/wide HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  await chunked.send(Buffer.concat([Buffer.from('aae60\r\n'), body, Buffer.from('\r\n0\r\n\r\n')]))
  refusedWith(await chunked.answer(), 503, 'overloaded')
  await slow.send(body)
  assert.is((await slow.answer()).json.bytes, body.length)
  assert.is((await call(url, { body })).status, 200, 'there is room again')
  slow.end()
  chunked.end()
})

test('what comes after a refusal is not counted as in flight for ever', async () => {
  const part = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 1), Buffer.from('\r\n')])
  const start = (path: string) => `POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`
  const late = new RawConnection(pellet.url)
  await late.send(start('/v1/late'))
  await late.send(part)
  assert.is((await late.answer()).status, 504)
  for (let i = 0; i < 40; i++) await late.send(part)
  const wide = new RawConnection(pellet.url)
  await wide.send(start('/v1/wide'))
  for (let i = 0; i < 40; i++) await wide.send(part)
  assert.is((await wide.answer()).status, 503)
  late.end()
  wide.end()
  assert.is((await call(`${pellet.url}/v1/wide`, { body: Buffer.alloc(1_000_000, 1) })).status, 200)
})

test('a function that cannot be loaded is 503 with the reason and when to try again', async () => {
  const url = `${pellet.url}/v1/unloadable`
  const answer = await callJson(url, {})
  refusedWith(answer, 503, 'load_failed')
  assert.match(answer.json.error.message, 'not in an isolate')
  const again = await callJson(url, {})
  refusedWith(again, 503, 'load_failed')
  const health = (await call(`${pellet.url}/health`, { method: 'GET' })).json
  const row = health.deployments.find(({ name }: { name: string }) => name === 'unloadable')
  assert.is(row.state, 'failed')
  assert.match(row.last_error, 'not in an isolate')
})

test('X-Keep-Alive counts for this release only, within max_keep_alive', async () => {
  const row = async () => (await readPs(pellet.folder))['wide']!
  const rows: [string | undefined, number, number][] = [
    ['10m', 590, 600],
    ['2d', 3590, 3600],
    ['-1', 3590, 3600],
    [undefined, 290, 300],
  ]
  for (const [value, min, max] of rows) {
    await callJson(`${pellet.url}/v1/wide`, {}, value === undefined ? {} : { 'x-keep-alive': value })
    const { expires_in_s: left } = await row()
    assert.ok(left! > min && left! <= max, `${value}: ${left}`)
  }
  await callJson(`${pellet.url}/v1/wide`, {}, { 'x-keep-alive': '0' })
  await until(async () => (await row()).state === 'cold', 'it to be unloaded at once')
})

test.run()

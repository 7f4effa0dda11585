// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { until } from '../support/process.ts'
import { RunningPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createGate, type Gate } from '../http/gate.ts'
import { call, callJson, readPs, type Answer } from '../http/raw.ts'
import { later, resultOf } from './jobs.ts'

const test = suite('batches')
const ndjson = 'application/x-ndjson'
let gate: Gate
let pellet: RunningPellet

test.before(async () => {
  gate = await createGate()
  const answer = `
    const { fields, files, image } = request
    if (fields.who) await fetch('${gate.url}?who=' + fields.who, { signal: context.signal })
    if (fields.ms) await new Promise((resolve) => setTimeout(resolve, fields.ms))
    const { a, top } = { ...fields, ...context.options }
    if (fields.size) return 'x'.repeat(fields.size)
    const names = Object.keys(files).map((name) => name + ' ' + files[name].name + ' ' + files[name].bytes.length)
    return withFormats({
      'application/json': () => Buffer.from(JSON.stringify({ a, top, names }, null, 2)),
      'application/x-raw': () => Buffer.from([1, 2, 3, 4, 5].slice(0, a)),
    })`
  const input = 'top: z.coerce.number().max(9).default(1)'
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/echo.ts': answering(answer, {
      input,
      manifest: `routes: { 'POST /v1/echo': ['answer'], 'POST /v1/other': ['answer'], 'POST /v1/other/batch': ['answer'], 'GET /v1/read': ['answer'] }, limits: { body: '1MB', concurrency: 2, queue: { depth: 1 }, timeout: '5s' }, errors: 'detail'`,
    }),
  })
  await callJson(`${pellet.url}/v1/echo`, {})
})
test.after(async () => {
  gate.close()
  await pellet.stop()
})

const sendLines = (path: string, lines: unknown[], headers: Record<string, string> = {}) =>
  call(pellet.url + path, {
    headers: { 'content-type': ndjson, ...headers },
    body: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  })
const linesOf = ({ text }: Answer): any[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** A batch whose lines are sent, and answered, one by one. */
class OpenBatch {
  readonly req: ClientRequest
  #lines: AsyncIterator<string> | undefined

  constructor(path: string) {
    this.req = request(pellet.url + path, { method: 'POST', headers: { 'content-type': ndjson } })
    this.req.on('error', () => {})
  }

  send(line: unknown): void {
    this.req.write(`${JSON.stringify(line)}\n`)
  }

  async line(): Promise<any> {
    if (!this.#lines) {
      const [answer] = (await once(this.req, 'response')) as [IncomingMessage]
      this.#lines = createInterface({ input: answer })[Symbol.asyncIterator]()
    }
    const { value, done } = await this.#lines.next()
    return done ? undefined : JSON.parse(value)
  }
}

test('lines are answered in their order, those that fail in their place; blank ones count for nothing', async () => {
  const sent = [{ a: 1, ms: 200 }, '', { a: 2, top: 3 }, 'no json', '  ', '[]', { top: 10 }, { a: 3 }]
  const answer = await sendLines('/f/echo/batch', sent, { accept: ndjson })
  assert.is(answer.status, 200)
  assert.is(answer.headers['content-type'], ndjson)
  const lines = linesOf(answer)
  assert.equal(
    lines.map(({ index, status }) => [index, status]),
    [
      [0, 200],
      [1, 200],
      [2, 400],
      [3, 400],
      [4, 400],
      [5, 200],
    ],
  )
  assert.equal(lines[0].answer, { a: 1, top: 1, names: [] })
  assert.equal(lines[1].answer, { a: 2, top: 3, names: [] })
  assert.is(lines[2].error.code, 'invalid_request')
  assert.match(lines[2].error.message, 'expected JSON')
  assert.is(lines[4].error.code, 'invalid_option')
  assert.equal(lines[5].answer.a, 3)
})

test('each file of a form is an item, with the fields before the first; options of query and headers are for all', async () => {
  const form = new FormData()
  form.append('top', '7')
  form.append('a', 'x')
  for (const [index, size] of [10, 1_100_000, 0, 30].entries())
    form.append(`file${index}`, new Blob([Buffer.alloc(size, '\r\n--')], { type: 'image/png' }), `${index}.png`)
  const response = await pellet.fetch('/f/echo/v1/echo/batch', { method: 'POST', body: form })
  assert.is(response.status, 200)
  const lines = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(lines[0].answer, { a: 'x', top: 7, names: ['file0 0.png 10'] })
  assert.is(lines[1].error.code, 'payload_too_large')
  assert.equal(lines[2].answer.names, ['file2 2.png 0'])
  assert.equal(lines[3].answer.names, ['file3 3.png 30'])
  const [line] = linesOf(await sendLines('/f/echo/batch?top=4', [{ a: 1 }]))
  assert.is(line.answer.top, 4)
})

test('a field behind a file, and a form that breaks off, end the batch with a line that says so', async () => {
  const part = (head: string, body: string) => `--b\r\ncontent-disposition: form-data; ${head}\r\n\r\n${body}\r\n`
  const file = part('name="f"; filename="f"', 'x')
  const rows: [string, string][] = [
    [`${file}${part('name="top"', '3')}--b--\r\n`, 'field top: expected all fields before the first file'],
    [file.slice(0, -2) + '\r\n--b\r\nX', 'expected the boundary "b" behind the last part'],
    [`${file}--b\r\nx: y\r\n\r\n\r\n--b--`, 'content-disposition'],
  ]
  for (const [body, message] of rows) {
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    const lines = linesOf(await call(`${pellet.url}/f/echo/batch`, { headers, body }))
    assert.is(lines.length, 2)
    assert.is(lines[0].status, 200)
    assert.is(lines[1].status, 400)
    assert.match(lines[1].error.message, message)
  }
})

test('answers that are no JSON come as their type and base64', async () => {
  const answer = await sendLines('/f/echo/batch', [{ a: 1 }, { a: 5 }], { accept: `application/x-raw, ${ndjson}` })
  assert.equal(
    linesOf(answer).map((line) => line.answer),
    [
      { type: 'application/x-raw', base64: 'AQ==' },
      { type: 'application/x-raw', base64: 'AQIDBAU=' },
    ],
  )
})

test('what is no batch is refused with a status of its own', async () => {
  const rows: [string, string, string, number, string, string?][] = [
    ['/f/echo/batch', ndjson, '', 400, 'missing_input'],
    ['/f/echo/batch', ndjson, '\n \n', 400, 'missing_input'],
    ['/f/echo/batch', 'application/json', '{}', 400, 'unsupported_media_type'],
    ['/f/echo/batch', 'multipart/form-data', 'x', 400, 'invalid_request'],
    ['/f/echo/batch', 'multipart/form-data; boundary=b', 'x', 400, 'invalid_request'],
    ['/f/echo/batch', 'multipart/form-data; boundary=b', '--b--', 400, 'missing_input'],
    ['/f/echo/batch', ndjson, '', 405, 'method_not_allowed', 'PUT'],
    ['/f/echo/v1/read/batch', ndjson, '{}', 404, 'not_found'],
  ]
  for (const [path, type, body, status, code, method = 'POST'] of rows)
    for (const prefer of [{}, later]) {
      const answer = await call(pellet.url + path, { method, headers: { 'content-type': type, ...prefer }, body })
      assert.is(answer.status, status, `${path} ${type} ${body}`)
      assert.is(answer.headers['x-pellet-error'], code)
    }
  const { json } = await callJson(`${pellet.url}/f/echo/v1/other/batch`, {})
  assert.equal(json.names, [], 'the manifest has that route')
})

test('the first lines are answered while the body still comes; a fast one waits for a slow one before it', async () => {
  const batch = new OpenBatch('/f/echo/batch')
  batch.send({ a: 0 })
  assert.is((await batch.line()).answer.a, 0)
  batch.send({ who: 'slow' })
  batch.send({ a: 2 })
  await gate.waiting(1)
  const line = batch.line()
  const first = await Promise.race([line, callJson(`${pellet.url}/v1/echo`, {})])
  assert.is(first.status, 200)
  assert.is(first.index, undefined, 'the second place is free for others')
  gate.open()
  assert.is((await line).index, 1)
  assert.is((await batch.line()).index, 2)
  batch.req.end()
  assert.is(await batch.line(), undefined)
})

test('a batch waits where others fill the queue, runs as many at once as there are places, and stops with its caller', async () => {
  const direct = ['x', 'y', 'z'].map((who) => callJson(`${pellet.url}/v1/echo`, { who }))
  await gate.waiting(2)
  const batch = new OpenBatch('/f/echo/batch')
  for (let i = 0; i < 6; i++) batch.send({ who: `item${i}` })
  await until(async () => (await readPs(pellet.folder))['echo']!.queued === 1, 'the queue to be full')
  assert.is((await callJson(`${pellet.url}/v1/echo`, {})).status, 429)
  gate.open()
  await gate.waiting(1)
  gate.open()
  for (const answer of await Promise.all(direct)) assert.is(answer.status, 200)
  await gate.waiting(2)
  assert.equal(gate.names().sort(), ['item0', 'item1'])
  batch.req.destroy()
  await gate.waiting(0)
  await until(async () => {
    const { in_flight, queued } = (await readPs(pellet.folder))['echo']!
    return in_flight + queued === 0
  }, 'all of it to stop')
})

test('later, on wish: 202, progress by items, and the lines as its result', async () => {
  const { status, headers } = await sendLines('/f/echo/batch', [{ a: 1 }, { who: 'second' }, []], later)
  assert.is(status, 202)
  await gate.waiting(1)
  await until(async () => {
    const { json } = await call(pellet.url + headers.location!, { method: 'GET' })
    assert.is(json.route, 'batch of POST /v1/echo')
    assert.is(json.items.total, 3)
    return json.items.done === 1
  }, 'the first to be done')
  gate.open()
  const result = await resultOf(pellet.url, headers.location!)
  assert.is(result.headers['content-type'], ndjson)
  assert.equal(
    linesOf(result).map(({ index, status }) => [index, status]),
    [
      [0, 200],
      [1, 200],
      [2, 400],
    ],
  )
})

/** Sends a batch whose answers are a hundred megabytes, and reads none of them. Resolves when Pellet has closed its end. */
async function readNothing(): Promise<void> {
  const { hostname, port } = new URL(pellet.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  const body = '{"size":1000000}\n'.repeat(100)
  socket.on('error', () => {}).pause()
  socket.write(
    `POST /f/echo/batch HTTP/1.1\r\nhost: x\r\ncontent-type: ${ndjson}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const mine = `:${socket.localPort!.toString(16).toUpperCase().padStart(4, '0')}`
  const openEnds = async () => {
    const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n')
    return rows.filter((row) => row.includes(mine) && row.trim().split(/\s+/)[3] === '01').length
  }
  assert.is(await openEnds(), 2)
  // This end hears of it only when it reads.
  await until(async () => (await openEnds()) === 1, "Pellet's end to be closed")
  socket.destroy()
}

test('after limits.timeout an item is 504, one that does not come ends the batch, and a caller who reads nothing is cut off', async () => {
  const cutOff = readNothing()
  const batch = new OpenBatch('/f/echo/batch')
  batch.send({ ms: 8000 })
  batch.req.write('{')
  const lines = [await batch.line(), await batch.line()]
  assert.equal(
    lines.map(({ status, error }) => [status, error.code]),
    [
      [504, 'deadline_exceeded'],
      [504, 'deadline_exceeded'],
    ],
  )
  assert.match(lines[1].error.message, 'expected item 1 within 5000 ms')
  batch.req.destroy()
  await cutOff
})

test('however many headers a batch has, and however long, they reach its items', async () => {
  const many = Object.fromEntries(Array.from({ length: 2100 }, (_, i) => [`x${i}`, '']))
  for (const headers of [many, { 'x-long': 'x'.repeat(16_000) }])
    assert.equal(
      linesOf(await sendLines('/f/echo/batch', [{ a: 1 }, { a: 2 }], headers)).map(({ status }) => status),
      [200, 200],
    )
})

test.run()

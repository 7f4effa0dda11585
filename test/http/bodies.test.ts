import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Agent, request } from 'node:http'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { call, callJson, RawConnection, readPs } from './raw.ts'

const test = suite('bodies, connections and framing')
const mega = 2 ** 20
let pellet: RunningPellet

test.before(async () => {
  const answer = `
    const { image } = request.files
    return { bytes: image ? image.bytes.length : -1, fields: request.fields }`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/small.ts': answering(answer, { manifest: `limits: { body: '1MB' }` }),
    'functions/large.ts': answering(answer),
    'functions/read.ts': answering('return {}', { manifest: `route: 'GET /v1/read'` }),
  })
  await call(`${pellet.url}/v1/small`)
})
test.after(async () => {
  await pellet.stop()
})

const head = (path: string, ...lines: string[]) =>
  `${[`POST ${path} HTTP/1.1`, 'host: x', ...lines].join('\r\n')}\r\n\r\n`
const octets = 'content-type: application/octet-stream'

test('a body that says it is too large is 413 before any of it is sent', async () => {
  const connection = new RawConnection(pellet.url)
  await connection.send(head('/v1/small', octets, `content-length: ${mega + 1}`))
  const { status, json, headers } = await connection.answer()
  assert.is(status, 413)
  assert.is(json.error.code, 'payload_too_large')
  assert.match(json.error.message, '1 MB')
  assert.is(headers.connection, 'close')
  connection.end()
  assert.is((await readPs(pellet.folder))['small']!.loads, 1, 'no isolate was asked')
})

test('with Expect: 100-continue what is refused gets no 100, and the connection is closed', async () => {
  const expecting = [octets, 'expect: 100-continue']
  const refused: [string, number, ...string[]][] = [
    ['/v1/small', 413, `content-length: ${mega + 1}`],
    ['/v1/small', 400, 'content-length: 5', 'x-keep-alive: soon'],
    ['/v1/read', 405, 'content-length: 5'],
    ['/v1/nothing', 404, 'content-length: 5'],
    ['/health', 405, 'content-length: 5'],
    ['/api/ps', 401, 'content-length: 5'],
  ]
  for (const [path, status, ...lines] of refused) {
    const connection = new RawConnection(pellet.url)
    await connection.send(head(path, ...expecting, ...lines))
    const answer = await connection.answer()
    assert.is(answer.status, status, path)
    assert.is(answer.headers.connection, 'close', path)
    connection.end()
  }
})

test('with Expect: 100-continue what is admitted gets its 100, then its answer', async () => {
  const connection = new RawConnection(pellet.url)
  await connection.send(head('/v1/small', octets, 'expect: 100-continue', 'content-length: 4'))
  assert.is((await connection.answer()).status, 100)
  await connection.send('\x01\x02\x03\x04')
  const { status, json } = await connection.answer()
  assert.is(status, 200)
  assert.is(json.bytes, 4)
  connection.end()
})

test('an expectation other than 100-continue is 417', async () => {
  const connection = new RawConnection(pellet.url)
  await connection.send(head('/v1/small', 'expect: 200-ok', 'content-length: 0'))
  assert.is((await connection.answer()).status, 417)
  connection.end()
})

test('a body without a length is 413 as soon as too much of it has come', async () => {
  const connection = new RawConnection(pellet.url)
  await connection.send(head('/v1/small', octets, 'transfer-encoding: chunked'))
  for (let sent = 0; sent < 1.5 * mega; sent += 65_536)
    await connection.send(Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 1), Buffer.from('\r\n')]))
  const { status, json } = await connection.answer()
  assert.is(status, 413)
  assert.is(json.error.code, 'payload_too_large')
  connection.end()
  assert.is((await callJson(`${pellet.url}/v1/small`, {})).status, 200, 'the next one is served')
})

test('a client that sends all of a body that is too large still reads the 413', async () => {
  // It does not look at the answer before it is done; a reset would take the answer from it.
  for (let round = 0; round < 5; round++) {
    for (const chunked of [false, true]) {
      const body = Buffer.alloc(8 * mega, 1)
      const status = await new Promise<number>((resolve, reject) => {
        const headers = { 'content-type': 'image/png', ...(!chunked && { 'content-length': body.length }) }
        const req = request(`${pellet.url}/v1/small`, { method: 'POST', headers, agent: false })
        req.on('error', reject)
        req.on('response', (res) => {
          res.resume()
          resolve(res.statusCode!)
        })
        req.end(body)
      })
      assert.is(status, 413, chunked ? 'chunked' : 'with a length')
    }
  }
})

test('a body of exactly the limit is taken', async () => {
  const { status, json } = await call(`${pellet.url}/v1/small`, { body: Buffer.alloc(mega, 1) })
  assert.is(status, 200)
  assert.is(json.bytes, mega)
})

test('types that are not read are 415 and the message names those that are', async () => {
  for (const type of ['text/plain', 'text/csv', 'application/xml', 'video/mp4', 'multipart/mixed', 'nonsense']) {
    const { status, json } = await call(`${pellet.url}/v1/small`, { body: 'hello', headers: { 'content-type': type } })
    assert.is(status, 415, type)
    assert.is(json.error.code, 'unsupported_media_type')
    assert.match(json.error.message, 'content type: expected application/json, multipart/form-data')
  }
})

test('a content encoding is 415: bodies are taken as they are', async () => {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const { status, json } = await call(`${pellet.url}/v1/small`, { body: '{}', headers })
  assert.is(status, 415)
  assert.match(json.error.message, 'gzip')
  const identity = { 'content-type': 'application/json', 'content-encoding': 'identity' }
  assert.is((await call(`${pellet.url}/v1/small`, { body: '{}', headers: identity })).status, 200)
})

test('a chunked body arrives whole, chunk extensions and trailers included', async () => {
  const connection = new RawConnection(pellet.url)
  await connection.send(head('/v1/small', 'content-type: application/json', 'transfer-encoding: chunked'))
  await connection.send('5;a=b\r\n{"a":\r\n')
  await connection.send('3\r\n1}\n\r\n0\r\nx-trailer: 1\r\n\r\n')
  const { status, json } = await connection.answer()
  assert.is(status, 200)
  assert.equal(json.fields, { a: 1 })
  connection.end()
})

test('an HTTP/1.0 client gets an answer that it can read, and a close', async () => {
  for (const [path, status] of [
    ['/v1/small', 200],
    ['/v1/nothing', 404],
    ['/health', 405],
  ] as const) {
    const connection = new RawConnection(pellet.url)
    await connection.send(`POST ${path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}`)
    const answer = await connection.answer()
    assert.is(answer.status, status)
    assert.is(answer.headers['transfer-encoding'], undefined)
    assert.ok(answer.json)
    await connection.closed
  }
})

test('an answer never says Transfer-Encoding to HTTP/1.0, though it be long', async () => {
  const connection = new RawConnection(pellet.url)
  const body = JSON.stringify({ text: 'x'.repeat(500_000) })
  await connection.send(
    `POST /v1/small HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  await connection.send(body)
  const answer = await connection.answer()
  assert.is(answer.headers['transfer-encoding'], undefined)
  assert.is(answer.json.fields.text.length, 500_000)
  await connection.closed
})

test('a connection stays of use after refusals', async () => {
  const connection = new RawConnection(pellet.url)
  const json = 'content-type: application/json'
  const steps: [string, string, number][] = [
    [head('/v1/nothing', json, 'content-length: 2'), '{}', 404],
    [head('/v1/read', json, 'content-length: 2'), '{}', 405],
    [head('/v1/small', json, 'content-length: 2', 'x-keep-alive: soon'), '{}', 400],
    [head('/v1/small', json, 'content-length: 3'), '{"a', 400],
    [head('/v1/small', 'content-type: text/csv', 'content-length: 3'), 'a,b', 415],
    [head('/v1/small', json, 'content-length: 7'), '{"a":1}', 200],
  ]
  for (const [start, body, status] of steps) {
    await connection.send(start + body)
    const answer = await connection.answer()
    assert.is(answer.status, status)
    assert.is.not(answer.headers.connection, 'close', `${status}`)
  }
  connection.end()
})

test('pipelined requests are answered in their order', async () => {
  const connection = new RawConnection(pellet.url)
  const one = (n: number) => head('/v1/small', 'content-type: application/json', 'content-length: 7') + `{"a":${n}}`
  await connection.send(one(1) + head('/v1/nothing', 'content-length: 0') + one(2) + one(3))
  const answers = []
  for (let i = 0; i < 4; i++) answers.push(await connection.answer())
  assert.equal(
    answers.map(({ status, json }) => json.fields?.a ?? status),
    [1, 404, 2, 3],
  )
  connection.end()
})

test('a pipelined request whose connection closes before its turn is given up at once', async () => {
  const connection = new RawConnection(pellet.url)
  const whole = head('/v1/small', 'content-type: application/json', 'content-length: 2') + '{}'
  const half = head('/v1/small', 'content-type: application/json', 'content-length: 9') + '{'
  // Node answers a request without a host itself, and closes.
  await connection.send(`${whole}GET / HTTP/1.1\r\n\r\n${half}`)
  assert.equal([(await connection.answer()).status, (await connection.answer()).status], [200, 400])
  await connection.closed
  await until(async () => (await readPs(pellet.folder))['small']!.in_flight === 0, 'nothing in flight', 5000)
})

test('twenty callers on five kept connections are all served', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 5 })
  const body = JSON.stringify({ a: 1 })
  const headers = { 'content-type': 'application/json' }
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      call(`${pellet.url}${i % 4 === 3 ? '/v1/nothing' : '/v1/small'}`, { headers, body, agent }),
    ),
  )
  assert.is(answers.filter(({ status }) => status === 200).length, 15)
  agent.destroy()
})

test('what is no HTTP is 400 and closed, a request line or headers too long are 431, and Pellet lives on', async () => {
  const long = 'x'.repeat(20_000)
  const wrong: [string, number][] = [
    ['hello\r\n\r\n', 400],
    ['POST /v1/small HTTP/9.9\r\nhost: x\r\n\r\n', 400],
    [head('/v1/small', 'content-length: five'), 400],
    [head('/v1/small', 'content-length: 5', 'content-length: 6'), 400],
    [head('/v1/small', 'content-length: 5', 'transfer-encoding: chunked'), 400],
    [`GET /v1/small?${long} HTTP/1.1\r\nhost: x\r\n\r\n`, 431],
    [head('/v1/small', `x-long: ${long}`), 431],
    ['GET /health HTTP/1.1\r\n\r\n', 400],
  ]
  for (const [text, status] of wrong) {
    const connection = new RawConnection(pellet.url)
    await connection.send(text)
    assert.is((await connection.answer()).status, status, text.slice(0, 60))
    await connection.closed
  }
  assert.is((await call(`${pellet.url}/health/live`, { method: 'GET' })).status, 200)
})

test('a URL of 8 KB is fine', async () => {
  const { status } = await call(`${pellet.url}/v1/small?note=${'x'.repeat(8000)}`)
  assert.is(status, 200)
})

test('a caller who leaves in the middle of a body, or before the answer, costs nothing', async () => {
  for (const rest of ['', 'x'.repeat(1000)]) {
    const connection = new RawConnection(pellet.url)
    await connection.send(head('/v1/small', octets, 'content-length: 100000') + rest)
    connection.end()
    await connection.closed
  }
  assert.is((await callJson(`${pellet.url}/v1/small`, {})).status, 200)
  for (;;) if ((await readPs(pellet.folder))['small']!.in_flight === 0) break
  assert.is((await readPs(pellet.folder))['small']!.crashes, 0)
})

test('all headers reach the isolate, however many and however near to 16 KB, and main adds its own', async () => {
  const id = 'x-request-id: all-of-them'
  const many = Array.from({ length: 2500 }, (_, i) => `${i.toString(36)}:`)
  const long = `x-long: ${'x'.repeat(16_000)}`
  for (const lines of [
    [...many, id],
    [id, long],
  ]) {
    const connection = new RawConnection(pellet.url)
    const body = '{"a":1}'
    await connection.send(
      head('/v1/small', ...lines, 'content-type: application/json', `content-length: ${body.length}`) + body,
    )
    const { status, json, headers } = await connection.answer()
    assert.is(status, 200, JSON.stringify(json))
    assert.equal(json.fields, { a: 1 })
    assert.is(headers['x-request-id'], 'all-of-them')
    connection.end()
  }
})

test('a body in chunks of one byte arrives whole', async () => {
  const connection = new RawConnection(pellet.url)
  const text = JSON.stringify({ a: 'x'.repeat(100_000) })
  const chunks = [...text].map((byte) => `1\r\n${byte}\r\n`).join('')
  await connection.send(head('/v1/small', 'content-type: application/json', 'transfer-encoding: chunked'))
  await connection.send(`${chunks}0\r\n\r\n`)
  const { status, json } = await connection.answer()
  assert.is(status, 200)
  assert.is(json.fields.a.length, 100_000)
  connection.end()
})

test.run()

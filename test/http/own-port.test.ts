import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { call, callJson, RawConnection, readPs } from './raw.ts'

const test = suite("a deployment's own ports")
const shapes = ['pellet', 'text', 'object', 'detail', 'deepstack'] as const
type Shape = (typeof shapes)[number]

/** The message of an error body, which must be exactly of its shape. */
const messageIn: Record<Shape, (json: any) => string> = {
  pellet({ error: { code, message, status, request_id, ...rest }, ...other }) {
    assert.equal([rest, other], [{}, {}])
    assert.ok(code && request_id && status >= 400)
    return message
  },
  text({ error, ...rest }) {
    assert.equal(rest, {})
    return error
  },
  object({ error: { message, type, code, ...rest }, ...other }) {
    assert.equal([rest, other], [{}, {}])
    assert.ok(['invalid_request', 'internal_error'].includes(type) && code)
    return message
  },
  detail({ detail, ...rest }) {
    assert.equal(rest, {})
    return detail
  },
  deepstack({ success, error, ...rest }) {
    assert.equal([success, rest], [false, {}])
    return error
  },
}

let pellet: RunningPellet
let twins: [string, string]
const own = {} as Record<Shape, string>

test.before(async () => {
  const ports = await Promise.all(Array.from({ length: shapes.length + 2 }, freePort))
  const [first, second] = ports.slice(shapes.length)
  twins = [`http://127.0.0.1:${first}`, `http://127.0.0.1:${second}`]
  for (const [index, shape] of shapes.entries()) own[shape] = `http://127.0.0.1:${ports[index]}`
  const echo = 'return { fields: request.fields }'
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/twin.ts': answering(echo, {
      manifest: `listen: [${first}, ${second}], routes: { 'POST /v1/twin': {}, 'GET /v1/twin': {}, 'POST /test': {} },
        status: { 'GET /': { mine: '$name' }, 'GET /test': [{ body: true }], 'GET /health': { status: 'healthy' } }`,
    }),
    ...Object.fromEntries(
      shapes.map((shape, index) => [
        `functions/${shape}.ts`,
        answering(echo, { manifest: `errors: '${shape}', listen: ${ports[index]}, limits: { body: 1000 }` }),
      ]),
    ),
  })
})
test.after(async () => {
  await pellet.stop()
})

const get = (url: string, headers: Record<string, string> = {}) => call(url, { method: 'GET', headers })

test('both ports of a deployment serve its routes, with a trailing slash and a query too', async () => {
  for (const url of twins) {
    for (const path of ['/v1/twin', '/v1/twin/', '/v1/%74win'])
      assert.is((await callJson(`${url}${path}?n=5`, { a: 1 })).json.fields.a, 1, path)
    assert.is((await get(`${url}/v1/twin`)).status, 200)
    assert.equal((await get(`${url}/health/`)).json, { status: 'healthy' })
    assert.is((await callJson(`${url}/test`, {})).status, 200, 'POST goes to the isolate')
    assert.is((await get(`${url}/test`)).text, 'true', 'GET is a status route')
    assert.equal((await get(url)).json, { mine: 'twin' }, 'a status route goes over what is built in')
  }
})

test('a deployment is alone there: routes of others, /f and /api are 404', async () => {
  const paths = ['/v1/text', '/f/twin', '/f/twin/v1/twin', '/f/text', '/api/ps', '/api/deployments', '/health/live']
  for (const path of paths)
    for (const method of ['GET', 'POST']) assert.is((await call(twins[0] + path, { method })).status, 404, path)
  assert.is((await get(`${own.text}/health`)).status, 404, "Pellet's own health is the main port's")
  assert.is((await callJson(`${own.text}/v1/text`, {})).status, 200)
})

test('on the main port status routes stand under /f/{name}, and only there', async () => {
  assert.equal((await get(`${pellet.url}/f/twin/health`)).json, { status: 'healthy' })
  assert.equal((await get(`${pellet.url}/f/twin/`)).json, { mine: 'twin' })
  assert.is((await get(`${pellet.url}/test`)).status, 405, 'the path is an inference route')
  assert.is((await get(`${pellet.url}/health`)).json.status, 'ok')
  const { status, headers } = await call(`${pellet.url}/f/twin/test`, { method: 'PUT' })
  assert.is(status, 405)
  assert.is(headers.allow, 'POST, GET, HEAD')
})

test('/ tells name, model, version and routes', async () => {
  const { json } = await get(own.text)
  assert.is(json.name, 'text')
  assert.is(json.model, 'identity')
  assert.match(json.version, /^\d+\.\d+/)
  assert.ok(json.routes.includes('POST /v1/text'))
})

for (const shape of shapes) {
  const url = () => own[shape]
  const check = ({ status, json, headers }: Awaited<ReturnType<typeof call>>, expected: number) => {
    assert.is(status, expected)
    assert.match(headers['content-type'] as string, 'application/json')
    const message = messageIn[shape](json)
    assert.is(typeof message, 'string')
    return message
  }

  test(`${shape}: 404 lists the routes, 405 says Allow`, async () => {
    const unknown = await call(`${url()}/v1/nothing`, { method: 'GET', headers: { 'x-request-id': 'mine' } })
    assert.match(check(unknown, 404), `POST /v1/${shape}`)
    assert.is(unknown.headers['x-request-id'], 'mine')
    for (const [method, path, allow] of [
      ['GET', `/v1/${shape}`, 'POST'],
      ['PUT', '/', 'GET, HEAD'],
    ] as const) {
      const wrong = await call(url() + path, { method })
      check(wrong, 405)
      assert.is(wrong.headers.allow, allow)
    }
  })

  test(`${shape}: a body that is too large is 413, one that is no JSON 400`, async () => {
    check(await callJson(`${url()}/v1/${shape}`, { a: 'x'.repeat(2000) }), 413)
    const headers = { 'content-type': 'application/json' }
    check(await call(`${url()}/v1/${shape}`, { headers, body: '{' }), 400)
  })

  const malformed: [what: string, request: string, status: number][] = [
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a broken header', 'GET / HTTP/1.1\r\nhost x\r\n\r\n', 400],
    ['a length that is none', `POST /v1/${shape} HTTP/1.1\r\nhost: x\r\ncontent-length: two\r\n\r\n`, 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
    [
      'a wrong expectation',
      `POST /v1/${shape} HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\ncontent-length: 0\r\n\r\n`,
      417,
    ],
    ['a broken chunk', `POST /v1/${shape} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnope\r\n`, 400],
  ]
  for (const [what, request, status] of malformed)
    test(`${shape}: ${what} is ${status}`, async () => {
      const connection = new RawConnection(url())
      await connection.send(request)
      const answer = await connection.answer()
      check(answer, status)
      if (answer.headers.connection === 'close') await connection.closed
      connection.end()
    })
}

test('keep-alive, pipelining, chunked bodies and Expect: 100-continue are those of HTTP/1.1', async () => {
  const connection = new RawConnection(own.text)
  const head = 'POST /v1/text HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
  await connection.send(`${head}transfer-encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n`)
  assert.is((await connection.answer()).json.fields.a, 1)
  await connection.send(`${head}content-length: 7\r\n\r\n{"a":2}${head}content-length: 7\r\n\r\n{"a":3}`)
  assert.is((await connection.answer()).json.fields.a, 2)
  assert.is((await connection.answer()).json.fields.a, 3)
  await connection.send(`${head}expect: 100-continue\r\ncontent-length: 7\r\n\r\n`)
  assert.is((await connection.answer()).status, 100)
  await connection.send('{"a":4}')
  assert.is((await connection.answer()).json.fields.a, 4)
  await connection.send(`POST /nothing HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 7\r\n\r\n`)
  assert.is((await connection.answer()).status, 404, 'the body is not asked for')
  await connection.closed
})

test('HTTP/1.0 gets its answer whole, without chunks, and the connection closes', async () => {
  const body = '{"a":1}'
  const post = `POST /v1/text HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  for (const [request, status] of [
    [post, 200],
    ['GET / HTTP/1.0\r\n\r\n', 200],
    ['GET /nothing HTTP/1.0\r\n\r\n', 404],
  ] as const) {
    const connection = new RawConnection(own.text)
    await connection.send(request)
    const answer = await connection.answer()
    assert.is(answer.status, status)
    assert.is(answer.headers['transfer-encoding'], undefined)
    assert.ok(answer.json)
    await connection.closed
  }
})

test('pages and errors start no isolate', async () => {
  const before = (await readPs(pellet.folder))['twin']!
  await pellet.cli('unload', 'twin')
  await pellet.rowWhen('twin', ({ pid, state }) => pid === null && state === 'cold')
  for (const path of ['/', '/health', '/test', '/nothing']) await get(twins[0] + path)
  await call(`${twins[1]}/health`, { method: 'HEAD' })
  const after = (await readPs(pellet.folder))['twin']!
  assert.is(after.pid, null)
  assert.is(after.loads, before.loads)
})

test('list and ps show the ports', async () => {
  const rows = (await pellet.admin('GET', '/api/deployments')) as { name: string; listen: unknown[] }[]
  const ports = twins.map((url) => ({ port: Number(new URL(url).port), url, problem: null }))
  assert.equal(rows.find(({ name }) => name === 'twin')!.listen, ports)
  const { stdout } = await pellet.cli('ps')
  assert.match(stdout, new RegExp(`twin .*${ports[0]!.port}, ${ports[1]!.port}`))
  assert.match((await pellet.cli('list')).stdout, String(ports[0]!.port))
})

test.run()

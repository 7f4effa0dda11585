import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { call, callJson } from './raw.ts'

const test = suite('routes and answers on the main listener')
const shapes = ['pellet', 'text', 'object', 'detail'] as const
let pellet: RunningPellet

test.before(async () => {
  const failing = `
    if (request.fields.fail === 'throw') throw new Error('no such luck')
    if (request.fields.fail) throw new PelletError(request.fields.fail, 'told to fail', {
      details: [{ loc: ['x', 3, 'ax'], msg: 'expected a finite number', type: 'finite_number' }],
    })
    return { fields: request.fields, n: context.options.n }`
  const several = `routes: { 'POST /v1/echo': {}, 'POST /v1/other': { input: { n: 7 } }, 'GET /v1/echo': {}, 'DELETE /v1/gone': {} }`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/echo.ts': answering(failing, { manifest: several, input: 'n: z.number().int().default(1)' }),
    ...Object.fromEntries(
      shapes.map((shape) => [`functions/${shape}.ts`, answering(failing, { manifest: `errors: '${shape}'` })]),
    ),
    'functions/broken.ts': 'export default 5',
  })
})
test.after(async () => {
  await pellet.stop()
})

const url = (path: string) => pellet.url + path

test('a route answers, also under /f/{name}, with a trailing slash and a query', async () => {
  for (const path of ['/v1/echo', '/v1/echo/', '/f/echo', '/f/echo/', '/f/echo/v1/echo', '/f/echo/v1/echo/']) {
    const { status, json } = await callJson(url(`${path}?n=5`), { a: 1 })
    assert.is(status, 200, path)
    assert.is(json.fields.a, 1, path)
    assert.is(json.n, 5, path)
  }
  assert.is((await callJson(url('/v1/other'), {})).json.n, 7, 'input of the route')
  assert.is((await call(url('/v1/echo'), { method: 'GET' })).json.n, 1)
  assert.is((await call(url('/v1/gone'), { method: 'DELETE' })).status, 200)
})

test('the target may be written as a whole URL, and with escapes that are not needed', async () => {
  const { hostname, port } = new URL(pellet.url)
  const { RawConnection } = await import('./raw.ts')
  const connection = new RawConnection(pellet.url)
  for (const target of [`http://${hostname}:${port}/v1/echo`, '/v1/%65cho']) {
    await connection.send(`POST ${target} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`)
    assert.is((await connection.answer()).status, 200, target)
  }
  connection.end()
})

test('an unknown path is 404, whatever the method', async () => {
  for (const path of ['/v1/nothing', '/f/nothing', '/f/echo/v1/nothing', '/f', '/v1/echo/x', '//v1/echo', '/docs/x'])
    for (const method of ['GET', 'POST', 'OPTIONS', 'PUT']) {
      const { status, json, headers } = await call(url(path), { method })
      assert.is(status, 404, `${method} ${path}`)
      assert.is(json.error.code, 'not_found')
      assert.is(headers['x-pellet-error'], 'not_found')
    }
  assert.is((await call(url('/v1/%E0%A4%A'), { method: 'GET' })).status, 400, 'a broken escape')
  const { statusText } = await fetch(url('/v1/nothing'))
  assert.equal([statusText, (await fetch(url('/health'))).statusText], ['Not Found', 'OK'])
})

const wrongMethods: [method: string, path: string, allow: string][] = [
  ['PUT', '/v1/echo', 'POST, GET'],
  ['OPTIONS', '/v1/echo', 'POST, GET'],
  ['HEAD', '/f/text', 'POST'],
  ['OPTIONS', '/f/text/v1/text', 'POST'],
  ['GET', '/v1/other/', 'POST'],
  ['POST', '/v1/gone', 'DELETE'],
  ['POST', '/', 'GET, HEAD'],
  ['DELETE', '/health', 'GET, HEAD'],
  ['POST', '/health/live', 'GET, HEAD'],
  ['OPTIONS', '/health/ready', 'GET, HEAD'],
]
for (const [method, path, allow] of wrongMethods)
  test(`${method} ${path} is 405 with Allow: ${allow}`, async () => {
    const { status, headers, text } = await call(url(path), { method })
    assert.is(status, 405)
    assert.is(headers.allow, allow)
    assert.is(headers['x-pellet-error'], 'method_not_allowed')
    if (method === 'HEAD') assert.is(text, '')
    else assert.match(text, 'expected')
  })

test('HEAD of the own pages answers as GET does, without a body', async () => {
  for (const path of ['/', '/health', '/health/live', '/health/ready']) {
    const [get, head] = await Promise.all([call(url(path), { method: 'GET' }), call(url(path), { method: 'HEAD' })])
    assert.is(get.status, 200, path)
    assert.is(head.status, 200, path)
    assert.is(head.text, '')
    assert.match(get.headers['content-type']!, 'application/json')
    assert.match(head.headers['content-type']!, 'application/json')
  }
})

test('/ lists the functions, /health their states and what is refused', async () => {
  const home = (await call(url('/'), { method: 'GET' })).json
  assert.is(home.name, 'pellet')
  const echo = home.functions.find(({ name }: { name: string }) => name === 'echo')
  assert.equal(echo.routes, ['POST /v1/echo', 'POST /v1/other', 'GET /v1/echo', 'DELETE /v1/gone'])
  const health = (await call(url('/health'), { method: 'GET' })).json
  assert.is(health.status, 'ok')
  assert.ok(health.deployments.some(({ name }: { name: string }) => name === 'text'))
  assert.equal(health.failures, [{ name: 'broken', problems: 1 }])
  assert.equal((await call(url('/health/live'), { method: 'GET' })).json, { live: true })
  assert.equal((await call(url('/health/ready'), { method: 'GET' })).json, { ready: true })
})

test('/api is refused over TCP without a token, every path and method of it', async () => {
  for (const path of ['/api', '/api/', '/api/ps', '/api/deployments', '/api/deployments/echo/load'])
    for (const method of ['GET', 'POST']) {
      const { status, json } = await call(url(path), { method })
      assert.is(status, 401, `${method} ${path}`)
      assert.is(json.error.code, 'unauthorized')
    }
})

test('a request id is echoed when it is one, and made when it is not; answers and errors carry it', async () => {
  const places: [string, string, number][] = [
    ['POST', '/v1/echo', 200],
    ['PUT', '/v1/echo', 405],
    ['GET', '/v1/nothing', 404],
    ['GET', '/health', 200],
    ['POST', '/health', 405],
    ['GET', '/api/ps', 401],
  ]
  for (const [method, path, status] of places) {
    const given = await call(url(path), { method, headers: { 'x-request-id': 'trace:1.a-B_9' } })
    assert.is(given.status, status)
    assert.is(given.headers['x-request-id'], 'trace:1.a-B_9', `${method} ${path}`)
    if (status >= 400) assert.is(given.json.error.request_id, 'trace:1.a-B_9')
    for (const bad of ['', 'a b', 'x'.repeat(129), '<script>']) {
      const made = await call(url(path), { method, headers: { 'x-request-id': bad } })
      assert.match(made.headers['x-request-id'] as string, /^[0-9a-f-]{36}$/, `${method} ${path} ${bad}`)
    }
  }
})

test('an answer tells engine, revision and the time of every phase', async () => {
  const { headers } = await callJson(url('/v1/echo'), {})
  assert.is(headers['x-pellet-engine'], 'onnxruntime')
  assert.match(headers['x-pellet-revision'] as string, /^[0-9a-f]{12}$/)
  const timing = headers['server-timing'] as string
  for (const phase of ['queue', 'load', 'pre', 'infer', 'post'])
    assert.match(timing, new RegExp(`(^|, )${phase};dur=\\d+\\.\\d+`))
  assert.ok(Number(headers['content-length']) > 0, 'the length is known')
})

test('X-Keep-Alive that is nonsense is 400, all forms of a manifest are taken', async () => {
  for (const value of ['soon', '-2', '5 minutes', '', '1e3', 'NaN', '5m, 6m']) {
    const { status, json } = await callJson(url('/v1/echo'), {}, { 'x-keep-alive': value })
    assert.is(status, 400, value)
    assert.match(json.error.message, 'X-Keep-Alive')
  }
  for (const value of ['0', '-1', '300', '5m', '1h30m', '250ms'])
    assert.is((await callJson(url('/v1/echo'), {}, { 'x-keep-alive': value })).status, 200, value)
})

const details = [{ loc: ['x', 3, 'ax'], msg: 'expected a finite number', type: 'finite_number' }]

test('errors: pellet carries code, message, status, request id and details', async () => {
  const { status, json, headers } = await callJson(
    url('/v1/pellet'),
    { fail: 'invalid_input' },
    { 'x-request-id': 'r' },
  )
  assert.is(status, 422)
  const error = { code: 'invalid_input', message: 'told to fail', status: 422, request_id: 'r', details }
  assert.equal(json, { error })
  assert.is(headers['content-type'], 'application/json')
})

test('errors: text, object and detail are those of the old daemons', async () => {
  assert.equal((await callJson(url('/v1/text'), { fail: 'missing_input' })).json, { error: 'told to fail' })
  const object = (await callJson(url('/v1/object'), { fail: 'missing_input' })).json
  assert.equal(object, { error: { message: 'told to fail', type: 'invalid_request', code: 'missing_input' } })
  assert.is((await callJson(url('/v1/object'), { fail: 'throw' })).json.error.type, 'internal_error')
  assert.equal((await callJson(url('/v1/detail'), { fail: 'invalid_input' })).json, { detail: details })
  assert.equal((await callJson(url('/v1/detail'), { fail: 'missing_input' })).json, { detail: 'told to fail' })
})

test('the shape holds for what main refuses too, and 415 is 400 for clients of the old daemons', async () => {
  assert.is(typeof (await call(url('/v1/text'), { method: 'GET' })).json.error, 'string')
  assert.ok((await call(url('/v1/detail'), { method: 'GET' })).json.detail)
  assert.is((await call(url('/v1/object'), { method: 'GET' })).json.error.type, 'invalid_request')
  for (const shape of shapes) {
    const { status, text } = await call(url(`/v1/${shape}`), { headers: { 'content-type': 'text/csv' }, body: 'a,b' })
    assert.is(status, shape === 'pellet' ? 415 : 400)
    assert.match(text, 'content type')
  }
})

test('a step that throws is 500 with its name and reason, in every shape', async () => {
  for (const shape of shapes) {
    const { status, text } = await callJson(url(`/v1/${shape}`), { fail: 'throw' })
    assert.is(status, 500)
    assert.match(text, 'step answer: no such luck')
  }
})

test.run()

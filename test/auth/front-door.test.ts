// @timeout 60s
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import type { Scope } from '../../runtime/auth/scopes.ts'
import { TokenStore } from '../../runtime/auth/token-store.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { runHere } from '../support/cli.ts'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { call, RawConnection, type Answer } from '../http/raw.ts'

const test = suite('beyond loopback, at the front door')
const tokens = {} as Record<Scope, string>
let pellet: RunningPellet
let own: string

test.before(async () => {
  const port = await freePort()
  own = `http://127.0.0.1:${port}`
  const folder = createProject({
    'models/identity.onnx': identityModel(),
    'functions/echo.ts': answering('return {}', {
      manifest: `listen: ${port}, errors: 'text', status: { 'GET /health': { status: 'healthy' } }`,
    }),
  })
  const refused = await runHere(folder, ['start', '--host', '0.0.0.0', '--port', '0'])
  assert.is(refused.code, 2)
  assert.match(refused.stderr, /^host: .*found 0\.0\.0\.0\. Make a token first \(pellet token create\)/)
  const made = await runHere(folder, ['token', 'create', '--name', 'laptop', '--scope', 'deploy', '--expires', '90d'])
  assert.match(
    made.stderr,
    /^no Pellet runs here now; .*\nlaptop \([0-9a-f]{8}\): scopes deploy; it is valid until 20.*not shown again\.\n$/,
  )
  tokens.deploy = made.stdout.trim()
  const store = await TokenStore.open(createDataStore({ folder: join(folder, '.pellet') }), console.error)
  for (const scope of ['read', 'invoke'] as const)
    tokens[scope] = (await store.create({ name: scope, scopes: [scope] })).token
  pellet = await RunningPellet.start(folder, ['--host', '0.0.0.0'], { PELLET_TOKEN: tokens.deploy })
  pellet.url = pellet.url.replace('0.0.0.0', '127.0.0.1')
})
test.after(async () => {
  await pellet?.stop()
})

const bearer = (scope?: Scope): Record<string, string> => (scope ? { authorization: `Bearer ${tokens[scope]}` } : {})
const ask = (method: string, path: string, scope?: Scope) =>
  call(pellet.url + path, { method, headers: bearer(scope), ...(method === 'POST' && { body: '' }) })

test('who may do what', async () => {
  const cases: [method: string, path: string, none: number, read: number, invoke: number, deploy: number][] = [
    ['GET', '/health/live', 200, 200, 200, 200],
    ['GET', '/health/ready', 200, 200, 200, 200],
    ['GET', '/health', 401, 200, 403, 200],
    ['GET', '/metrics', 401, 200, 403, 200],
    ['GET', '/metrics/', 401, 200, 403, 200],
    ['GET', '/%6detrics', 401, 200, 403, 200],
    ['GET', '/', 401, 200, 200, 200],
    ['GET', '/docs', 401, 200, 200, 200],
    ['GET', '/openapi.json', 401, 200, 200, 200],
    ['GET', '/nothing', 401, 404, 404, 404],
    ['GET', '/f/echo/health', 401, 200, 200, 200],
    ['GET', '/results/none', 401, 403, 404, 404],
    ['POST', '/v1/echo', 401, 403, 200, 200],
    ['POST', '/v1/echo/', 401, 403, 200, 200],
    ['POST', '/f/echo', 401, 403, 200, 200],
    ['POST', '/f/echo/batch', 401, 403, 400, 400],
    ['GET', '/api/ps', 401, 200, 403, 200],
    ['GET', '/api/nothing', 401, 404, 403, 404],
    ['POST', '/api/ps', 401, 403, 403, 405],
    ['POST', '/api/deployments/echo/load', 401, 403, 403, 200],
    // Tokens are the machine's own.
    ['GET', '/api/tokens', 401, 403, 403, 403],
    ['POST', '/api/tokens', 401, 403, 403, 403],
    ['DELETE', '/api/tokens/laptop', 401, 403, 403, 403],
  ]
  for (const [method, path, ...expected] of cases) {
    const answers = await Promise.all([undefined, 'read', 'invoke', 'deploy'].map((s) => ask(method, path, s as Scope)))
    assert.equal(
      answers.map(({ status }) => status),
      expected,
      `${method} ${path}`,
    )
    const [none] = answers
    if (none!.status !== 401) continue
    assert.is(none!.headers['www-authenticate'], 'Bearer')
    assert.is(none!.headers['x-pellet-error'], 'unauthorized')
  }
})

test('an own port asks too, and says so as its clients expect', async () => {
  const closed: [method: string, path: string][] = [
    ['POST', '/v1/echo'],
    ['GET', '/v1/echo'],
    ['GET', '/'],
    ['GET', '/health'],
    ['GET', '/nothing'],
    ['GET', '/health/live'],
  ]
  for (const [method, path] of closed) {
    const { status, json, headers } = await call(own + path, { method })
    assert.equal([status, Object.keys(json), headers['www-authenticate']], [401, ['error'], 'Bearer'], path)
  }
  const statusOf = async (method: string, path: string, scope: Scope) =>
    (await call(own + path, { method, headers: bearer(scope) })).status
  assert.is(await statusOf('POST', '/v1/echo', 'invoke'), 200)
  assert.is(await statusOf('POST', '/v1/echo', 'read'), 403)
  assert.is(await statusOf('GET', '/health', 'invoke'), 200)
})

/** Ways to write a path that somebody might hope to come past the gate with. Never 200, with whatever right but `deploy`. */
const spellings = [
  '/api/ps',
  '/api/ps/',
  '//api/ps',
  '/./api/ps',
  '/x/../api/ps',
  '/health/live/../../api/ps',
  '/health/live/%2e%2e/%2e%2e/api/ps',
  '/health/live/..%2f..%2fapi/ps',
  '/%61pi/ps',
  '/api%2fps',
  '/API/ps',
  '/api;x=1/ps',
  '/api/./ps',
  '/api//ps',
  '/api/x/../ps',
  '\\api\\ps',
  '/\\api/ps',
  'api/ps',
  'http://x/api/ps',
  'HTTP://x/api/ps',
  'http://x:y@z//api/ps',
  'https://x/health/live/../../api/ps',
  '/health/live#/../../api/ps',
  '/metrics',
  '//metrics',
  '/health/live/../../metrics',
  '/health/live/../metrics',
  '/health/live/%2e%2e/%2e%2e/metrics',
  '/health/live%2f..%2f..%2fmetrics',
  '/health/live;/../../metrics',
  '/health/../metrics',
  '/METRICS',
  'http://x/metrics',
  '*',
]

test('no spelling of a path passes', async () => {
  for (const version of ['1.1', '1.0'])
    for (const path of spellings)
      for (const scope of [undefined, 'invoke'] as const) {
        const head = `GET ${path} HTTP/${version}\r\nhost: localhost\r\nconnection: close\r\n${headerLine(scope)}\r\n`
        const answer = await exchange(head)
        assert.ok([400, 401, 403, 404].includes(answer.status), `${scope ?? 'nobody'}: ${path} was ${answer.status}`)
        if (scope === undefined) assert.ok(answer.status !== 404, `${path} tells nobody what there is`)
        assert.not.match(answer.text, /pellet_requests_total|"pid"/)
      }
  // They are no accidents of the test: with the right token the plain ones are answered.
  for (const path of ['/api/ps', 'http://x/api/ps', '/metrics', '/%61pi/ps'])
    assert.not.match(
      String((await exchange(`GET ${path} HTTP/1.1\r\nhost: x\r\n${headerLine('read')}\r\n`)).status),
      /^4[01]/,
    )
})

test('neither do upgrades, pipelines, expectations, other methods and headers given twice', async () => {
  const lines = 'host: x\r\n'
  const refused = [
    `GET /api/ps HTTP/1.1\r\n${lines}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    `GET /api/ps HTTP/1.1\r\n${lines}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
    `POST /v1/echo HTTP/1.1\r\n${lines}content-length: 5\r\nexpect: 100-continue\r\n\r\n`,
    `OPTIONS /v1/echo HTTP/1.1\r\n${lines}origin: http://evil.example\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n\r\n`,
    `OPTIONS * HTTP/1.1\r\n${lines}\r\n`,
    `HEAD /api/ps HTTP/1.1\r\n${lines}\r\n`,
    `TRACE /api/ps HTTP/1.1\r\n${lines}\r\n`,
    `GET /api/ps HTTP/1.1\r\n${lines}x-http-method-override: GET\r\nx-original-url: /health/live\r\nx-forwarded-for: 127.0.0.1\r\n\r\n`,
    `GET /api/ps?token=${tokens.deploy} HTTP/1.1\r\n${lines}\r\n`,
    `GET /api/ps HTTP/1.1\r\n${lines}cookie: authorization=Bearer ${tokens.deploy}\r\n\r\n`,
    `GET /api/ps HTTP/1.1\r\n${lines}authorization: Bearer no\r\nauthorization: Bearer ${tokens.deploy}\r\n\r\n`,
    `GET /api/ps HTTP/1.1\r\n${lines}authorization: Bearer ${tokens.read}, Bearer ${tokens.deploy}\r\n\r\n`,
  ]
  for (const head of refused) {
    const answer = await exchange(head)
    assert.is(answer.status, 401, head)
    const allowed = Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))
    assert.equal(allowed, [], 'browsers are told nothing that lets a page of another site read answers')
  }
  const endless = await exchange(`POST /v1/echo HTTP/1.1\r\n${lines}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`)
  assert.equal([endless.status, endless.headers.connection], [401, 'close'], 'and no body is listened to')
  const connection = new RawConnection(pellet.url)
  const get = (path: string, scope?: Scope) => `GET ${path} HTTP/1.1\r\n${lines}${headerLine(scope)}\r\n`
  await connection.send(
    get('/health/live') + get('/api/ps') + get('/api/ps', 'read') + get('/api/ps') + get('/metrics', 'invoke'),
  )
  const statuses: number[] = []
  for (let index = 0; index < 5; index++) statuses.push((await connection.answer()).status)
  assert.equal(statuses, [200, 401, 200, 401, 403], 'each request on a connection stands for itself')
  connection.end()
})

test('a token that is made or revoked while Pellet runs is so at once; without any, all stays closed', async () => {
  const { stdout } = await runHere(pellet.folder, ['token', 'create', '--name', 'new', '--json'])
  const { token, scopes } = JSON.parse(stdout)
  const withNew = () => call(`${pellet.url}/docs`, { method: 'GET', headers: { authorization: `Bearer ${token}` } })
  assert.equal(scopes, ['read', 'invoke'])
  assert.is((await withNew()).status, 200)
  const followed = new RawConnection(pellet.url)
  await followed.send(`GET /api/logs?follow HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
  await once(followed.socket, 'data')
  const revoked = await runHere(pellet.folder, ['token', 'revoke', 'new'])
  assert.match(revoked.stdout, /^new \([0-9a-f]{8}\) is revoked/)
  await followed.closed
  assert.is((await withNew()).status, 401)
  const rows = (await pellet.admin('GET', '/api/tokens')) as { name: string; last_used_at: string | null }[]
  assert.equal(rows.map(({ name }) => name).toSorted(), ['invoke', 'laptop', 'read'])
  for (const { last_used_at } of rows) assert.ok(Date.now() - Date.parse(last_used_at!) < 60_000)
  for (const { name } of rows) await pellet.admin('DELETE', `/api/tokens/${name}`)
  for (const scope of ['read', 'invoke', 'deploy'] as const) {
    assert.is((await ask('GET', '/api/ps', scope)).status, 401)
    assert.is((await ask('POST', '/v1/echo', scope)).status, 401)
  }
  assert.is((await ask('GET', '/health/live')).status, 200)
})

test('the log has ids and no token', () => {
  assert.match(pellet.text(), /refused a request for want of a token; the last came from 127\.0\.0\.1 with no token/)
  for (const token of Object.values(tokens)) assert.not.match(pellet.text(), token.slice(-64))
  assert.match(pellet.text(), 'callers need a token; 3 are valid')
  assert.match(pellet.text(), '"POST /api/deployments/echo/load by the token laptop"')
  assert.not.match(pellet.text(), 'by the token read')
  assert.ok(pellet.log.filter(({ msg }) => msg.startsWith('refused')).length < 4)
})

test.run()

function headerLine(scope?: Scope): string {
  return scope ? `authorization: Bearer ${tokens[scope]}\r\n` : ''
}

async function exchange(head: string): Promise<Answer> {
  const connection = new RawConnection(pellet.url)
  try {
    await connection.send(head)
    return await connection.answer(head.startsWith('HEAD'))
  } finally {
    connection.end()
  }
}

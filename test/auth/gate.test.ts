import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Gate } from '../../runtime/auth/gate.ts'
import { needOf, targetNeed } from '../../runtime/auth/needs.ts'
import { allows, type Scope } from '../../runtime/auth/scopes.ts'
import { TokenStore } from '../../runtime/auth/token-store.ts'
import { toUpstreamHeaders } from '../../runtime/http/forwarded-headers.ts'
import type { Target } from '../../runtime/http/route-table.ts'
import { exchangeHeader } from '../../runtime/isolate/calls.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { deploymentOf } from '../deployments/tiny.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('the gate')
const deployment = deploymentOf({ name: 'x', route: 'POST /v1/x' })
const route: Target = { deployment, path: '/v1/x' }
const batch: Target = { deployment, batch: { method: 'POST', path: '/v1/x' } }
const page: Target = { deployment, page: () => ({ status: 200, headers: {}, body: '' }) }

const needs: [method: string, path: string, target: Target | undefined, passes: Scope[]][] = [
  ['GET', '/api/ps', undefined, ['read']],
  ['HEAD', '/api', undefined, ['read']],
  ['POST', '/api/blobs/missing', undefined, []],
  ['DELETE', '/api/cache', undefined, []],
  ['QUERY', '/api/ps', undefined, []],
  // Were a manifest to have a route there.
  ['POST', '/api/x', route, []],
  ['POST', '/v1/x', route, ['invoke']],
  ['POST', '/f/x/batch', batch, ['invoke']],
  ['GET', '/results/1', undefined, ['invoke']],
  ['GET', '/f/x/health', page, ['read', 'invoke']],
  ['GET', '/', undefined, ['read', 'invoke']],
  ['GET', '/docs', undefined, ['read', 'invoke']],
  ['GET', '/openapi.json', undefined, ['read', 'invoke']],
  ['GET', '/nothing', undefined, ['read', 'invoke']],
  ['GET', '/metrics', undefined, ['read']],
  ['GET', '/health', undefined, ['read']],
  ['GET', '/health/ready/x', undefined, ['read']],
]

test('what each scope opens; deploy opens all', () => {
  for (const [method, path, target, passes] of needs)
    for (const scope of ['read', 'invoke', 'deploy'] as const) {
      const may = allows([scope], needOf(method, path, target))
      assert.is(may, scope === 'deploy' || passes.includes(scope), `${scope}: ${method} ${path}`)
    }
  for (const path of ['/health/live', '/health/ready']) assert.ok(allows([], needOf('GET', path, undefined)), path)
  for (const path of ['/health/livex', '/health/', '/healthz', '/Health/live', '/apix'])
    assert.not.ok(allows([], needOf('GET', path, undefined)), path)
  // On its own port these paths are a deployment's, if anybody's.
  for (const path of ['/health/live', '/health/ready', '/metrics']) assert.not.ok(allows([], targetNeed(path, page)))
})

test('an isolate is never sent a token', () => {
  const headers = { authorization: 'Bearer x', 'x-mine': '1' }
  assert.equal(Object.keys(toUpstreamHeaders({ headers } as never, 'id', '1')), [
    'x-mine',
    'x-request-id',
    exchangeHeader,
  ])
})

test('whether a listener is open is a matter of what it is bound to', async () => {
  const cases: [host: string, isPublic: boolean, isStrict: boolean, isOpen: boolean][] = [
    ['127.0.0.1', false, false, true],
    ['0.0.0.0', false, false, false],
    ['0.0.0.0', true, false, true],
    ['127.0.0.1', false, true, false],
    ['127.0.0.1', true, true, false],
  ]
  const tokens = await TokenStore.open(createDataStore({ folder: temporaryFolder() }), () => {})
  for (const [host, isPublic, isStrict, expected] of cases) {
    const gate = new Gate({ tokens, log: { info: () => {}, warn: () => {} }, isPublic, isStrict })
    // Called from loopback, as a proxy on the same machine would.
    await serving(
      host,
      (req, res) => res.end(String(gate.isOpen(req))),
      async (url) => {
        assert.is(await (await fetch(url)).text(), String(expected), `${host} ${isPublic} ${isStrict}`)
      },
    )
  }
})

test('the answer is the same whatever is wrong; the log says what, once a minute, and never the token', async () => {
  let now = 0
  const lines: string[] = []
  const tokens = await TokenStore.open(
    createDataStore({ folder: temporaryFolder() }),
    () => {},
    () => now,
  )
  const { token } = await tokens.create({ name: 'cam', scopes: ['invoke'], expiresInMs: 10 })
  const log = { warn: (...said: unknown[]) => void lines.push(JSON.stringify(said)) }
  const gate = new Gate({ tokens, log: log as never, isPublic: false, isStrict: false, now: () => now })
  const ask = (authorization?: string) =>
    gate.refusalOf(
      {
        headers: { authorization },
        method: 'GET',
        socket: { remoteAddress: '10.0.0.7' },
      } as unknown as IncomingMessage,
      ['read'],
    )
  const scope = ask(`Bearer ${token}`)!
  assert.equal([scope.code, scope.message], ['forbidden', 'token cam: expected the scope read for GET, found invoke'])
  now = 10
  const refusals = [ask(), ask('Basic eDp5'), ask(`Bearer ${token}`), ask(`Bearer ${token.replace(/.$/, 'g')}`)]
  assert.equal(new Set(refusals.map((error) => `${error!.code} ${error!.message}`)).size, 1)
  assert.is(refusals[0]!.status, 401)
  assert.is(lines.length, 1)
  for (let round = 0; round < 1000; round++) ask(`Bearer ${token}`)
  now += 60_000
  ask(`Bearer ${token}`)
  assert.is(lines.length, 2)
  assert.match(
    lines[1]!,
    /refused 1004 requests .* from 10\.0\.0\.7 with the token cam \([0-9a-f]{8}\), which has expired/,
  )
  assert.not.match(lines.join(), token.slice(-64))
})

test.run()

async function serving(host: string, handler: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

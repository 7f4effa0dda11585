import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net'
import { join } from 'node:path'
import { CliError } from '../../runtime/cli/cli-error.ts'
import { call, callJson, openStream } from '../../runtime/cli/client.ts'
import { readTarget, type Target } from '../../runtime/cli/target.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('asking a Pellet on another machine')
const token = 'pellet_secret'

const wrongTargets: [args: Record<string, unknown>, env: Record<string, string>, message: RegExp][] = [
  [
    { to: 'pi.local' },
    {},
    /^--to: expected a URL such as .*, found pi\.local; did you mean http:\/\/pi\.local:11500\?$/,
  ],
  [{ to: 'pi.local:80' }, {}, /did you mean http:\/\/pi\.local:80\?$/],
  [{}, { PELLET_TO: 'ftp://pi' }, /^PELLET_TO: expected a URL such as .*, found ftp:\/\/pi$/],
  [{ to: 'http://pi/?a=b' }, {}, /^--to: expected a URL such as/],
  [{ to: 'http://user:secret@pi' }, {}, /^--to: expected a URL without user and password, found them; give --token/],
  [{ token }, {}, /^--token: expected --to URL beside it/],
  [{ to: 'http://pi', token: 'two words' }, {}, /^the token: expected one word/],
]
for (const [args, env, message] of wrongTargets)
  test(`${JSON.stringify({ ...args, ...env })} is misuse`, async () => {
    const error = await caught(readTarget(args, env))
    assert.match(error.message, message)
    assert.is(error.exitCode, 2)
    assert.not.match(error.message, 'secret')
  })

test('flags stand above the environment, and an address may have a path', async () => {
  const env = { PELLET_TO: 'http://a:1', PELLET_TOKEN: 'one' }
  const { shown, url, token: used } = await readTarget({ to: 'https://b/pellet', token: 'two' }, env)
  assert.equal([shown, url!.href, used], ['https://b/pellet', 'https://b/pellet/', 'two'])
  assert.is((await readTarget({}, env)).token, 'one')
  assert.ok((await readTarget({}, { PELLET_TO: '' })).socketPath)
})

test('a request goes below the path of the address, with the token', async () => {
  const seen: unknown[] = []
  await withServer(
    (req, res) => {
      seen.push([req.method, req.url, req.headers.authorization, req.headers['content-type']])
      res.setHeader('content-type', 'application/json').end('{"well":true}')
    },
    async (target) => {
      const below = { ...target, url: new URL('behind/proxy/', target.url) }
      assert.equal(await callJson(below, 'POST', '/api/x?y=1', { a: 1 }), { well: true })
    },
  )
  assert.equal(seen, [['POST', '/behind/proxy/api/x?y=1', `Bearer ${token}`, 'application/json']])
})

const html = { 'content-type': 'text/html' }
const error = (message: string, code: string) => ({
  headers: { 'x-pellet-error': code },
  body: JSON.stringify({ error: { message, code } }),
})
const answers: [what: string, status: number, answer: { headers?: object; body?: string }, message: RegExp][] = [
  ['what it says', 409, error('not so', 'conflict'), /^not so$/],
  ['a token that is none', 401, error('no', 'unauthorized'), /: expected a token that is valid there, found .*revoked/],
  [
    'a scope that lacks',
    403,
    error('token a: expected the scope deploy', 'forbidden'),
    /: token a: expected the scope deploy; pellet token create/,
  ],
  [
    'a page',
    404,
    { headers: html, body: '<h1>' },
    /: expected a Pellet, found status 404 of text\/html; is it the right address\?$/,
  ],
  ['errors of others', 404, { body: '{"error":"x"}' }, /: expected a Pellet, found status 404 of no type/],
  ['a page that is well', 200, { headers: html, body: '<h1>' }, /: expected a Pellet, found an answer of text\/html/],
  [
    'a redirect',
    301,
    { headers: { location: 'https://b/' } },
    /found a redirect to https:\/\/b\/; give the address there with --to$/,
  ],
  ['a proxy alone', 502, { headers: html }, /found a proxy that cannot reach one \(status 502\)$/],
]
test('what answers and is no Pellet, or says no, is told as such', async () => {
  let answer = answers[0]!
  await withServer(
    (_req, res) => void res.writeHead(answer[1], { ...answer[2].headers }).end(answer[2].body),
    async (target) => {
      for (answer of answers)
        for (const ask of [callJson(target, 'GET', '/api/ps'), openStream(target, 'GET', '/api/logs')]) {
          const { message } = await caught(ask)
          assert.match(message, answer[3], answer[0])
          assert.not.match(message, token)
        }
      answer = ['no token', 401, error('no', 'unauthorized'), /./]
      const { token: _, ...without } = target
      assert.match(
        (await caught(callJson(without, 'GET', '/api/ps'))).message,
        /: expected a token, found none; make one there \(pellet token create --scope .*\) and give it as PELLET_TOKEN$/,
      )
    },
  )
})

test('nobody there, nobody of that name, and no answer in time are told apart', async () => {
  const closed = await listening(createServer())
  const port = portOf(closed)
  closed.close()
  const nobody = await caught(callJson(at(`http://127.0.0.1:${port}`), 'GET', '/api/ps'))
  assert.match(nobody.message, /: expected a running Pellet, found nothing that listens there; is it running/)
  const unknown = await caught(callJson(at('http://nobody.invalid:11500'), 'GET', '/api/ps'))
  assert.match(unknown.message, /: expected a host that is known, found no address for nobody\.invalid$/)
  const silent = await listening(createTcpServer(() => {}))
  const late = await caught(call(at(`http://127.0.0.1:${portOf(silent)}`), 'GET', '/api/ps', { answerMs: 20 }))
  assert.match(late.message, /: expected an answer, found none in time \(no answer in 0\.02 s\)/)
  silent.close()
})

// openssl makes the certificate.
const withOpenssl = spawnSync('openssl', ['version']).status === 0 ? test : test.skip
withOpenssl('TLS where there is none, none where there is, and a certificate of nobody known', async () => {
  const folder = temporaryFolder()
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name)) as [string, string]
  const parts = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost']
  execFileSync('openssl', ['req', '-x509', ...parts, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const pair = { key: readFileSync(key), cert: readFileSync(cert) }
  const secure = await listening(createTlsServer(pair, (_req, res) => res.end('[]')))
  try {
    const url = `https://localhost:${portOf(secure)}`
    const unknown = await caught(callJson(at(url), 'GET', '/api/ps'))
    assert.match(
      unknown.message,
      /: expected a certificate that is trusted here, found: self-signed.*NODE_EXTRA_CA_CERTS/,
    )
    const plain = await caught(callJson(at(url.replace('https', 'http')), 'GET', '/api/ps'))
    assert.match(plain.message, /: expected an answer, found the connection closed; is .* is it http there\?$/)
  } finally {
    secure.closeAllConnections()
    secure.close()
  }
  await withServer(
    (_req, res) => void res.end(),
    async ({ url: address }) => {
      const none = await caught(callJson(at(address!.href.replace('http', 'https')), 'GET', '/api/ps'))
      assert.match(none.message, /: expected TLS, found something else; try http:\/\//)
    },
  )
})

test.run()

// --- internal ---

function at(url: string): Target {
  return { shown: url, url: new URL(url), token }
}

async function caught(promise: Promise<unknown>): Promise<CliError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.instance(thrown, CliError)
  return thrown as CliError
}

function listening<One extends TcpServer>(server: One): Promise<One> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port
}

async function withServer(handler: RequestListener, use: (target: Target) => Promise<void>): Promise<void> {
  const server = await listening(createServer(handler))
  try {
    await use(at(`http://127.0.0.1:${portOf(server)}`))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

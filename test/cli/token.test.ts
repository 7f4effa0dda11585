import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runHere } from '../support/cli.ts'
import { createProject } from '../support/pellet.ts'

const test = suite('pellet token without a running Pellet')
const folder = createProject({ 'pellet.yaml': 'require_token: true\n' })
const run = (...args: string[]) => runHere(folder, ['token', ...args])

test('what is no such command is told, and makes nothing', async () => {
  const cases: [args: string[], stderr: RegExp][] = [
    [[], /^token: .*ACTION/],
    [['make'], /^token: expected create, list or revoke, found make\n/],
    [['create', '--scope', 'admin'], /^token: --scope: expected some of read, invoke, deploy, found "admin"\n/],
    [['create', '--scope', ''], /^token: --scope: expected some of/],
    [['create', '--expires', 'soon'], /^token: --expires: expected a duration such as 12h or 90d, found "soon"\n/],
    [['create', '--expires', '0'], /^token: --expires: expected a duration/],
    [['create', 'laptop'], /^token: create: expected no more words, found laptop\n/],
    [['list', '--name', 'x'], /^token: list: expected no --name, --scope or --expires, found one\n/],
    [['revoke'], /^token: revoke: expected the id or name of a token\n/],
  ]
  for (const [args, stderr] of cases) {
    const result = await run(...args)
    assert.equal([result.code, result.stdout], [2, ''], args.join(' '))
    assert.match(result.stderr, stderr)
  }
  const elsewhere = await runHere(folder, ['token', 'create'], { PELLET_TO: 'http://pi.local:11500' })
  assert.is(elsewhere.code, 2)
  assert.match(elsewhere.stderr, /^token: expected no PELLET_TO, found one: tokens are made on the machine/)
  assert.equal(await run('list'), {
    code: 0,
    stdout: 'There is no token; pellet token create makes one.\n',
    stderr: '',
  })
})

test('made, listed and revoked in the data folder', async () => {
  const made = await run('create', '--name', 'cam', '--scope', 'invoke', '--expires', '1d')
  assert.match(made.stdout, /^pellet_[0-9a-f]{8}_[0-9a-f]{64}\n$/, 'alone on stdout, for scripts')
  assert.match(
    made.stderr,
    /^no Pellet runs here now; .*\ncam \([0-9a-f]{8}\): scopes invoke; it is valid until 2.*Z\./,
  )
  const twin = await run('create', '--name', 'cam')
  assert.equal([twin.code, twin.stdout], [1, ''])
  assert.match(twin.stderr, /^name: expected a new one, found that of the token [0-9a-f]{8}; revoke that first\n$/)
  const { stdout } = await run('list')
  assert.match(
    stdout,
    /^NAME +ID +SCOPES +CREATED +EXPIRES +LAST USED\ncam +[0-9a-f]{8} +invoke +\S+ ago +in (1d|24h|23h59m) +-\n$/,
  )
  const [row] = JSON.parse((await run('list', '--json')).stdout)
  assert.equal([row.name, row.state, row.scopes, row.last_used_at], ['cam', 'valid', ['invoke'], null])
  const revoked = await run('revoke', row.id)
  assert.is(revoked.stdout, `cam (${row.id}) is revoked: from now on it opens nothing\n`)
  const gone = await run('revoke', 'cam')
  assert.equal([gone.code, gone.stderr], [1, 'token: expected one that exists, and there is none, found "cam"\n'])
})

test('a Pellet that runs here and does not answer is not passed by: it would accept what is revoked', async () => {
  const made = JSON.parse((await run('create', '--name', 'lost', '--json')).stdout)
  mkdirSync(join(folder, '.pellet/run'))
  const hangsUp = (path: string) => createServer((socket) => socket.destroy()).listen(join(folder, '.pellet', path))
  const servers = ['pellet.sock', 'run/calls.sock'].map(hangsUp)
  await Promise.all(servers.map((server) => once(server, 'listening')))
  try {
    const { code, stderr } = await run('revoke', 'lost')
    assert.is(code, 1)
    assert.match(
      stderr,
      /pellet\.sock: expected an answer of the Pellet that runs here, found none; nothing was changed/,
    )
  } finally {
    for (const server of servers) server.close()
  }
  assert.match((await run('revoke', made.id)).stdout, /^lost /)
})

test('with require_token nobody starts without one, on loopback neither', async () => {
  const { code, stderr } = await runHere(folder, ['start'])
  assert.is(code, 2)
  assert.match(stderr, /^require_token: expected a token\. Make a token first \(pellet token create\)/)
})

test.run()

// @timeout 90s
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Puller } from '../../runtime/cli/pull/puller.ts'
import type { Config } from '../../runtime/config.ts'
import type { Catalog } from '../../runtime/models/catalog.ts'
import { createProject, RunningPellet, runCli } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { answering, colourModel, identityModel } from '../deployments/tiny.ts'
import { FileServer } from './file-server.ts'
import { toZip } from './zip-writer.ts'

const test = suite('models from the network')
const rest = 'pre: [image.decode, image.resize, tensor]\npost: [argmax]\n'
let server: FileServer
test.before(async () => {
  server = await FileServer.start()
})
test.after(() => server[Symbol.asyncDispose]())

test('are pulled: the licence is accepted once, the member of the archive pinned, and the rest told', async () => {
  const archive = server.file('/tags.zip', toZip([{ name: 'v2/tags.onnx', bytes: colourModel() }]))
  const folder = createProject({
    'manifests/tags.yaml': `model: { onnx: { url: "${archive}", member: tags.onnx, license: GPL-3.0 } }\n${rest}`,
    'manifests/gone.yaml': `model: { onnx: "${server.url}/gone.onnx" }\n${rest}`,
  })
  const asked = await runCli(folder, ['pull', 'tags'])
  assert.is(asked.code, 2)
  assert.match(asked.stderr, /^models\/tags\.onnx\n {2}GNU General Public License, version 3\n/)
  assert.match(asked.stderr, 'pull: nothing was fetched; to accept: pellet pull ... --accept-licence')
  assert.not.ok(existsSync(join(folder, 'pellet.lock')))

  const pulled = await runCli(folder, ['pull', 'tags', '--accept-licence', '--json'])
  assert.is(pulled.code, 0, pulled.stderr)
  const [row] = JSON.parse(pulled.stdout)
  assert.equal([row.file, row.state, row.size_bytes], ['models/tags.onnx', 'fetched', colourModel().length])
  const lock = readFileSync(join(folder, 'pellet.lock'), 'utf8')
  assert.match(lock, /licences:\n {2}GPL-3\.0:\n/)
  assert.match(lock, `v2/tags.onnx:\n        sha256: ${row.sha256}`)

  const all = await runCli(folder, ['pull', '--all'])
  assert.is(all.code, 1)
  assert.is(all.stdout, '')
  assert.match(all.stderr, /^models\/gone\.onnx: not fetched\n {2}.*\/gone\.onnx: expected a file, found status 404/)
})

test('that are there must be what the manifest says', async () => {
  const folder = createProject({ 'models/m.onnx': identityModel() })
  const puller = new Puller(
    { lockFile: join(folder, 'pellet.lock') } as Config,
    {} as Catalog,
    false,
    AbortSignal.abort(),
  )
  const target = { name: 'm', file: join(folder, 'models/m.onnx'), shown: 'models/m.onnx', url: `${server.url}/m.onnx` }
  assert.is((await puller.check(target)).state, 'there')
  const { state, problem } = await puller.check({ ...target, sha256: '0'.repeat(64) })
  assert.is(state, 'failed')
  assert.match(problem!, /^models\/m\.onnx: expected sha256 0{64} as the manifest says, found [0-9a-f]{64}; correct/)
  await puller.close()
})

test('are fetched by itself where that is set, while all else serves, and go live', async () => {
  let release = () => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  const bytes = colourModel()
  const url = server.on('/late.onnx', (res) => {
    res.writeHead(200, { 'content-length': bytes.length })
    res.write(bytes.subarray(0, 100))
    void released.then(() => res.end(bytes.subarray(100)))
  })
  const entry = (of: string, licence: string) => `model: { onnx: { url: "${of}", license: ${licence} } }\n`
  const pellet = await RunningPellet.start({
    'pellet.yaml': 'fetch: true\naccept_licences: [MIT]\n',
    'models/identity.onnx': identityModel(),
    'functions/fine.ts': answering('return { ok: true }'),
    'manifests/late.yaml': entry(url, 'MIT') + rest,
    'manifests/strict.yaml': entry(`${server.url}/strict.onnx`, 'AGPL-3.0') + rest,
  })
  try {
    const row = async (name: string) => {
      const rows = (await pellet.admin('GET', '/api/deployments')) as {
        name: string
        state: string
        problems: string[]
      }[]
      return rows.find((one) => one.name === name)!
    }
    const share = Math.floor((100 / bytes.length) * 100)
    await until(
      async () => (await row('late')).problems.at(-1) === `models/late.onnx: being fetched, ${share} %`,
      'progress',
    )
    assert.is((await row('late')).state, 'fetching')
    const refused = (await (await pellet.fetch('/v1/late', { method: 'POST' })).json()) as {
      error: { message: string }
    }
    assert.match(refused.error.message, `late is not deployed, its model is being fetched, ${share} %`)
    assert.is((await pellet.post('/v1/fine', {})).status, 200)
    // One that wants the same file, and comes while it is under way.
    writeFileSync(join(pellet.folder, 'manifests/later.yaml'), entry(url, 'MIT') + rest)
    process.kill(pellet.pid, 'SIGHUP')
    await pellet.logged(({ msg }) => msg.startsWith('reloaded'))
    release()
    for (const name of ['late', 'later'])
      await pellet.logged(({ msg, deployment }) => msg === 'deployed' && deployment === name)
    assert.is((await row('late')).state, 'cold')
    // What needs a licence that nobody accepted is told once.
    const line = await pellet.logged(
      ({ level, deployment, msg }) => level === 'warn' && deployment === 'strict' && msg.includes('could not'),
    )
    assert.match(line.msg, /its licence was not accepted: AGPL-3\.0; pellet pull strict shows it/)
    assert.is((await row('strict')).state, 'no model')
    assert.not.ok(server.asked.some(({ path }) => path === '/strict.onnx'))
  } finally {
    await pellet.stop()
  }
})

test.run()

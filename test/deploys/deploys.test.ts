// @timeout 120s
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HistoryRow } from '../../runtime/deploys/protocol.ts'
import type { ListRow } from '../../runtime/http/admin.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { parseMetrics, valuesOf } from '../http/prometheus.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { ask, begin, deploy, missingOf, pack, refOf, rollback } from './driver.ts'

const test = suite('deploys, at the front door')
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/greet.ts': answering(`return { says: 'dropped' }`),
    'functions/held.ts': answering(`return {}`),
  })
})
test.after(async () => {
  await pellet?.stop()
})

const greet = async () => ((await (await pellet.post('/v1/greet', {})).json()) as { says: string }).says
const rows = async () =>
  Object.fromEntries(((await pellet.admin('GET', '/api/deployments')) as ListRow[]).map((row) => [row.name, row]))
const history = async (name: string) =>
  (await pellet.admin('GET', `/api/deployments/${name}/revisions`)) as HistoryRow[]
const recordOf = (key: string) => join(pellet.folder, '.pellet/storage/deployments', key.replaceAll(':', '%3a'))

const one = pack('greet', 'one', { manifest: { files: { labels: 'labels.txt' } } })
const two = pack('greet', 'two')

test('what is uploaded goes live, and shadows the dropped file of its name', async () => {
  assert.is(await greet(), 'dropped')
  const { phases, done } = await deploy(pellet, one)
  assert.equal(phases, ['stage', 'load', 'probe', 'switch'])
  assert.equal([done!.isChanged, done!.name], [true, 'greet'])
  assert.match(done!.notes.join(), 'functions/greet.ts of the project does not serve until pellet delete greet')
  assert.equal(await (await pellet.post('/v1/greet', {})).json(), { says: 'one', labels: ['labels of one'] })
  const { greet: row } = await rows()
  assert.equal([row!.source, row!.revision, row!.state], ['deployed', done!.revision.slice(0, 12), 'ready'])
  assert.equal([row!.shadows, row!.origin], [{ function: 'functions/greet.ts' }, { manifest: 'manifests/greet.yaml' }])
  assert.ok(row!.age_s! < 60)
  assert.is((await pellet.row('greet')).loads, 2, 'each revision once: it was loaded before it went live')
  assert.equal(await missingOf(pellet, [...one.blobs.values()].map(refOf)), [])
})

test('a dry run and the same again change nothing', async () => {
  const dry = await deploy(pellet, two, '?dry_run=true')
  assert.equal([dry.phases, dry.done!.isChanged, await greet()], [['stage'], false, 'one'])
  assert.is((await deploy(pellet, one)).done!.isChanged, false)
  assert.is((await history('greet')).length, 1)
})

test('another revision takes over, and a rollback brings the first back', async () => {
  const { done } = await deploy(pellet, two, '?probe=false')
  assert.is(await greet(), 'two')
  const first = done!.previous!
  assert.equal((await rollback(pellet, 'greet')).done!.revision, first)
  assert.is(await greet(), 'one')
  const made = (await history('greet')).map(({ revision, isLive, by }) => ({ revision, isLive, by }))
  assert.equal(made, [
    { revision: first, isLive: true, by: 'rollback' },
    { revision: done!.revision, isLive: false, by: 'deploy' },
  ])
  const unknown = await rollback(pellet, 'greet', 'ffffffff')
  assert.equal([unknown.failed!.code, unknown.failed!.serves], ['not_found', first])
})

const broken: [what: string, packed: () => ReturnType<typeof pack>, phase: string, code: string, told: RegExp][] = [
  [
    'a blob that was not uploaded',
    () => ({ ...one, blobs: new Map(), draft: { ...one.draft, models: { onnx: refOf(Buffer.from('other')) } } }),
    'stage',
    'blob_missing',
    /m\.onnx \(blob .*found none/,
  ],
  [
    'another name',
    () => ({ ...one, draft: { ...one.draft, manifest: { ...one.draft.manifest, name: 'other' } } }),
    'stage',
    'invalid_manifest',
    /expected one of greet, found one of other\ngreet: it was compiled by Pellet 0\.0\.0, and this is /,
  ],
  [
    'a step that is not there',
    () => pack('greet', 'x', { manifest: { post: ['nowhere'] } }),
    'stage',
    'invalid_manifest',
    /manifests\/greet\.yaml .*nowhere/,
  ],
  [
    'no model',
    () => pack('greet', 'x', { model: Buffer.from('nothing of the kind') }),
    'stage',
    'invalid_manifest',
    /m\.onnx|no ONNX model/,
  ],
  [
    'code that is none',
    () => pack('greet', 'x', { head: 'no code' }),
    'stage',
    'invalid_manifest',
    /^the function: the function throws while it is loaded: SyntaxError/,
  ],
  [
    'code that throws when it is loaded',
    () => pack('greet', 'x', { head: `if (!process.argv[1].includes('describe')) throw new Error('not today')` }),
    'load',
    'load_failed',
    /not today/,
  ],
]
test('whatever is wrong with it is told, and what serves serves on', async () => {
  const serves = (await history('greet'))[0]!.revision
  for (const [what, packed, phase, code, told] of broken) {
    const { failed } = await deploy(pellet, packed())
    assert.equal([failed!.phase, failed!.code, failed!.serves], [phase, code, serves], what)
    assert.match(failed!.problems.join('\n'), told, what)
    assert.is(failed!.problems.join().includes(pellet.folder), false, `${what}: no path of this machine`)
  }
  assert.equal([await greet(), (await history('greet')).length], ['one', 2])
  assert.is(pellet.log.filter(({ level }) => level === 'error').length, 1, 'the load that failed')
  const counts = parseMetrics(await (await pellet.fetch('/metrics')).text()).get('pellet_deploys_total')
  assert.equal(
    [valuesOf(counts, { result: 'done' }), valuesOf(counts, { result: 'failed' })],
    [[4], [broken.length + 1]],
  )
})

test('wrong requests are refused', async () => {
  const wrong: [method: string, path: string, body: unknown, status: number][] = [
    ['PUT', `/api/blobs/${refOf(Buffer.from('a')).sha256}?size=1`, 'b', 422],
    ['PUT', `/api/blobs/${refOf(Buffer.from('a')).sha256}?size=1`, 'ab', 400],
    ['PUT', `/api/blobs/${refOf(Buffer.from('a')).sha256}`, 'a', 400],
    ['PUT', '/api/blobs/..%2f..%2fx?size=1', 'a', 400],
    ['POST', '/api/blobs/missing', { blobs: [{ sha256: '../x', sizeBytes: 1 }] }, 400],
    ['POST', '/api/blobs/missing', 'null', 400],
    ['POST', '/api/deployments/greet/revisions', 'no json', 400],
    ['POST', '/api/deployments/greet/rollback', { revision: 5 }, 400],
    ['GET', '/api/deployments/held/revisions', '', 404],
    ['DELETE', '/api/deployments/held', '', 404],
    ['DELETE', '/api/deployments/a:b', '', 400],
    ['PATCH', '/api/deployments/greet/revisions', '', 405],
  ]
  for (const [method, path, body, status] of wrong)
    assert.is((await ask(pellet, method, path, body)).status, status, `${method} ${path}`)
})

test('after a kill what was live is live again, an upload goes on, and what is damaged is told', async () => {
  const { done } = await deploy(pellet, pack('hurt', 'b'), '?probe=false')
  const large = Buffer.alloc(3_000_000, 7)
  const { sha256 } = refOf(large)
  const upload = begin(pellet, 'PUT', `/api/blobs/${sha256}?size=${large.length}`, large.length)
  upload.on('error', () => {})
  upload.write(large.subarray(0, 1_000_000))
  const received = async () => (await missingOf(pellet, [refOf(large)]))[0]!.receivedBytes
  await until(async () => (await received()) === 1_000_000, 'a part of the blob')
  await pellet.stop('SIGKILL')
  flip(recordOf(`live:hurt`))
  pellet = await RunningPellet.start(pellet.folder)
  assert.equal([await greet(), await received()], ['one', 1_000_000])
  assert.is(
    (await ask(pellet, 'PUT', `/api/blobs/${sha256}?size=${large.length}&offset=1000000`, large.subarray(1_000_000)))
      .status,
    201,
  )
  assert.equal(await missingOf(pellet, [refOf(large)]), [])

  const { hurt } = await rows()
  assert.equal([hurt!.state, hurt!.source], ['refused', 'deployed'])
  assert.match(hurt!.problems.join('\n'), /record of what was deployed is damaged: its checksum does not match/)
  assert.match(hurt!.problems.join('\n'), new RegExp(`pellet rollback hurt REVISION`))
  assert.is((await rollback(pellet, 'hurt', done!.revision)).done!.isChanged, true)
  assert.equal(await (await pellet.post('/v1/hurt', {})).json(), { says: 'b' })
})

test('what is deleted is gone with its records, and the dropped file serves again', async () => {
  const { body } = await ask(pellet, 'DELETE', '/api/deployments/greet')
  assert.equal(JSON.parse(body).serves, { function: 'functions/greet.ts' })
  assert.is(await greet(), 'dropped')
  assert.is((await ask(pellet, 'DELETE', '/api/deployments/hurt')).status, 200)
  assert.is((await pellet.post('/v1/hurt', {})).status, 404)
  assert.is((await ask(pellet, 'DELETE', '/api/deployments/hurt')).status, 404)
  const records = () => readdirSync(join(recordOf('x'), '..')).filter((name) => /^(?:live|revision)/.test(name))
  await until(
    () => records().length === 0,
    () => `no records, found ${records().join()}`,
  )
  assert.equal((await rows())['greet']!.source, 'dropped')
})

function flip(file: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.length - 3]! ^= 1
  writeFileSync(file, bytes)
}

test.run()

import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createMemo, trimMemo } from '../../runtime/deployments/memo.ts'
import { joinSources } from '../../runtime/deployments/sources.ts'
import { blobsOf } from '../../runtime/deploys/draft.ts'
import { findDamage } from '../../runtime/deploys/draft-blobs.ts'
import { collectGarbage, toCollect } from '../../runtime/deploys/garbage.ts'
import { keptRevisions, toRollback, withLive } from '../../runtime/deploys/history.ts'
import { DamagedRecord, Records, type LiveRecord, type Made } from '../../runtime/deploys/records.ts'
import { DraftError, readDraft } from '../../runtime/deploys/read-draft.ts'
import type { PelletError } from '../../runtime/errors.ts'
import { toManifestInput } from '../../runtime/manifest/denormalize.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import { readManifest } from '../../runtime/manifest/read.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import type { BlobStore, StoredBlob } from '../../runtime/storage/blobs.ts'
import { createDataStore, openBlobs } from '../../runtime/storage/storage.ts'
import { deploymentOf } from '../deployments/tiny.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { projectRoot } from '../support/root.ts'
import { pack, refOf, type Packed } from './driver.ts'

const test = suite('what deploys are made of')

const dropped = (name: string) => deploymentOf({ name })
const deployed = (name: string) => ({ ...dropped(name), origin: { deployed: { atMs: 1 } } })
const damaged = (name: string) => ({ name, origin: { deployed: { atMs: 0 } }, problems: ['damaged'] })

test('what was deployed stands first and shadows what was dropped, also where it is damaged', () => {
  const [a, b] = [dropped('a'), dropped('b')]
  const again = { ...dropped('b'), origin: { manifest: 'manifests/z.yaml' } }
  assert.equal(joinSources([a, b], []), { results: [a, b], shadowed: new Map() })
  for (const over of [deployed('b'), damaged('b')]) {
    const { results, shadowed } = joinSources([a, b, again], [over, deployed('c')])
    assert.equal(results, [over, deployed('c'), a])
    assert.equal([...shadowed], [['b', b]])
  }
})

test('a file and a probe’s input of one name are two blobs', () => {
  const probe = [{ input: 'one.jpg', expect: {} }]
  const { draft, blobs } = pack('a', 'one', {
    manifest: { files: { one: 'one.jpg' }, probe },
    probeInputs: { 'one.jpg': Buffer.from('another') },
  })
  assert.equal(
    blobsOf(draft)
      .map(([, { sha256 }]) => sha256)
      .sort(),
    [...blobs.keys()].sort(),
  )
})

const made = (revision: string, by: Made['by'] = 'deploy'): Made => ({ revision, atMs: 0, by })
const historyOf = (...revisions: string[]): LiveRecord => ({
  revision: revisions[0]!,
  history: revisions.map((revision) => made(revision)),
})

test('the last five and what is live are kept', () => {
  const ids = (record: LiveRecord) => [record.revision, ...record.history.map(({ revision }) => revision)]
  assert.equal(ids(withLive([], made('a'))), ['a', 'a'])
  assert.equal(ids(withLive(historyOf('e', 'd', 'c', 'b', 'a').history, made('f'))), ['f', 'f', 'e', 'd', 'c', 'b'])
  const back = withLive(historyOf('e', 'd', 'c', 'b', 'a').history, made('a', 'rollback'))
  assert.equal(ids(back), ['a', 'a', 'e', 'd', 'c', 'b'])
  assert.equal([back.history[0]!.by, back.history.length], ['rollback', keptRevisions])
})

const rollbacks: [live: string | undefined, wanted: string | undefined, to: string | RegExp][] = [
  ['abcd1', undefined, 'abcd2'],
  ['abcd2', undefined, 'abcd1'],
  // The record of what is live is damaged: the newest that is kept.
  [undefined, undefined, 'abcd1'],
  ['abcd1', 'ef01', 'ef012'],
  ['abcd1', 'abcd1', 'abcd1'],
  ['abcd1', 'abcd', /abcd1 and abcd2 begin with abcd/],
  ['abcd1', '0000', /expected one that is kept \(abcd1, abcd2, ef012\), found 0000/],
  ['abcd1', 'ef0', /at least 4 of its first digits, found "ef0"/],
  ['abcd1', '../x', /found "\.\.\/x"/],
]
test('a rollback means the revision of that beginning, else the one before', () => {
  const { history } = historyOf('abcd1', 'abcd2', 'ef012')
  for (const [live, wanted, to] of rollbacks) {
    const rollback = () => toRollback('a', history, live, wanted)
    if (typeof to === 'string') assert.is(rollback(), to)
    else assert.throws(rollback, to)
  }
  assert.throws(
    () => toRollback('a', historyOf('abcd1').history, 'abcd1', undefined),
    (error: PelletError) => error.code === 'not_found',
  )
})

const hours = (count: number) => count * 3_600_000
const stored = (sha256: string, ageHours: number, isPart = false): StoredBlob => ({
  sha256,
  sizeBytes: 1,
  isPart,
  ageMs: hours(ageHours),
  file: `/blobs/${sha256}`,
})
test('blobs go that nobody needs, and none that a deploy on its way may', () => {
  const blobs = [
    stored('needed', 99),
    stored('old', 2),
    stored('young', 0.5),
    stored('promised', 2),
    stored('promised long ago', 2),
    stored('of the future', -5),
    stored('half', 23, true),
    stored('old half', 25, true),
  ]
  const now = hours(1000)
  const promised = new Map([
    ['promised', now - hours(0.5)],
    ['promised long ago', now - hours(1.5)],
  ])
  const gone = toCollect(blobs, new Set(['/blobs/needed']), promised, now)
  assert.equal(
    gone.map(({ sha256 }) => sha256),
    ['old', 'promised long ago', 'old half'],
  )
})

/** A data folder with these deployed one after the other; the last is live. */
async function keep(...packed: Packed[]) {
  const folder = temporaryFolder()
  const records = new Records(createDataStore({ folder }))
  const blobs = openBlobs(folder)
  let live: LiveRecord | undefined
  for (const [index, { draft, blobs: bytes }] of packed.entries()) {
    for (const [sha256, one] of bytes) await blobs.receive({ sha256, sizeBytes: one.length }, 0, once(one))
    const revision = `revision${index}`
    await records.putRevision({ revision, atMs: index, draft })
    live = withLive(live?.history ?? [], { revision, atMs: index, by: 'deploy' })
  }
  const name = packed[0]!.draft.name
  await records.putLive(name, live!)
  return {
    folder,
    records,
    blobs,
    name,
    recordOf: (key: string) => join(folder, 'storage/deployments', key.replaceAll(':', '%3a')),
  }
}

const injuries: Record<string, (file: string) => void> = {
  'a flipped bit': (file) => {
    const bytes = readFileSync(file)
    bytes[bytes.length - 4]! ^= 1
    writeFileSync(file, bytes)
  },
  'nothing left': (file) => truncateSync(file, 0),
  'a folder in its place': (file) => {
    rmSync(file)
    mkdirSync(join(file, 'with'), { recursive: true })
  },
}
for (const [what, injure] of Object.entries(injuries)) {
  test(`a record that is damaged (${what}) is told, stays until it is written again, and leaves the others to be found`, async () => {
    const { records, name, recordOf } = await keep(pack('a', 'one'), pack('a', 'two'))
    injure(recordOf('live:a'))
    injure(recordOf('revision:a:revision0'))
    const reads: (() => Promise<unknown>)[] = [() => records.live(name), () => records.revision(name, 'revision0')]
    for (const read of reads) assert.instance(await read().catch((error: unknown) => error), DamagedRecord)
    assert.equal(await records.names(), ['a'])
    assert.equal(
      (await records.keptOf(name)).map(({ revision }) => revision),
      ['revision1'],
    )
    assert.is((await records.revisions()).length, 2, 'nothing was removed')
    await records.putLive(name, historyOf('revision1'))
    assert.equal(await records.live(name), historyOf('revision1'))
    await records.removeRevision(name, 'revision0')
    assert.is((await records.revisions()).length, 1)
  })
}

const silent = pino({ level: 'silent' })
const collect = (records: Records, blobs: BlobStore, serving: string[] = []) =>
  collectGarbage({ records, blobs, running: [], serving: new Set(serving), promised: new Map(), log: silent })
const age = (blobs: BlobStore) => {
  for (const name of readdirSync(blobs.folder)) utimesSync(join(blobs.folder, name), 1, 1)
}

test('what no history names goes, and with a name its blobs', async () => {
  const [one, two] = [pack('a', 'one'), pack('a', 'two')]
  const { records, blobs, name } = await keep(one, two)
  await records.putLive(name, { revision: 'revision1', history: [made('revision1')] })
  age(blobs)
  await collect(records, blobs)
  assert.equal(await records.revisions(), [{ name: 'a', revision: 'revision1' }])
  assert.equal((await blobs.list()).map(({ sha256 }) => sha256).sort(), [...two.blobs.keys()].sort())
  await records.removeLive(name)
  await collect(records, blobs, [name])
  assert.is((await records.revisions()).length, 1, 'it serves: its record was not removed by us')
  await collect(records, blobs)
  assert.equal([await records.revisions(), await blobs.list()], [[], []])
})

test('of a name whose record is damaged all is kept', async () => {
  const { records, blobs, recordOf } = await keep(pack('a', 'one'), pack('a', 'two'))
  injuries['nothing left']!(recordOf('live:a'))
  age(blobs)
  const before = await blobs.list()
  await collect(records, blobs)
  assert.equal([(await records.revisions()).length, (await blobs.list()).length], [2, before.length])
})

test('a blob is read once, again when its file is another, and goes when it is damaged', async () => {
  const { draft, blobs: bytes } = pack('a', 'one')
  const { blobs } = await keep({ draft, blobs: bytes })
  const known = new Map<string, unknown>()
  const memo = {
    get: async <Value>(key: string) => known.get(key) as Value | undefined,
    set: async (key: string, value: unknown) => void known.set(key, value),
  }
  assert.equal(await findDamage(draft, blobs, memo), [])
  assert.is(known.size, 2)
  for (const key of known.keys()) known.set(key, 'another stamp')
  const file = blobs.fileOf(draft.models.onnx!.sha256)
  injuries['a flipped bit']!(file)
  const [problem, ...others] = await findDamage(draft, blobs, memo)
  assert.match(problem!, /^m\.onnx \(blob [0-9a-f]{12}\): .* the file was damaged, and is removed$/)
  assert.equal(others, [])
  assert.is(await blobs.has(draft.models.onnx!), false, 'the next deploy uploads it')
})

test('what was learnt longest ago is forgotten first', async () => {
  const folder = temporaryFolder()
  const storage = createDataStore({ folder })
  const memo = createMemo(storage)
  for (const key of ['old', 'older', 'new']) await memo.set(key, key)
  const fileOf = (key: string) =>
    readdirSync(entries).find((name) => readFileSync(join(entries, name), 'utf8').endsWith(`\n${key}`))!
  const entries = join(folder, 'storage/deployments')
  utimesSync(join(entries, fileOf('old')), 2, 2)
  utimesSync(join(entries, fileOf('older')), 1, 1)
  await storage.setItem('deployments:live:a', { kept: true })
  await trimMemo(storage, 2)
  assert.equal([await memo.get('new'), await memo.get('old'), await memo.get('older')], ['new', 'old', undefined])
  assert.ok(await storage.hasItem('deployments:live:a'))
})

test('a manifest is the same after it was written again, whatever it says', () => {
  const names = readdirSync(join(projectRoot, 'manifests')).filter((name) => name.endsWith('.yaml'))
  assert.ok(names.includes('example.yaml'), 'the one with every key')
  for (const file of names) {
    const written = readManifest(file, readFileSync(join(projectRoot, 'manifests', file), 'utf8'))
      .value as ManifestInput
    const model = written.model ?? { onnx: 'm.onnx' }
    const { manifest } = normalizeManifest({ keep_alive: -1, cache: { ttl: '1h' }, ...written, model }, { name: 'a' })
    const again = normalizeManifest(toManifestInput(manifest!), { name: 'a' })
    assert.equal([again.issues, again.manifest], [[], manifest], file)
  }
})

const odd: [what: string, change: (draft: any) => unknown, told: RegExp][] = [
  ['no object', () => 'text', /draft: /],
  ['no manifest', (draft) => ({ ...draft, manifest: undefined }), /draft\.manifest/],
  ['a manifest that is none', (draft) => ({ ...draft, manifest: { name: 'a' } }), /expected a normalised manifest/],
  [
    'limits that cannot be',
    (draft) => ({ ...draft, manifest: { ...draft.manifest, limits: { ...draft.manifest.limits, concurrency: 0 } } }),
    /limits\.concurrency/,
  ],
  [
    'a path for a digest',
    (draft) => ({ ...draft, models: { onnx: { sha256: '../../x', sizeBytes: 1 } } }),
    /draft\.models\.onnx\.sha256/,
  ],
  ['code without a function', (draft) => ({ ...draft, bundle: undefined }), /draft\.bundle/],
  ['a file too many', (draft) => ({ ...draft, files: { x: refOf(Buffer.from('x')) } }), /draft\.files/],
  ['another name beside', (draft) => ({ ...draft, name: 'b' }), /^draft: expected one of a, found one of b$/],
  ['places of other routes', (draft) => ({ ...draft, places: { ...draft.places, routes: [] } }), /draft\.places/],
]
test('what is no draft is refused, with what is wrong', () => {
  const { draft } = pack('a', 'one')
  assert.equal(readDraft('a', JSON.parse(JSON.stringify(draft))).draft, draft)
  for (const [what, change, told] of odd)
    try {
      readDraft('a', change(draft))
      assert.unreachable(what)
    } catch (error) {
      assert.instance(error, DraftError, what)
      assert.match((error as DraftError).problems.join('\n'), told, what)
    }
})

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

test.run()

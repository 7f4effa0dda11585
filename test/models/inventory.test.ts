import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Draft } from '../../runtime/deploys/protocol.ts'
import { Records } from '../../runtime/deploys/records.ts'
import { listModels, removeModel, type InventoryOptions } from '../../runtime/models/inventory.ts'
import type { SourceModels } from '../../runtime/models/project-models.ts'
import { createDataStore, openBlobs } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('models that lie here')
const digest = (text: string) => createHash('sha256').update(text).digest('hex')
const fetched = '2026-01-02T03:04:05.000Z'

async function project(): Promise<{ options: InventoryOptions; folder: string; source: SourceModels }> {
  const root = temporaryFolder()
  const folder = join(root, 'models')
  mkdirSync(join(folder, 'hailo8'), { recursive: true })
  for (const name of ['own.onnx', 'used.onnx', 'left.onnx', 'left.onnx.part', 'hailo8/x.hef', 'labels.txt'])
    writeFileSync(join(folder, name), name)
  const file = join(folder, 'used.onnx')
  const source = {
    name: 'a',
    from: 'manifests/a.yaml',
    models: [{ name: 'a', file, shown: 'models/used.onnx' }],
    files: new Set<string>(),
    problems: [],
  }
  const lock = {
    version: 1 as const,
    licences: {},
    models: {
      'https://a/left.zip': {
        sha256: digest('zip'),
        size: 3,
        fetched,
        members: { 'left.onnx': { sha256: digest('left.onnx'), size: 9 } },
      },
      'https://a/used.onnx': { sha256: digest('used.onnx'), size: 9, fetched },
    },
  }
  const storage = createDataStore({ folder: join(root, '.pellet') })
  const options = {
    config: { root, modelsFolder: folder },
    sources: [source],
    lock,
    records: new Records(storage),
    blobs: openBlobs(join(root, '.pellet')),
  }
  return { options, folder, source }
}

const brief = (rows: Awaited<ReturnType<typeof listModels>>) =>
  rows.map(({ shown, kind, usedBy, isUseless, fetchedAt }) => [
    shown,
    kind,
    usedBy.join(),
    isUseless,
    fetchedAt !== null,
  ])

test('are told with who uses them; only what was fetched, or was never whole, may go', async () => {
  const { options, folder, source } = await project()
  const rows = await listModels(options)
  assert.equal(brief(rows), [
    ['models/hailo8/x.hef', 'file', '', false, false],
    ['models/left.onnx', 'file', '', true, true],
    ['models/left.onnx.part', 'part', '', true, false],
    ['models/own.onnx', 'file', '', false, false],
    ['models/used.onnx', 'file', 'a', false, true],
  ])
  assert.is(rows[1]!.url, 'https://a/left.zip')
  for (const row of rows.filter(({ isUseless }) => isUseless)) await removeModel(row)
  assert.not.ok(existsSync(join(folder, 'left.onnx.part')))
  // Of a source that cannot be read nobody knows what it uses.
  writeFileSync(join(folder, 'left.onnx'), 'left.onnx')
  const broken = { ...source, name: 'b', models: [], problems: ['it is broken'] }
  const rest = await listModels({ ...options, sources: [source, broken] })
  const left = rest.find(({ shown }) => shown === 'models/left.onnx')
  assert.is(left!.isUseless, false)
  assert.equal(left!.perhapsUsedBy, ['b'])
})

test('are used also through a link that leads to them', async () => {
  const { options, folder, source } = await project()
  symlinkSync('left.onnx', join(folder, 'link.onnx'))
  const linked = { ...source, models: [{ ...source.models[0]!, file: join(folder, 'link.onnx') }] }
  const rows = await listModels({ ...options, sources: [linked] })
  assert.equal(
    rows.filter(({ usedBy }) => usedBy.length > 0).map(({ shown }) => shown),
    ['models/left.onnx', 'models/link.onnx'],
  )
})

test('may be blobs of deploys, used by each revision that is kept', async () => {
  const { options } = await project()
  const { blobs, records } = options
  const put = async (text: string) => {
    const ref = { sha256: digest(text), sizeBytes: text.length }
    await blobs.receive(
      ref,
      0,
      (async function* () {
        yield Buffer.from(text)
      })(),
    )
    return ref
  }
  const [model, bundle, orphan] = [await put('model'), await put('bundle'), await put('orphan')]
  const draft = {
    name: 'tags',
    bundle,
    models: { onnx: model },
    files: {},
    probeInputs: {},
    manifest: { files: {}, model: {} },
  } as unknown as Draft
  for (const revision of ['1'.repeat(64), '2'.repeat(64)]) await records.putRevision({ revision, atMs: 1, draft })
  await records.putLive('tags', {
    revision: '2'.repeat(64),
    history: [{ revision: '2'.repeat(64), atMs: 1, by: 'deploy' }],
  })
  const blobRows = async () => (await listModels(options)).filter(({ kind }) => kind === 'blob')
  const byName = new Map(brief(await blobRows()).map((row) => [row[0], row]))
  assert.equal(byName.get(`blob ${model.sha256.slice(0, 12)}`)!.slice(2, 4), [
    `tags@${'1'.repeat(12)},tags@${'2'.repeat(12)} (live)`,
    false,
  ])
  // A deploy may be about to need it.
  assert.is(byName.get(`blob ${orphan.sha256.slice(0, 12)}`)![3], false)
  assert.is(byName.size, 2, 'bundles are no models')
  utimesSync(blobs.fileOf(orphan.sha256), new Date(0), new Date(0))
  assert.equal(
    (await blobRows()).filter(({ isUseless }) => isUseless).map(({ sha256 }) => sha256),
    [orphan.sha256],
  )
})

test.run()

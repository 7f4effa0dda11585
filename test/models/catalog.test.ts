import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toSnippet } from '../../runtime/cli/pull/snippet.ts'
import { formatIssue } from '../../runtime/manifest/issues.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import { readManifest } from '../../runtime/manifest/read.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { filesOf, readCatalog } from '../../runtime/models/catalog.ts'
import { acceptNotices, isAccepted, noticeOf } from '../../runtime/models/licences.ts'
import { readLock } from '../../runtime/models/lock.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('the catalogue')
const catalog = await readCatalog()
const models = Object.entries(catalog.models)
const zoo = 'https://hailo-model-zoo.s3.eu-west-2.amazonaws.com/'
const versions = { hailo8: 'v2.18.0', hailo8l: 'v2.18.0', hailo10h: 'v5.2.0' }

test('has files for every chip where the zoo has them, each under its own name, version and chip', () => {
  assert.ok(models.length >= 9)
  for (const [name, { hef, onnx, manifest }] of models) {
    assert.ok(hef || onnx, name)
    for (const chip of Object.keys(hef ?? {}) as (keyof typeof versions)[]) {
      const { url, zoo: version } = hef![chip]!
      assert.is(url, `${zoo}ModelZoo/Compiled/${versions[chip]}/${chip}/${name}.hef`)
      assert.is(version, versions[chip], name)
    }
    if (hef) assert.equal(Object.keys(hef), Object.keys(versions), name)
    if (onnx?.url.startsWith(zoo))
      assert.match(onnx.url, new RegExp(`/${name.replaceAll('.', '\\.')}/pretrained/[-\\d]{10}/${name}\\.zip$`))
    if (onnx) assert.ok(manifest.onnx, `${name}: what its entry wants`)
  }
})

test('names licences that it explains, and functions that are here', () => {
  for (const [name, { licence, function: user }] of models) {
    assert.ok(Object.hasOwn(catalog.licences, licence), `${name}: ${licence}`)
    if (user) readFileSync(join(projectRoot, 'functions', `${user}.ts`))
  }
  const used = new Set(models.map(([, { licence }]) => licence))
  assert.equal([...used].sort(), Object.keys(catalog.licences).sort())
})

test('gives entries that a manifest takes, with the URL, the member and the keys', () => {
  for (const [name, model] of models) {
    const targets = filesOf(model).map(({ chip, file }) => ({
      name,
      ...(chip && { chip }),
      file: `/m/${chip ? `${chip}/${name}.hef` : `${name}.onnx`}`,
      shown: '',
      url: file.url,
      ...(file.member !== undefined && { member: file.member }),
      license: model.licence,
    }))
    const text = toSnippet(targets, catalog, '/m')
    const yaml = text.slice(text.indexOf('\n\n')).replaceAll(/^ {2}/gm, '')
    const written = readManifest('f.yaml', yaml)
    const { manifest, issues } = normalizeManifest(written.value as ManifestInput, { name: 'x', written })
    assert.equal([...written.issues, ...issues].map(formatIssue), [], text)
    assert.is(manifest!.model.onnx?.member, model.onnx?.member)
    assert.equal(manifest!.model.onnx?.std, model.onnx && model.manifest.onnx!.std)
    assert.is(manifest!.model.hef?.hailo8?.file, model.hef && `hailo8/${name}.hef`)
  }
})

test('is what the manifests of this project say', () => {
  for (const name of ['depth', 'scrfd', 'detect', 'arcface', 'faces']) {
    const { value } = readManifest(name, readFileSync(join(projectRoot, `manifests/${name}.yaml`), 'utf8'))
    const { model } = normalizeManifest({ model: (value as ManifestInput).model }, { name }).manifest!
    for (const { url, member, decode } of [model.onnx!, ...Object.values(model.hef!)]) {
      if (url === undefined) continue
      const known = models
        .flatMap(([, one]) => filesOf(one).map((file) => ({ ...file, one })))
        .find(({ file }) => file.url === url)
      assert.ok(known, `${name}: ${url}`)
      assert.is(known.file.member, member, name)
      assert.is((known.chip ? known.one.manifest.hef : known.one.manifest.onnx)?.decode, decode, `${name}: ${url}`)
    }
  }
})

test('knows the licence of a URL, whatever a manifest calls it; it is asked for once, and again where its text changes', async () => {
  const url = catalog.models['scrfd_2.5g']!.onnx!.url
  const notice = noticeOf(catalog, { url, license: 'what Hailo says' })!
  assert.is(notice.id, 'insightface')
  assert.is(noticeOf(catalog, { url: 'https://a.example/b.onnx' }), undefined)
  const own = noticeOf(catalog, { url: 'https://a.example/b.onnx', license: 'ours, ask Kim' })!
  assert.equal(own, {
    id: 'ours, ask Kim',
    text: 'ours, ask Kim\nSo the manifest says. Read it where the model is published: https://a.example',
  })
  const lockFile = join(temporaryFolder(), 'pellet.lock')
  assert.not(isAccepted(notice, await readLock(lockFile), []))
  assert.ok(isAccepted(notice, await readLock(lockFile), ['insightface']))
  await acceptNotices(lockFile, [notice, own])
  const lock = await readLock(lockFile)
  assert.ok(isAccepted(notice, lock, []) && isAccepted(own, lock, []))
  assert.not(isAccepted({ ...notice, text: `${notice.text} And more.` }, lock, []))
})

test.run()

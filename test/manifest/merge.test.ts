import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mergeManifest } from '../../runtime/manifest/normalize.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'

const merging = suite('merging')

merging('with nothing gives the other', () => {
  const one: ManifestInput = { name: 'x' }
  assert.equal(mergeManifest(one, undefined), one)
  assert.equal(mergeManifest(undefined, one), one)
  assert.equal(mergeManifest(undefined, undefined), {})
})

merging('goes key by key, one level deep where that makes sense', () => {
  const inline: ManifestInput = {
    keep_alive: '5m',
    priority: 3,
    pre: ['a', 'b'],
    files: { labels: 'a.txt', centroids: 'c.json' },
    input: { top: 5, nested: { a: 1 } },
    limits: { timeout: '5s', threads: 2, queue: { depth: 1, drop: 'oldest' } },
    cache: { ttl: '1h', max: '1MB' },
  }
  const written: ManifestInput = {
    keep_alive: -1,
    pre: ['c'],
    files: { labels: 'b.txt' },
    input: { nested: { b: 2 } },
    limits: { threads: 1, queue: { depth: 9 } },
    cache: { ttl: '1m' },
  }
  assert.equal(mergeManifest(inline, written), {
    keep_alive: -1,
    priority: 3,
    pre: ['c'],
    files: { labels: 'b.txt', centroids: 'c.json' },
    input: { top: 5, nested: { b: 2 } },
    limits: { timeout: '5s', threads: 1, queue: { depth: 9, drop: 'oldest' } },
    cache: { ttl: '1m', max: '1MB' },
  })
  assert.equal(inline.limits!.queue, { depth: 1, drop: 'oldest' })
})

merging('lets route and routes replace each other', () => {
  const routes: ManifestInput = { routes: { 'POST /a': [], 'POST /b': [] } }
  assert.equal(mergeManifest(routes, { route: 'POST /c' }), { route: 'POST /c' })
  assert.equal(mergeManifest({ route: 'POST /c' }, routes), routes)
  assert.equal(mergeManifest(routes, { routes: { 'POST /d': [] } }), { routes: { 'POST /d': [] } })
  assert.equal(mergeManifest(routes, { pin: true }), { ...routes, pin: true })
})

merging('takes another model file with what that wants, and nothing of the one before', () => {
  const inline: ManifestInput = {
    model: {
      engine: 'auto',
      onnx: { name: 'a', url: 'https://a.example/a.onnx', sha256: 'a'.repeat(64), mean: 1, std: 2 },
    },
  }
  const withOnnx = (onnx: NonNullable<ManifestInput['model']>['onnx']) =>
    mergeManifest(inline, { model: { onnx } }).model
  assert.equal(withOnnx('b.onnx'), { engine: 'auto', onnx: { file: 'b.onnx' } })
  assert.equal(withOnnx('https://b.example/b.onnx'), {
    engine: 'auto',
    onnx: { url: 'https://b.example/b.onnx' },
  })
  assert.equal(withOnnx({ file: 'b.onnx', std: 3 }), { engine: 'auto', onnx: { file: 'b.onnx', std: 3 } })
  assert.equal(withOnnx({ std: 3 }), {
    engine: 'auto',
    onnx: { name: 'a', url: 'https://a.example/a.onnx', sha256: 'a'.repeat(64), mean: 1, std: 3 },
  })
  assert.equal(mergeManifest({ model: { onnx: 'a.onnx' } }, { model: { onnx: { mean: 1 } } }), {
    model: { onnx: { file: 'a.onnx', mean: 1 } },
  })
})

merging('replaces hef as a whole: old weights on one chip beside new ones on another would go unnoticed', () => {
  const inline: ManifestInput = { model: { onnx: 'a.onnx', hef: { hailo8: 'a.hef', hailo10h: 'a10.hef' } } }
  assert.equal(mergeManifest(inline, { model: { hef: { hailo8: 'b.hef' } } }), {
    model: { onnx: 'a.onnx', hef: { hailo8: 'b.hef' } },
  })
})

merging('replaces status and listen as a whole', () => {
  const inline: ManifestInput = { status: { 'GET /a': { a: 1 }, 'GET /b': {} }, listen: [1, 2] }
  assert.equal(mergeManifest(inline, { status: { 'GET /a': { b: 2 } } }), { ...inline, status: { 'GET /a': { b: 2 } } })
  assert.equal(mergeManifest(inline, { listen: [] }), { ...inline, listen: [] })
})

merging('passes on what is no mapping, for the check to refuse', () => {
  const none = undefined as unknown as ManifestInput
  for (const wrong of [null, 3, [], 'x'] as unknown as ManifestInput[]) {
    assert.is(mergeManifest({ name: 'x' }, wrong), wrong)
    assert.is(mergeManifest(wrong, none), wrong)
  }
  assert.equal(mergeManifest({ limits: { threads: 2 } }, { limits: null } as unknown as ManifestInput), {
    limits: null,
  })
})

merging.run()

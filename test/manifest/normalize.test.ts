import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toManifestInput } from '../../runtime/manifest/denormalize.ts'
import { formatIssue } from '../../runtime/manifest/issues.ts'
import { mergeManifest, normalizeManifest } from '../../runtime/manifest/normalize.ts'
import { checkManifest, readManifest } from '../../runtime/manifest/read.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'

// The manifest of DESIGN.md's ten-line classifier; that it compiles is part of the test.
const tags: ManifestInput = {
  route: 'POST /v1/tags',
  model: { onnx: 'tags.onnx' },
  pre: ['image.decode', 'image.resize', 'tensor'],
  post: ['tags'],
}

const normalizing = suite('normalising')

normalizing('fills in every default', () => {
  const { manifest, issues } = normalizeManifest({ model: { onnx: 'tags.onnx' } }, { name: 'tags' })
  assert.equal(issues, [])
  assert.equal(manifest, {
    name: 'tags',
    model: { engine: 'auto', onnx: { name: 'tags', file: 'tags.onnx' } },
    files: {},
    keepAliveMs: 300_000,
    preload: false,
    pin: false,
    priority: 16,
    routes: [{ method: 'POST', path: '/v1/tags', pre: [], post: [], input: {} }],
    errors: 'pellet',
    status: [],
    listen: [],
    limits: {
      concurrency: 4,
      queue: { depth: 32, drop: 'newest' },
      timeoutMs: 30_000,
      bodyBytes: 52_428_800,
      pixels: 50_000_000,
      heapBytes: 268_435_456,
      memoryBytes: 536_870_912,
      threads: 1,
    },
    probe: [],
  })
})

normalizing('makes a list of probes, each with its route and its units', () => {
  const routes = { 'POST /a': [], 'GET /b': [] }
  const probesOf = (probe: ManifestInput['probe']) => {
    const { manifest, probes, issues } = normalizeManifest({ ...tags, route: undefined, routes, probe }, { name: 'x' })
    if (manifest) assert.equal(normalizeManifest(toManifestInput(manifest), { name: 'y' }).manifest, manifest)
    return issues.length > 0 ? issues.map(formatIssue) : [manifest!.probe, probes]
  }
  const first = { method: 'POST', path: '/a', query: {}, headers: {}, status: 200 }
  assert.equal(probesOf({ input: 'a.jpg' }), [[{ ...first, input: 'a.jpg' }], [['probe']]])
  const written = { query: { top: 3, all: true }, headers: { Accept: 'image/png' }, type: 'image/PNG', min_size: '1KB' }
  const read = { query: { top: '3', all: 'true' }, headers: { accept: 'image/png' }, type: 'image/png', minBytes: 1024 }
  assert.equal(
    probesOf([
      { route: 'GET /b', status: 404 },
      { body: {}, expect: { a: [1] }, ...written },
    ]),
    [
      [
        { ...first, method: 'GET', path: '/b', status: 404 },
        { ...first, body: {}, expect: { a: [1] }, ...read },
      ],
      [
        ['probe', 0],
        ['probe', 1],
      ],
    ],
  )
  assert.equal(probesOf([{ route: 'POST /b' }]), [
    'manifest probe[0].route: expected one of POST /a, GET /b, found "POST /b"; did you mean POST /a?',
  ])
})

normalizing('keeps nothing unless the cache is asked for', () => {
  const cacheOf = (cache: ManifestInput['cache']) =>
    normalizeManifest({ ...tags, ...(cache !== undefined && { cache }) }, { name: 'x' }).manifest!.cache
  assert.equal(cacheOf({ ttl: '1h', max: '2MB' }), { ttlMs: 3_600_000, maxBytes: 2_097_152 })
  for (const defaults of [true, {}] as const) assert.equal(cacheOf(defaults), { ttlMs: 600_000, maxBytes: 67_108_864 })
  for (const nothing of [false, undefined] as const) assert.is(cacheOf(nothing), undefined)
})

normalizing('takes name and function from the manifest, else from the caller', () => {
  const given = normalizeManifest({ ...tags, name: 'a', function: 'b' }, { name: 'c', function: 'd' }).manifest!
  assert.equal([given.name, given.function], ['a', 'b'])
  const taken = normalizeManifest(tags, { name: 'c', function: 'd' }).manifest!
  assert.equal([taken.name, taken.function], ['c', 'd'])
  assert.not.ok('function' in normalizeManifest(tags, { name: 'c' }).manifest!)
})

normalizing('refuses a file name that is no name, and proposes one', () => {
  const { issues } = normalizeManifest(tags, { name: 'Face_Detect.v2' })
  assert.equal(issues.map(formatIssue), [
    'manifest name: expected a name, or a file name of lower-case letters, digits and inner dashes to take it from, found the file name "Face_Detect.v2"; write name: face-detect-v2',
  ])
})

normalizing('tells URLs from paths, and names files and models after them', () => {
  const model = {
    hef: {
      hailo8: 'https://a.example/v2/hailo8/tags.hef?download=true',
      hailo8l: { url: 'HTTP://a.example/v2/hailo8l/tags.hef', name: 'tags-l' },
      hailo10h: { url: 'https://a.example/tags.hef', file: 'mine/tags.hef', sha256: 'AB'.repeat(32) },
    },
    onnx: '/opt/models/tags%20v2.tar.onnx',
  }
  assert.equal(normalizeManifest({ model }, { name: 'x' }).manifest!.model, {
    engine: 'auto',
    hef: {
      hailo8: { name: 'tags', file: 'hailo8/tags.hef', url: 'https://a.example/v2/hailo8/tags.hef?download=true' },
      hailo8l: { name: 'tags-l', file: 'hailo8l/tags.hef', url: 'HTTP://a.example/v2/hailo8l/tags.hef' },
      hailo10h: { name: 'tags', file: 'mine/tags.hef', url: 'https://a.example/tags.hef', sha256: 'ab'.repeat(32) },
    },
    onnx: { name: 'tags%20v2.tar', file: '/opt/models/tags%20v2.tar.onnx' },
  })
  const fetched = normalizeManifest({ model: { onnx: 'https://a.example/tags%20v2.onnx' } }, { name: 'x' }).manifest!
  assert.equal(fetched.model.onnx!.file, 'tags v2.onnx')
  const url = 'https://a.example/tags.zip'
  const packed = normalizeManifest({ model: { hef: { hailo8: { url, member: 'v2/t.hef' } } } }, { name: 'x' }).manifest!
  assert.equal(packed.model.hef!.hailo8, { name: 't', file: 'hailo8/t.hef', url, member: 'v2/t.hef' })
})

normalizing('lets no URL choose a file outside the models folder', () => {
  for (const last of ['..%2f..%2fetc%2fpasswd', '%2e%2e', 'a%00b', 'a%5cb', '%zz']) {
    const { issues } = normalizeManifest({ model: { onnx: `https://a.example/${last}` } }, { name: 'x' })
    assert.match(issues.map(formatIssue).join('\n'), /model.onnx: expected a URL that ends in a file name/, last)
  }
})

normalizing('keeps what is said of the licence', () => {
  const { onnx } = normalizeManifest({ model: { onnx: { file: 'a', license: 'GPL-3.0' } } }, { name: 'x' }).manifest!
    .model
  assert.equal(onnx, { name: 'a', file: 'a', license: 'GPL-3.0' })
})

normalizing('writes a mean of one number as the number, so that revisions agree', () => {
  const { onnx } = normalizeManifest({ model: { onnx: { file: 'a', mean: [1], std: [2, 3, 4] } } }, { name: 'x' })
    .manifest!.model
  assert.equal(onnx, { name: 'a', file: 'a', mean: 1, std: [2, 3, 4] })
})

normalizing('gives routes the manifest’s pre, post and input where they bring none', () => {
  const { manifest, paths } = normalizeManifest(
    {
      model: { onnx: 'a.onnx' },
      pre: ['tensor'],
      post: [{ topk: { k: 5 } }],
      input: { top: 5, all: false },
      routes: { 'POST /v1/a': {}, 'PUT /v1/b': ['argmax', { l2: null }], 'GET /v1/c': { pre: [], input: { top: 1 } } },
    },
    { name: 'x' },
  )
  const topk = { step: 'topk', options: { k: 5 } }
  const tensor = { step: 'tensor', options: {} }
  assert.equal(manifest!.routes, [
    { method: 'POST', path: '/v1/a', pre: [tensor], post: [topk], input: { top: 5, all: false } },
    {
      method: 'PUT',
      path: '/v1/b',
      pre: [tensor],
      post: [
        { step: 'argmax', options: {} },
        { step: 'l2', options: {} },
      ],
      input: { top: 5, all: false },
    },
    { method: 'GET', path: '/v1/c', pre: [], post: [topk], input: { top: 1, all: false } },
  ])
  assert.equal(paths, [
    { route: ['routes', 'POST /v1/a'], pre: ['pre'], post: ['post'], input: ['input'] },
    { route: ['routes', 'PUT /v1/b'], pre: ['pre'], post: ['routes', 'PUT /v1/b'], input: ['input'] },
    {
      route: ['routes', 'GET /v1/c'],
      pre: ['routes', 'GET /v1/c', 'pre'],
      post: ['post'],
      input: ['routes', 'GET /v1/c', 'input'],
    },
  ])
})

normalizing('makes cases of status routes, and a list of listen', () => {
  const body = { status: '$state', n: [null, 1, true] }
  const { manifest, issues } = normalizeManifest(
    {
      ...tags,
      status: {
        'GET /': body,
        'GET /health/ready': [{ when: 'not_ready', code: 503, body: null }, { body: 'ready for $$5' }],
      },
      listen: 5001,
      errors: 'deepstack',
    },
    { name: 'x' },
  )
  assert.equal(issues, [])
  assert.equal(manifest!.status, [
    { path: '/', cases: [{ code: 200, body }] },
    {
      path: '/health/ready',
      cases: [
        { when: 'not_ready', code: 503, body: null },
        { code: 200, body: 'ready for $$5' },
      ],
    },
  ])
  assert.equal([manifest!.listen, manifest!.errors], [[5001], 'deepstack'])
  assert.equal(normalizeManifest({ ...tags, listen: [8000, 80] }, { name: 'x' }).manifest!.listen, [8000, 80])
})

normalizing('refuses a status route that the merge puts before an inference route', () => {
  const written = readManifest('manifests/tags.yaml', 'status:\n  GET /v1/tags: {}\n')
  const inline = checkManifest({ ...tags, route: 'GET /v1/tags' }, 'functions/tags.ts')
  assert.equal([...inline.issues, ...written.issues], [])
  const merged = mergeManifest(inline.value as ManifestInput, written.value as ManifestInput)
  assert.match(
    normalizeManifest(merged, { name: 'tags', inline, written }).issues.map(formatIssue).join('\n'),
    /^manifests\/tags.yaml:2:3 status\["GET \/v1\/tags"\]: expected a path other than those of the inference routes/,
  )
})

normalizing('understands every form of keep_alive', () => {
  const rows: [string | number, number][] = [
    [-1, -1],
    ['-1', -1],
    [0, 0],
    [300, 300_000],
    ['300', 300_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
  ]
  for (const [keep_alive, ms] of rows)
    assert.is(normalizeManifest({ ...tags, keep_alive }, { name: 'x' }).manifest!.keepAliveMs, ms)
})

normalizing('makes plain data that shares nothing with what was written', () => {
  const step = { topk: { k: 5 } }
  const input: ManifestInput = { ...tags, post: [step], input: { top: [1] }, routes: undefined }
  const { manifest } = normalizeManifest(input, { name: 'x' })
  assert.equal(JSON.parse(JSON.stringify(manifest)), manifest)
  step.topk.k = 9
  assert.equal(manifest!.routes[0]!.post, [{ step: 'topk', options: { k: 5 } }])
})

normalizing('needs a model for the engine that is asked for', () => {
  const rows: [unknown, string][] = [
    [{}, 'manifest model: expected a model, found nothing; write model: { onnx: file.onnx }'],
    [{ model: {} }, 'manifest model: expected onnx, hef or both, found an empty mapping'],
    [{ model: { hef: {} } }, 'manifest model: expected onnx, hef or both, found a mapping with hef'],
    [
      { model: { engine: 'hailort', onnx: 'a.onnx' } },
      'manifest model.engine: expected hef for this engine, found only onnx; give model.hef, or engine: auto',
    ],
    [
      { model: { engine: 'onnxruntime', hef: { hailo8: 'a.hef' } } },
      'manifest model.engine: expected onnx for this engine, found only hef; give model.onnx, or engine: auto',
    ],
    [
      {
        model: {
          hef: {
            hailo8: { url: 'https://a.example/a', file: 'a' },
            hailo8l: { url: 'https://b.example/a', file: 'a' },
          },
        },
      },
      'manifest model.hef.hailo8l: expected a file other than that of model.hef.hailo8, found "a"; give each its own file, e.g. file: hailo8l/a',
    ],
  ]
  for (const [input, message] of rows) {
    const { manifest, issues } = normalizeManifest(input as ManifestInput, { name: 'x' })
    assert.is(manifest, undefined)
    assert.equal(issues.map(formatIssue), [message])
  }
})

normalizing('places trouble in the file that has it', () => {
  const inline = checkManifest({ model: { onnx: { file: 'a.onnx', mean: [1, 2, 3] } } }, 'functions/tags.ts')
  const written = readManifest('manifests/tags.yaml', '# mine\nmodel:\n  onnx:\n    std: [1, 2]\n')
  assert.equal([...inline.issues, ...written.issues.slice(1)], [])
  const merged = mergeManifest(inline.value as ManifestInput, written.value as ManifestInput)
  assert.equal(normalizeManifest(merged, { name: 'tags', inline, written }).issues.map(formatIssue), [
    'manifests/tags.yaml:4:10 model.onnx.std: expected as many numbers as mean has, or one, found a list of 2',
  ])
})

normalizing.run()

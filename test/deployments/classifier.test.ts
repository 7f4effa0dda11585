// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { call, callJson } from '../http/raw.ts'
import { RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { answering, colourModel, identityModel } from './tiny.ts'

const test = suite('what a user drops into the folders')
const tags = readFileSync(join(projectRoot, 'test/deployments/fixtures/tags.ts'), 'utf8')
const classifier = 'model: { onnx: tags.onnx }\npre: [image.decode, image.resize, tensor]\n'

const files: ProjectFiles = {
  'models/tags.onnx': colourModel(),
  'models/identity.onnx': identityModel(),
  'models/labels.txt': 'red\ngreen\nblue\n\n',
  'models/labels.json': '["rot", "grün", "blau"]',
  // The ten lines of DESIGN 5.
  'functions/tags.ts': tags,
  // Built-in steps alone, without a function file.
  'manifests/colours.yaml': `${classifier}files: { labels: labels.txt }\npost: [softmax, { topk: { k: 2 } }]\n`,
  'manifests/farben.yaml': `${classifier}files: { labels: labels.json }\nroute: PUT /v1/farbe\npost: [argmax]\n`,
  'manifests/plain.yaml': `${classifier}post: [argmax]\n`,
  // A manifest in the file, and one beside it that changes some of it.
  'functions/merged.ts': answering('return { n: context.options.n, list: context.options.list }', {
    manifest: `name: 'unseen', route: 'POST /v1/old', keep_alive: '1m', limits: { timeout: '3s', body: '1KB' }, input: { n: 2, list: [1] }`,
    input: 'n: z.number().default(1), list: z.array(z.number()).optional()',
  }),
  'manifests/merged.yaml':
    'name: merged\nroute: POST /v1/new\nkeep_alive: 90s\nlimits: { body: 2KB }\ninput: { n: 3 }\n',
  // One function, named by two manifests.
  'functions/shared.ts': answering('return { n: context.options.n, model: context.model.entry.name }', {
    input: 'n: z.number().default(1)',
  }),
  'manifests/one.yaml': 'function: shared\ninput: { n: 10 }\n',
  'manifests/two.yaml': 'function: shared\nmodel: { onnx: { file: identity.onnx, name: second } }\ninput: { n: 20 }\n',
  // Imports: local files, JSON, packages beside the project (both kinds), Node's own, pellet and zod.
  'functions/imports.ts': answering(
    'return { local: twice(4), data: data.word, esm: esm(), cjs: cjs.name(), same: zod === z, join: join("a", "b"), req: typeof require }',
    {
      head: `import { twice } from '../lib/twice.ts'
import data from '../lib/data.json'
import esm from 'esm-package'
import cjs from 'cjs-package'
import { z as zod } from 'zod'
import { join } from 'node:path'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)`,
    },
  ),
  'lib/twice.ts': 'import { two } from "./two.js"\nexport const twice = (n: number): number => n * two',
  'lib/two.ts': 'export const two = 2 as const',
  'lib/data.json': '{"word": "hello"}',
  'node_modules/esm-package/package.json': '{"name": "esm-package", "type": "module", "exports": "./index.js"}',
  'node_modules/esm-package/index.js': 'export default () => "esm"',
  'node_modules/cjs-package/package.json': '{"name": "cjs-package", "main": "lib.js"}',
  'node_modules/cjs-package/lib.js': 'const path = require("path"); exports.name = () => path.basename("/x/cjs")',
  // Results of every kind.
  'functions/results.ts': answering(
    `const kind = context.options.kind
     if (kind === 'nothing') return
     if (kind === 'arrays') return { floats: Float32Array.of(1, 2.5), bytes: Buffer.from([1, 2]), out: out.y.data }
     if (kind === 'numbers') return { big: 5n, huge: 2n ** 70n, nan: NaN }
     if (kind === 'bytes') return Uint8Array.of(1, 2, 3)
     if (kind === 'circle') { const circle = {}; circle.circle = circle; return circle }
     return withFormats({ 'application/json': () => ({ kind }), 'text/csv': () => Buffer.from('a,b') })`,
    { input: `kind: z.string().default('formats')` },
  ),
}

let pellet: RunningPellet
let red: Buffer
test.before(async () => {
  pellet = await RunningPellet.start(files)
  red = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#c86432' } })
    .png()
    .toBuffer()
})
test.after(async () => {
  await pellet?.stop()
})

const post = (path: string, headers: Record<string, string> = {}) =>
  call(pellet.url + path, { body: red, headers: { 'content-type': 'image/png', ...headers } })

test('nothing was refused', () => {
  assert.equal(
    pellet.log.filter(({ level }) => level === 'error').map(({ msg }) => msg),
    [],
  )
})

test('the ten lines of the design are a classifier: picture in, tags out', async () => {
  const { status, json } = await post('/v1/tags')
  assert.is(status, 200)
  assert.equal(
    json.tags.map(({ index, score }: { index: number; score: number }) => [index, Math.round(score)]),
    [
      [0, 200],
      [1, 100],
      [2, 50],
    ],
  )
  assert.is((await post('/v1/tags?top=1')).json.tags.length, 1)
  assert.is((await post('/v1/tags?top=0')).status, 400)
})

test('the ten lines pass the type checker as they stand', () => {
  const flags =
    '--noEmit --strict --module nodenext --target es2022 --skipLibCheck --types node --allowImportingTsExtensions'
  const tsc = join(projectRoot, 'node_modules/typescript/bin/tsc')
  const fixture = join(projectRoot, 'test/deployments/fixtures/tags.ts')
  try {
    execFileSync(process.execPath, [tsc, ...flags.split(' '), '--ignoreConfig', fixture], { cwd: projectRoot })
  } catch (error) {
    assert.unreachable(String((error as { stdout: Buffer }).stdout))
  }
})

test('the picture may come in every way, and options too: the answers are the same', async () => {
  const base64 = red.toString('base64')
  const json = (fields: object) => callJson(`${pellet.url}/v1/tags`, fields)
  const form = (fields: Record<string, string>, file = true) => {
    const data = new FormData()
    if (file) data.append('image', new Blob([new Uint8Array(red)]), 'red.png')
    for (const [name, value] of Object.entries(fields)) data.append(name, value)
    return pellet
      .fetch('/v1/tags', { method: 'POST', body: data })
      .then(async (answer) => ({ json: await answer.json() }))
  }
  const answers = await Promise.all([
    json({ image: base64, top: 2 }),
    json({ image: `data:image/png;base64,${base64}`, top: 2 }),
    json({ image: red.toString('base64url'), top: 2 }),
    form({ top: '2' }),
    form({ top: '2', image: base64 }, false),
    post('/v1/tags?top=2'),
    post('/v1/tags', { 'x-pellet-option-top': '2' }),
    post('/v1/tags?top=2', { 'content-type': 'application/octet-stream' }),
    post('/v1/tags?top=2', { 'content-type': 'application/x-www-form-urlencoded' }),
    call(`${pellet.url}/v1/tags?top=2`, { body: red }),
    call(`${pellet.url}/v1/tags`, {
      body: new URLSearchParams({ image: base64, top: '2' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    // A body wins over the query, the query over headers.
    callJson(`${pellet.url}/v1/tags?top=3`, { image: base64, top: 2 }, { 'x-pellet-option-top': '1' }),
    post('/v1/tags?top=2', { 'x-pellet-option-top': '3' }),
  ])
  for (const [index, answer] of answers.entries()) {
    const { tags } = answer.json as { tags: unknown[] }
    assert.is(tags?.length, 2, `${index}: ${JSON.stringify(answer.json)}`)
    assert.equal(tags, (answers[0]!.json as { tags: unknown[] }).tags)
  }
})

test('what is no picture, or none at all, is 400 with the reason', async () => {
  const cases: [Promise<{ status: number; json: any }>, string, RegExp][] = [
    [call(`${pellet.url}/v1/tags`), 'missing_input', /expected a file/],
    [callJson(`${pellet.url}/v1/tags`, {}), 'missing_input', /found none/],
    [callJson(`${pellet.url}/v1/tags`, { image: 'AAAA' }), 'invalid_image', /./],
    [callJson(`${pellet.url}/v1/tags`, { image: '!!' }), 'invalid_request', /base64/],
    [callJson(`${pellet.url}/v1/tags`, { image_url: 'http://127.0.0.1/' }), 'url_input_disabled', /allow_urls/],
    [callJson(`${pellet.url}/v1/tags`, [1]), 'invalid_request', /an array/],
    [callJson(`${pellet.url}/v1/tags`, { image: 'x', top: 'many' }), 'invalid_option', /top/],
  ]
  for (const [answer, code, pattern] of cases) {
    const { status, json } = await answer
    assert.is(status, 400, code)
    assert.is(json.error.code, code)
    assert.match(json.error.message, pattern)
  }
})

test('a manifest with built-in steps answers without a function file; labels name what was found', async () => {
  const { status, json } = await post('/v1/colours')
  assert.is(status, 200)
  assert.equal(
    json.top.map(({ label }: { label: string }) => label),
    ['red', 'green'],
  )
  assert.ok(json.top[0].score > 0.99, 'softmax')
  const { label, index } = (await call(`${pellet.url}/v1/farbe`, { method: 'PUT', body: red })).json
  assert.equal([label, index], ['rot', 0])
  assert.equal(Object.keys((await post('/v1/plain')).json), ['index', 'score'])
})

test('a manifest in manifests/ changes the one in the file key by key', async () => {
  const { status, json } = await callJson(`${pellet.url}/v1/new`, {})
  assert.is(status, 200)
  assert.equal(json, { n: 3, list: [1] })
  assert.is((await callJson(`${pellet.url}/v1/old`, {})).status, 404)
  assert.is(
    (await callJson(`${pellet.url}/v1/new`, { pad: 'x'.repeat(1500) })).status,
    200,
    'limits.body is the written one',
  )
  assert.is((await callJson(`${pellet.url}/v1/new`, { pad: 'x'.repeat(3000) })).status, 413)
  const rows = JSON.parse((await pellet.cli('list', '--json')).stdout)
  const row = rows.find(({ name }: { name: string }) => name === 'merged')
  assert.is(row.keep_alive_s, 90)
  assert.equal(row.origin, { manifest: 'manifests/merged.yaml', function: 'functions/merged.ts' })
})

test('one function serves several deployments', async () => {
  assert.equal((await callJson(`${pellet.url}/v1/one`, {})).json, { n: 10, model: 'identity' })
  assert.equal((await callJson(`${pellet.url}/v1/two`, {})).json, { n: 20, model: 'second' })
  assert.is((await callJson(`${pellet.url}/v1/shared`, {})).status, 404, 'it is no deployment of its own then')
})

test('a function imports local files, JSON, packages beside the project, and shares zod with Pellet', async () => {
  const { status, json } = await callJson(`${pellet.url}/v1/imports`, {})
  assert.is(status, 200, JSON.stringify(json))
  assert.equal(json, { local: 8, data: 'hello', esm: 'esm', cjs: 'cjs', same: true, join: 'a/b', req: 'function' })
})

test('results: typed arrays, big integers, NaN, bytes, and nothing', async () => {
  const of = (kind: string) => callJson(`${pellet.url}/v1/results`, { kind })
  assert.equal((await of('arrays')).json, { floats: [1, 2.5], bytes: [1, 2], out: [0, 0, 0, 0] })
  assert.equal((await of('numbers')).json, { big: 5, huge: String(2n ** 70n), nan: null })
  const bytes = await of('bytes')
  assert.is(bytes.text, '\x01\x02\x03')
  assert.is(bytes.headers['content-type'], 'application/octet-stream')
  for (const [kind, reason] of [
    ['nothing', 'returned nothing'],
    ['circle', 'circular'],
  ] as const) {
    const { status, json } = await of(kind)
    assert.is(status, 500)
    assert.is(json.error.code, 'function_failed')
    assert.match(json.error.message, reason)
  }
})

test('Accept chooses among the formats, and what there is not is 406', async () => {
  const as = (accept: string) => callJson(`${pellet.url}/v1/results`, {}, { accept })
  const csv = await as('text/csv, application/json;q=0.5')
  assert.is(csv.headers['content-type'], 'text/csv')
  assert.is(csv.text, 'a,b')
  assert.is((await as('*/*')).json.kind, 'formats')
  const none = await as('image/webp')
  assert.is(none.status, 406)
  assert.match(none.json.error.message, 'application/json, text/csv')
})

test.run()

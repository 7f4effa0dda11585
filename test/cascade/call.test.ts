// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { serialize } from 'node:v8'
import { answering } from '../deployments/tiny.ts'
import { expectError } from '../faults/beside.ts'
import { call } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { calling, cascade, cascadeProject } from './project.ts'

const test = suite('call')
let pellet: RunningPellet
let ownPort: number

/** Says what it was sent, each value by its type. */
const mirror = `
  const { fields, pixels, files } = request
  const kinds = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.constructor.name]))
  const sum = (data) => data.reduce((a, b) => a + b, 0)
  return {
    fields, kinds,
    picture: pixels ? [pixels.width, pixels.height, sum(pixels.data)] : files.image ? [sum(files.image.bytes)] : [],
  }`

/** A cascade whose result is the request's field `result`, before the call. */
const given = (...behind: unknown[]) => cascade('return request.fields.result', behind)

test.before(async () => {
  ownPort = await freePort()
  const pixels = (level: string) => `{ width: 8, height: 8, data: new Uint8Array(192).fill(${level}) }`
  pellet = await RunningPellet.start(
    cascadeProject(
      {
        mirror: answering(mirror, { manifest: `listen: ${ownPort}` }),
        double: answering(
          `if (request.fields.value === 'bad') throw new PelletError('invalid_input', 'value: expected a number')
           if (request.fields.value === 'worse') throw new TypeError('no idea')
           return { twice: context.options.factor * request.fields.value, other: true }`,
          { input: 'factor: z.number().default(2)', manifest: `errors: 'text'` },
        ),
        unused: answering('return {}'),
        each: given(calling({ deployment: 'double', each: 'faces', send: 'value', take: 'twice' })),
        options: given(calling({ deployment: 'double', each: 'faces', send: ['value', 'factor'] })),
        whole: given(calling({ deployment: 'mirror', send: ['a', 'b'], take: ['fields', 'kinds'] })),
        homonym: answering('return { items: [{ value: 1 }] }', {
          input: `deployment: z.string().default('mirror'), send: z.string().default('x'), take: z.string().optional()`,
          manifest: `post: ['answer', { call: { deployment: 'double', each: 'items', send: 'value' } }]`,
        }),
        none: given(calling({ deployment: 'unused', each: 'faces' })),
        untaken: given(calling({ deployment: 'double', each: 'faces', send: 'value', take: ['twice', 'thrice'] })),
        raw: cascade(
          `return { items: [
             { image: ${pixels('3')}, tensor: new Float32Array([0.5, -1]), big: new BigInt64Array([1n]) },
             { image: new Uint8Array([1, 2, 3]), tensor: new Float32Array(0), big: new BigInt64Array(0) } ] }`,
          [calling({ deployment: 'mirror', each: 'items', send: ['image', 'tensor', 'big'] })],
        ),
        colours: cascade(`return { faces: [10, 20, 30].map((level) => ({ level, image: ${pixels('level')} })) }`, [
          calling({ deployment: 'mean', each: 'faces', take: 'score', route: 'POST /v1/mean/argmax' }),
        ]),
        formats: given(calling({ deployment: 'many', send: 'kind' })),
        many: answering(`
          if (request.fields.kind === 'bytes') return withFormats({ 'image/png': () => new Uint8Array(1), 'application/json': () => Buffer.from('{"from":"bytes"}') })
          if (request.fields.kind === 'value') return withFormats({ 'application/json': () => ({ from: new Float32Array([1.5]) }) })
          if (request.fields.kind === 'list') return [1]
          if (request.fields.kind === 'code') return { run: () => 1 }
          return withFormats({ 'image/png': () => new Uint8Array(1) })`),
        top: given(calling({ deployment: 'middle', each: 'outer', send: 'inner' })),
        middle: cascade('return { inner: request.fields.inner }', [
          calling({ deployment: 'double', each: 'inner', send: 'value', take: 'twice' }),
        ]),
        sneaky: cascade(`return { ...(await context.call('mirror', undefined, [{ a: 1 }])) }`, [
          calling({ deployment: 'double', send: 'value' }),
        ]),
        stranger: cascade(`return { ...(await context.call('double', 'POST /v1/other', [{ value: 1 }])) }`, [
          calling({ deployment: 'double', send: 'value' }),
        ]),
      },
      {
        'manifests/mean.yaml': `
model: { onnx: colours.onnx }
pre: [image.decode, tensor]
routes:
  POST /v1/mean: [topk]
  POST /v1/mean/argmax: [argmax]
`,
      },
    ),
  )
})
test.after(async () => {
  await pellet.stop()
})

async function resultOf(name: string, result: unknown): Promise<any> {
  const answer = await pellet.post(`/v1/${name}`, { result })
  const text = await answer.text()
  assert.is(answer.status, 200, text)
  return JSON.parse(text)
}

async function expectFailure(name: string, result: unknown, status: number, code: string, message: RegExp) {
  await expectError(await pellet.post(`/v1/${name}`, { result }), { status, code, message })
}

test('each item of a list is sent, in order: what is sent leaves it, what is taken joins it', async () => {
  const faces = [3, 1, 2].map((value, at) => ({ at, value, kept: `k${at}` }))
  const answer = await pellet.post('/v1/each', { result: { faces, more: [1] } })
  assert.equal(await answer.json(), {
    faces: [
      { at: 0, kept: 'k0', twice: 6 },
      { at: 1, kept: 'k1', twice: 2 },
      { at: 2, kept: 'k2', twice: 4 },
    ],
    more: [1],
  })
  assert.match(answer.headers.get('server-timing')!, /(?<!\d)post;dur=\d.*call;dur=\d/)
})

test('fields that are options there are options; without take all of the answer joins the item', async () => {
  const faces = [{ value: 2, factor: 10 }]
  assert.equal(await resultOf('options', { faces }), { faces: [{ twice: 20, other: true }] })
})

test('without each the result itself is the item', async () => {
  const result = await resultOf('whole', { a: 1, b: [2], kept: true })
  assert.equal(result, { kept: true, fields: { a: 1, b: [2] }, kinds: { a: 'Number', b: 'Array' } })
})

test('neither a request nor an option of the same name changes whom a step calls, or with what', async () => {
  const answer = await pellet.post('/v1/homonym', { deployment: 'mirror', send: 'other', take: 'other' })
  assert.equal(await answer.json(), { items: [{ twice: 2, other: true }] })
})

test('no items: nothing is called, and nothing loaded', async () => {
  assert.equal(await resultOf('none', { faces: [], more: 1 }), { faces: [], more: 1 })
  const row = await pellet.row('unused')
  assert.equal([row.state, row.loads], ['cold', 0])
})

test('pictures and typed arrays travel as what they are', async () => {
  const { items } = await resultOf('raw', {})
  assert.equal(items[0].picture, [8, 8, 3 * 192])
  assert.equal(items[0].kinds, { tensor: 'Float32Array', big: 'BigInt64Array' })
  assert.equal(items[0].fields, { tensor: [0.5, -1], big: [1] })
  assert.equal(items[1].picture, [6])
  assert.not('image' in items[0])
})

test('pixels are the picture of a route that decodes one, and the route may be named', async () => {
  const { faces } = await resultOf('colours', {})
  assert.equal(
    faces.map((face: { level: number; score: number }) => [face.level, face.score]),
    [
      [10, 10],
      [20, 20],
      [30, 30],
    ],
  )
})

test('of an answer in several types the one in JSON is taken, as a value or as bytes', async () => {
  assert.equal(await resultOf('formats', { kind: 'bytes' }), { from: 'bytes' })
  assert.equal(await resultOf('formats', { kind: 'value' }), { from: [1.5] })
  await expectFailure(
    'formats',
    { kind: 'png' },
    500,
    'function_failed',
    /many: expected an answer in application\/json/,
  )
})

test('an answer must be an object of data', async () => {
  const list = /step call: the answer of many to the result: expected an object, found a list/
  await expectFailure('formats', { kind: 'list' }, 500, 'function_failed', list)
  await expectFailure('formats', { kind: 'code' }, 500, 'function_failed', /many: expected data that can travel/)
})

test('calls nest', async () => {
  const outer = [{ inner: [{ value: 1 }, { value: 2 }] }, { inner: [] }, { inner: [{ value: 3 }] }]
  assert.equal(await resultOf('top', { outer }), {
    outer: [{ inner: [{ twice: 2 }, { twice: 4 }] }, { inner: [] }, { inner: [{ twice: 6 }] }],
  })
})

test('more items than places are all served, in order', async () => {
  const faces = Array.from({ length: 50 }, (_, value) => ({ value }))
  const result = await resultOf('each', { faces })
  assert.equal(
    result.faces.map(({ twice }: { twice: number }) => twice),
    faces.map(({ value }) => 2 * value),
  )
})

test('a result without the list, or with something else in it, is told', async () => {
  const missing = /step call: expected a list in the result's field "faces" \(each\), found nothing/
  await expectFailure('each', { other: [] }, 500, 'function_failed', missing)
  await expectFailure('each', { faces: {} }, 500, 'function_failed', /"faces" \(each\), found a?n? ?object/i)
  await expectFailure('each', { faces: [1] }, 500, 'function_failed', /faces\[0\]: expected an object, found a number/)
  await expectFailure(
    'each',
    [1],
    500,
    'function_failed',
    /expected an object as the result of the step before, found a list/,
  )
})

test('an item that lacks what is to be sent, and an answer that lacks what is to be taken, are told', async () => {
  const unsent = /step call: faces\[1\]: expected a field "value" \(send\), found at/
  await expectFailure('each', { faces: [{ value: 1 }, { at: 1 }] }, 500, 'function_failed', unsent)
  const untaken =
    /step call: the answer of double to faces\[0\]: expected a field "thrice" \(take\), found twice, other/
  await expectFailure('untaken', { faces: [{ value: 1 }] }, 500, 'function_failed', untaken)
})

test("the callee's refusal reaches the caller with its status and code, and says where", async () => {
  const faces = [{ value: 1 }, { value: 'bad' }, { value: 2 }]
  await expectFailure('each', { faces }, 422, 'invalid_input', /^double, item 2 of 3: value: expected a number$/)
  const outer = [{ inner: [{ value: 1 }] }, { inner: [{ value: 'bad' }] }]
  await expectFailure('top', { outer }, 422, 'invalid_input', /^middle, item 2 of 2: double: value: expected a number$/)
  const option = /^double: factor: /
  await expectFailure('options', { faces: [{ value: 1, factor: 'x' }] }, 400, 'invalid_option', option)
})

test("the callee's failure is the caller's, and both work on", async () => {
  const faces = [{ value: 'worse' }]
  const before = pellet.log.length
  await expectFailure('each', { faces }, 500, 'function_failed', /^double: step answer: no idea$/)
  assert.equal(await resultOf('each', { faces: [{ value: 4 }] }), { faces: [{ twice: 8 }] })
  await pellet.logged(({ deployment, msg }) => deployment === 'double' && msg === 'TypeError: no idea')
  const told = pellet.log.slice(before).filter(({ level, msg }) => level === 'warn' && msg.includes('no idea'))
  assert.equal([...new Set(told.map(({ deployment }) => deployment))], ['double'], 'the stack is told where it lies')
  assert.equal([(await pellet.row('each')).loads, (await pellet.row('double')).loads], [1, 1])
})

test('what the manifest does not declare is not called', async () => {
  const undeclared = /sneaky: expected a call that its manifest declares \(double POST \/v1\/double\), found mirror/
  await expectFailure('sneaky', {}, 500, 'function_failed', undeclared)
  await expectFailure('stranger', {}, 500, 'function_failed', /stranger: expected a call .*\/v1\/other/)
})

test('nobody outside can make a request look like a call', async () => {
  const body = serialize([{ a: 1 }])
  const marks = { 'x-pellet-call': 'POST /v1/mirror', 'x-pellet-exchange': '1' }
  const places = ['/v1/mirror', '/f/mirror', '/f/mirror/v1/mirror'].map((path) => pellet.url + path)
  for (const url of [...places, `http://127.0.0.1:${ownPort}/v1/mirror`]) {
    const typed = await call(url, { headers: { ...marks, 'content-type': 'application/x-pellet-values' }, body })
    assert.is(typed.status, 415, `${url}: ${typed.text}`)
    const bytes = await call(url, { headers: { ...marks, 'content-type': 'application/octet-stream' }, body })
    assert.equal(bytes.json?.picture, [body.reduce((sum, byte) => sum + byte, 0)], `${url}: ${bytes.text}`)
    const json = await call(url, { headers: { ...marks, 'content-type': 'application/json' }, body: '{"a": 1}' })
    assert.equal(json.json?.fields, { a: 1 }, `${url}: ${json.text}`)
  }
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, RawConnection, type Call } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePorts } from '../support/ports.ts'
import { assertShape, matching, sample, sampleWindow, shipped, switchedOn, text, type Shape } from './contract.ts'

const test = suite('errors of the old daemons')
const room = sample('room_1.jpg')
const json = { 'content-type': 'application/json' }
const jpeg = { 'content-type': 'image/jpeg' }

interface Daemon {
  name: string
  route: string
  /** A request that is well. */
  good: Call
  /** The body of an error whose message has these words. */
  error(words: RegExp, status: number): Shape
}

const image = { headers: json, body: JSON.stringify({ image: room.toString('base64') }) }
const daemons: Record<'depth' | 'scrfd' | 'tcn', Daemon> = {
  depth: {
    name: 'hailo-depth',
    route: '/v1/depth/estimate',
    good: image,
    error: (words, status) => ({
      error: { message: matching(words), type: status < 500 ? 'invalid_request' : 'internal_error' },
    }),
  },
  scrfd: {
    name: 'hailo-scrfd',
    route: '/v1/detect',
    good: image,
    error: (words) => ({ error: matching(words) }),
  },
  tcn: {
    name: 'the TCN sidecar',
    route: '/infer',
    good: { headers: json, body: JSON.stringify({ x: sampleWindow() }) },
    error: (words) => ({ detail: matching(words) }),
  },
}
const names = ['depth', 'scrfd', 'tcn'] as const
const own = {} as Record<(typeof names)[number], string>
let pellet: RunningPellet

test.before(async () => {
  const [depth, scrfd, tcn, spare] = (await freePorts(4)) as [number, number, number, number]
  pellet = await RunningPellet.start({
    ...shipped(...names),
    'manifests/depth.yaml': switchedOn('depth', [depth]),
    'manifests/scrfd.yaml': switchedOn('scrfd', [scrfd]),
    'manifests/tcn.yaml': switchedOn('tcn', [tcn, spare]),
  })
  for (const [name, port] of Object.entries({ depth, scrfd, tcn })) own[name as 'tcn'] = `http://127.0.0.1:${port}`
})
test.after(async () => {
  await pellet.stop()
})

/** Wrong requests to any of them. */
const wrong: [what: string, status: number, words: RegExp, request: Call][] = [
  ['an unknown content type', 400, /content type/, { headers: { 'content-type': 'text/csv' }, body: 'a,b' }],
  ['broken JSON', 400, /JSON/, { headers: json, body: '{"image": ' }],
  ['JSON that is no object', 400, /object/, { headers: json, body: '[1, 2]' }],
  ['JSON without a body', 400, /body/, { headers: json, body: '' }],
  ['a form that is none', 400, /boundary/, { headers: { 'content-type': 'multipart/form-data' }, body: 'a' }],
]
/** Wrong requests to those that take a picture. */
const wrongPictures: [what: string, status: number, words: RegExp, request: Call][] = [
  ['nothing at all', 400, /image/, {}],
  ['no picture', 400, /image/, { headers: json, body: '{}' }],
  ['a picture that is null', 400, /image/, { headers: json, body: '{"image": null}' }],
  ['base64 that is none', 400, /base64/, { headers: json, body: '{"image": "not base64!"}' }],
  ['base64 of text', 400, /picture|image/, { headers: json, body: `{"image": "${btoa('hello, world')}"}` }],
  ['bytes that are no picture', 400, /picture|image/, { headers: jpeg, body: 'hello' }],
  ['a picture that ends early', 400, /picture|image/, { headers: jpeg, body: room.subarray(0, 5000) }],
  ['an empty file', 400, /image/, formOf('')],
  [
    'a URL, which the operator has not allowed',
    400,
    /url/i,
    { headers: json, body: '{"image_url": "http://127.0.0.1/a.jpg"}' },
  ],
]
const depthOptions: [string, object][] = [
  ['an unknown output_format', { output_format: 'tiff' }],
  ['an unknown colormap', { colormap: 'rainbow' }],
  ['a normalize that is no boolean', { normalize: 'perhaps' }],
]
const scrfdOptions: [string, object][] = [
  ['a threshold above 1', { conf_threshold: 1.5 }],
  ['a threshold below 0', { conf_threshold: -0.1 }],
  ['a threshold that is text', { conf_threshold: 'high' }],
]
const withOptions = (options: object): Call => ({
  headers: json,
  body: JSON.stringify({ image: room.toString('base64'), ...options }),
})

for (const name of names) {
  const { name: daemon, route, error } = daemons[name]
  const options = name === 'depth' ? depthOptions : name === 'scrfd' ? scrfdOptions : []
  const requests = [
    ...wrong,
    ...(name === 'tcn' ? [] : wrongPictures),
    ...options.map(([what, value]) => [what, 400, new RegExp(Object.keys(value)[0]!), withOptions(value)] as const),
  ]
  for (const [what, status, words, request] of requests)
    test(`${daemon}: ${what}`, async () => {
      // On the main port too: its clients may be sent there.
      for (const base of [own[name], pellet.url]) {
        const answer = await call(base + route, request)
        assert.is(answer.status, status, answer.text)
        assert.match(answer.headers['content-type']!, /^application\/json/)
        assertShape(answer.json, error(words, status))
      }
    })
}

test('a body of more than 50 MB is 413, though none of it be sent', async () => {
  for (const name of names) {
    const connection = new RawConnection(own[name])
    const length = 50 * 2 ** 20 + 1
    await connection.send(`POST ${daemons[name].route} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`)
    const { status, json: body } = await connection.answer()
    assert.is(status, 413)
    assertShape(body, daemons[name].error(/50 MB/, 413))
    connection.end()
  }
})

test('an unknown path is 404, a wrong method 405 and says which are right, each in its shape', async () => {
  for (const name of names) {
    const { route, error } = daemons[name]
    for (const path of ['/nothing', '/v1', `${route}/more`, '/api/ps', '/health/live', `/f/${name}`]) {
      const missing = await call(own[name] + path, { method: 'GET' })
      assert.is(missing.status, 404, path)
      assertShape(missing.json, error(/./, 404), path)
    }
    for (const [method, path, allow] of [
      ['GET', route, 'POST'],
      ['DELETE', route, 'POST'],
      ['POST', name === 'tcn' ? '/healthz' : '/health', 'GET, HEAD'],
    ] as const) {
      const answer = await call(own[name] + path, { method })
      assert.is(answer.status, 405, `${method} ${path}`)
      assert.is(answer.headers.allow, allow, `${method} ${path}`)
      assertShape(answer.json, error(/./, 405), path)
    }
  }
})

test("another deployment's routes are not on its port", async () => {
  for (const name of names) {
    for (const other of names.filter((one) => one !== name)) {
      const { status, json: body } = await call(own[name] + daemons[other].route, daemons[other].good)
      assert.is(status, 404, `${other} on the port of ${name}`)
      assertShape(body, daemons[name].error(/./, 404))
    }
  }
})

test('what is no HTTP is answered in its shape too', async () => {
  for (const name of names) {
    for (const bytes of ['hello\r\n\r\n', 'CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n']) {
      const connection = new RawConnection(own[name])
      await connection.send(bytes)
      const { status, json: body } = await connection.answer()
      assert.is(status, 400)
      assertShape(body, daemons[name].error(/./, 400))
      await connection.closed
    }
  }
})

test('after all this each of them still works', async () => {
  for (const name of names) assert.is((await call(own[name] + daemons[name].route, daemons[name].good)).status, 200)
})

interface WrongWindow {
  what: string
  x: unknown
  loc: (string | number)[]
  words: RegExp
}
const cell = (row: number, channel: number, value: unknown) =>
  sampleWindow().map((values, i) => (i === row ? values.map((one, k) => (k === channel ? value : one)) : values))
const wrongWindows: WrongWindow[] = [
  { what: 'no window', x: undefined, loc: [], words: /no such field/ },
  { what: '99 rows', x: sampleWindow().slice(1), loc: [], words: /99 rows/ },
  { what: '101 rows', x: [...sampleWindow(), sampleWindow()[0]], loc: [], words: /101 rows/ },
  { what: 'a row of 8', x: sampleWindow().with(17, [1, 2, 3, 4, 5, 6, 7, 8]), loc: [17], words: /row 17/ },
  { what: 'text', x: cell(42, 3, 'a'), loc: [42, 3], words: /row 42, gx/ },
  { what: 'null', x: cell(0, 0, null), loc: [0, 0], words: /row 0, ax/ },
  { what: 'a value out of range', x: cell(99, 8, 1e6), loc: [99, 8], words: /row 99, mz.*1000000/ },
]
for (const [route, field] of [
  ['/infer', 'x'],
  ['/encode', 'imu_window'],
] as const)
  for (const { what, x, loc, words } of wrongWindows)
    test(`${route} with ${what} is 422 and says where`, async () => {
      const { status, json: body } = await call(own.tcn + route, {
        headers: json,
        body: JSON.stringify({ [field]: x }),
      })
      assert.is(status, 422)
      assert.is(body.detail.length, 1)
      assertShape(body, { detail: [{ loc: ['body', field, ...loc], msg: matching(words), type: text }] })
    })

test("NaN and Infinity, as Python's json writes them, are 422 with row and channel", async () => {
  for (const value of ['NaN', 'Infinity', '-Infinity']) {
    const body = JSON.stringify({ x: cell(5, 1, 'HERE') }).replace('"HERE"', value)
    const answer = await call(`${own.tcn}/infer`, { headers: json, body })
    assert.is(answer.status, 422)
    assertShape(answer.json, { detail: [{ loc: ['body', 'x', 5, 1], msg: matching(/row 5, ay/), type: text }] })
  }
})

test.run()

// --- internal ---

function formOf(content: string): Call {
  const body = `--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n${content}\r\n--x--\r\n`
  return { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body }
}

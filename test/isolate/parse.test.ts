import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { PelletError } from '../../runtime/errors.ts'
import { parseRequest } from '../../runtime/isolate/child/parse.ts'

const test = suite('reading a request')
const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0x0a, 0x26, 0x3d])
const png = Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR=&', 'latin1')
const json = { 'content-type': 'application/json' }
const urlencoded = { 'content-type': 'application/x-www-form-urlencoded' }

/** A request as an isolate gets it; pictures by URL come from nowhere. */
function parse(body: string | Uint8Array, headers: Record<string, string> = {}, url = '/v1/x') {
  const parts = body.length === 0 ? [] : [Buffer.from(body as string)]
  const req = Object.assign(Readable.from(parts), { headers, url }) as unknown as IncomingMessage
  return parseRequest(req, (picture) => Promise.resolve(Buffer.from(`fetched ${picture}`)))
}

async function form(fields: Record<string, string | Uint8Array>) {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') data.append(name, value)
    else data.append(name, new Blob([new Uint8Array(value)], { type: 'image/jpeg' }), 'photo.jpg')
  }
  const encoded = new Response(data)
  return {
    body: Buffer.from(await encoded.arrayBuffer()),
    headers: { 'content-type': encoded.headers.get('content-type')! },
  }
}

const image = async (parsed: Promise<Awaited<ReturnType<typeof parse>>>) =>
  Buffer.from(await (await parsed).input.image())

test('a JSON object gives fields with their types', async () => {
  const { input, options } = await parse('{"a": 1, "b": null, "c": [true], "d": "x"}', json)
  assert.equal(input.fields, { a: 1, b: null, c: [true], d: 'x' })
  assert.equal(
    options.map(([source]) => source),
    ['body'],
  )
})

for (const type of [
  'application/json; charset=utf-8',
  'Application/JSON',
  'application/vnd.api+json',
  '',
  'application/octet-stream',
])
  test(`${type || 'no content type'} with a JSON object is JSON`, async () => {
    assert.equal((await parse(' \n{"a": 1}', type ? { 'content-type': type } : {})).input.fields, { a: 1 })
  })

test('curl -d with JSON and without a type is JSON', async () => {
  assert.equal((await parse('{"a": 1}', urlencoded)).input.fields, { a: 1 })
})

test('a byte order mark before JSON does not matter', async () => {
  for (const headers of [json, {}, urlencoded])
    assert.equal((await parse('\ufeff{"a": 1}', headers)).input.fields, { a: 1 })
})

const noObjects: [body: string, found: string][] = [
  ['', 'no body'],
  ['{"a": 1', 'JSON'],
  ['{a: 1}', 'JSON'],
  ["{'a': 1}", 'JSON'],
  ['[1, 2]', 'an array'],
  ['null', 'null'],
  ['5', 'number'],
  ['"text"', 'string'],
  ['true', 'boolean'],
]
for (const [body, found] of noObjects)
  test(`the JSON body ${body || '(none)'} is invalid_request`, async () => {
    await rejects(parse(body, json), 'invalid_request', found)
  })

test('lone surrogates and invalid UTF-8 in JSON are text like any other', async () => {
  assert.is((await parse('{"a": "\\ud800"}', json)).input.fields['a'], '\ud800')
  const bytes = Buffer.concat([Buffer.from('{"a": "'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
  assert.is((await parse(bytes, json)).input.fields['a'], '\ufffd\ufffd')
})

test('keys with meaning to JavaScript are keys like any other', async () => {
  const { input } = await parse('{"__proto__": {"image": "AAAA"}, "constructor": 1}', json)
  assert.is(Object.getPrototypeOf(input.fields), Object.prototype)
  await rejects(input.image(), 'missing_input', 'found none')
  const { body, headers } = await form({ __proto__x: 'a', ['__proto__']: 'b', constructor: 'c' })
  const multipart = await parse(body, headers)
  assert.is(multipart.input.fields['constructor'], 'c')
  assert.is(Object.getOwnPropertyDescriptor(multipart.input.fields, '__proto__')?.value, 'b')
})

test('a form gives fields as text, an empty one none', async () => {
  const { input, options } = await parse('a=1&b=x+y&c=%C3%A9&d=', urlencoded)
  assert.equal({ ...input.fields }, { a: '1', b: 'x y', c: 'é', d: '' })
  assert.is(options[0]![0], 'form')
  assert.equal({ ...(await parse('name=é', urlencoded)).input.fields }, { name: 'é' })
  assert.equal({ ...(await parse('', urlencoded)).input.fields }, {})
})

test('base64 in a form may have had its plus signs taken for spaces', async () => {
  const bytes = Buffer.from([0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe])
  assert.match(bytes.toString('base64'), '+')
  assert.ok((await image(parse(`image=${bytes.toString('base64')}`, urlencoded))).equals(bytes))
})

test('a multipart form gives text and files', async () => {
  const { body, headers } = await form({ image: jpeg, output_format: 'both' })
  const { input, options } = await parse(body, headers)
  assert.equal({ ...input.fields }, { output_format: 'both' })
  assert.is(input.files['image']!.name, 'photo.jpg')
  assert.is(input.files['image']!.type, 'image/jpeg')
  assert.ok(Buffer.from(await input.image()).equals(jpeg))
  assert.is(options[0]![0], 'form')
})

test('the only file is the picture, whatever it is called; of several it is image', async () => {
  for (const fields of [{ photo: jpeg }, { image: jpeg, mask: png }]) {
    const { body, headers } = await form(fields)
    assert.ok((await image(parse(body, headers))).equals(jpeg))
  }
  const { body, headers } = await form({ left: jpeg, right: png })
  await rejects(image(parse(body, headers)), 'missing_input', 'found none')
})

const brokenForms: [what: string, body: string, type: string, words?: string][] = [
  ['no boundary', '--x\r\n\r\n--x--', 'multipart/form-data'],
  [
    'another boundary',
    '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
    'multipart/form-data; boundary=y',
  ],
  ['an early end', '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1', 'multipart/form-data; boundary=x'],
  ['a part without a name', '--x\r\n\r\n1\r\n--x--\r\n', 'multipart/form-data; boundary=x', 'name='],
  ['JSON in it', '{"a": 1}', 'multipart/form-data; boundary=x'],
  ['nothing in it', '', 'multipart/form-data; boundary=x'],
]
for (const [what, body, type, words = 'boundary'] of brokenForms)
  test(`a multipart body with ${what} is invalid_request`, async () => {
    await rejects(parse(body, { 'content-type': type }), 'invalid_request', words)
  })

for (const type of ['image/jpeg', 'image/*', 'application/octet-stream', '', 'application/x-www-form-urlencoded'])
  test(`raw bytes of a picture with ${type || 'no content type'} are the picture`, async () => {
    for (const bytes of [jpeg, png]) {
      const headers: Record<string, string> = type ? { 'content-type': type } : {}
      assert.ok((await image(parse(bytes, headers))).equals(bytes))
    }
  })

test('a picture in JSON: base64, data URI, image_url', async () => {
  const text = jpeg.toString('base64')
  const bodies = [
    { image: text },
    { image: `data:image/jpeg;base64,${text}` },
    { image_url: `data:image/jpeg;base64,${text}` },
  ]
  for (const body of bodies) assert.ok((await image(parse(JSON.stringify(body), json))).equals(jpeg))
  for (const body of [{ image: null, image_url: 'http://a/b.jpg' }, { image: 'HTTP://a/b.jpg' }])
    assert.match(String(await image(parse(JSON.stringify(body), json))), /^fetched http:\/\/a\/b.jpg$/i)
})

const noPictures: [body: unknown, code: string, text: string][] = [
  [{}, 'missing_input', 'found none'],
  [{ image: '' }, 'missing_input', 'empty'],
  [{ image: null, image_url: null }, 'missing_input', 'found none'],
  [{ image: 5 }, 'invalid_request', 'number'],
  [{ image: { data: 'x' } }, 'invalid_request', 'object'],
  [{ image: 'not base64!' }, 'invalid_request', 'base64'],
  [{ image_url: 5 }, 'invalid_request', 'number'],
]
for (const [body, code, text] of noPictures)
  test(`${JSON.stringify(body)} as a picture is ${code}`, async () => {
    await rejects(image(parse(JSON.stringify(body), json)), code, text)
  })

test('an empty body has no picture, an empty file neither', async () => {
  for (const headers of [
    {},
    { 'content-type': 'image/png' },
    urlencoded,
    { 'content-type': 'application/octet-stream' },
  ])
    await rejects(image(parse('', headers as Record<string, string>)), 'missing_input', 'found none')
  const { body, headers } = await form({ image: new Uint8Array(0) })
  await rejects(image(parse(body, headers)), 'missing_input', 'an empty file')
})

test('the query gives fields where the body has none of the name, and options', async () => {
  const { input, options } = await parse('{"a": 1}', json, '/v1/x?a=2&b=3')
  assert.equal({ ...input.fields }, { a: 1, b: '3' })
  assert.equal(
    options.map(([source]) => source),
    ['body', 'query'],
  )
  assert.match(String(await image(parse('', {}, '/v1/x?image_url=http%3A%2F%2Fa%2Fb.jpg'))), 'fetched http://a/b.jpg')
})

test('X-Pellet-Option headers are options, and no fields', async () => {
  const { input, options } = await parse('', { 'x-pellet-option-output-format': 'numpy', 'x-other': '1' })
  assert.equal(options, [['header', { output_format: 'numpy' }]])
  assert.equal({ ...input.fields }, {})
})

async function rejects(promise: Promise<unknown>, code: string, text: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.instance(error, PelletError, String(error))
  assert.is((error as PelletError).code, code)
  assert.match((error as PelletError).message, text)
}

test.run()

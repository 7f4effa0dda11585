import '../support/no-telemetry.ts'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toCallRequest } from '../../runtime/isolate/child/call-request.ts'
import { toValue } from '../../runtime/isolate/child/respond.ts'
import { withFormats } from '../../runtime/steps/formats.ts'

const test = suite('an item of a call')
const toRequest = (item: Record<string, unknown>) =>
  toCallRequest(item, (url) => Promise.resolve(Buffer.from(`fetched ${url}`)))

test('is a request with its fields, in which options may be, typed arrays as they are', () => {
  const item = { top: 3, window: new Float32Array(2) }
  const { input, options } = toRequest(item)
  assert.equal(input.fields, item)
  assert.equal(options, [['body', item]])
  assert.is(input.pixels, undefined)
})

test('pixels are the picture, and no field; asked for bytes they are a PNG', async () => {
  const image = { width: 2, height: 1, data: new Uint8Array([1, 2, 3, 4, 5, 6]) }
  const { input } = toRequest({ image, top: 1 })
  assert.equal(input.pixels, image)
  assert.equal(input.fields, { top: 1 })
  assert.equal([...(await input.image()).subarray(1, 4)], [...Buffer.from('PNG')])
})

test('encoded bytes are the file image, text is read as over HTTP', async () => {
  const file = toRequest({ image: new Uint8Array([1, 2]), top: 1 }).input
  assert.equal([...(await file.image())], [1, 2])
  assert.equal(Object.keys(file.files), ['image'])
  assert.equal(file.fields, { top: 1 })
  assert.is(String(await toRequest({ image: Buffer.from('text').toString('base64') }).input.image()), 'text')
  assert.is(String(await toRequest({ image_url: 'http://a/b' }).input.image()), 'fetched http://a/b')
})

const wrong: [what: string, image: unknown, message: RegExp][] = [
  ['pixels of another size', { width: 2, height: 2, data: new Uint8Array(6) }, /found 6 bytes for 2 x 2/],
  ['half a pixel', { width: 1.5, height: 2, data: new Uint8Array(9) }, /found 9 bytes for 1.5 x 2/],
  ['no pixels', { width: 0, height: 0, data: new Uint8Array(0) }, /found 0 bytes for 0 x 0/],
  ['floats', { width: 1, height: 1, data: new Float32Array(3) }, /found something else/],
  ['a list', [1, 2, 3], /found something else/],
]
for (const [what, image, message] of wrong)
  test(`${what} for a picture: refused, with what was found`, () => {
    assert.throws(
      () => toRequest({ image }),
      (error: { code: string; message: string }) => error.code === 'invalid_input' && message.test(error.message),
    )
  })

test('a picture that is not there is asked for in the words of HTTP', async () => {
  for (const image of [undefined, null])
    await toRequest({ image })
      .input.image()
      .then(
        () => assert.unreachable(),
        ({ code }: { code: string }) => assert.is(code, 'missing_input'),
      )
})

test('an answer for another deployment is the value itself, or the one that JSON would be made of', async () => {
  const value = { embedding: new Float32Array(2) }
  assert.is(await toValue(value), value)
  assert.is(await toValue(withFormats({ 'image/png': () => 0, 'application/json': () => value })), value)
  assert.equal(await toValue(withFormats({ 'application/json': () => Buffer.from('{"a":[1]}') })), { a: [1] })
})

test.run()

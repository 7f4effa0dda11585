import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PelletError } from '../../runtime/errors.ts'
import { negotiate, toAnswer } from '../../runtime/isolate/child/respond.ts'
import { withFormats } from '../../runtime/steps/formats.ts'

const test = suite('a result as it leaves')
const types = ['application/json', 'image/png', 'application/x-npz']

const choices: [accept: string | undefined, chosen: string | undefined][] = [
  [undefined, 'application/json'],
  ['', 'application/json'],
  ['*/*', 'application/json'],
  ['image/png', 'image/png'],
  ['IMAGE/PNG', 'image/png'],
  ['application/x-npz', 'application/x-npz'],
  ['image/*', 'image/png'],
  ['application/*', 'application/json'],
  ['image/png, application/json', 'application/json'],
  ['image/png, application/json;q=0.9', 'image/png'],
  ['application/json;q=0.5, image/png;q=0.8, */*;q=0.1', 'image/png'],
  ['image/webp, image/png;q=0.5, */*;q=0.1', 'image/png'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8', 'application/json'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/png,*/*;q=0.8', 'application/json'],
  ['text/html, image/png, *; q=.2, */*; q=.2', 'application/json'],
  ['text/html, image/png', 'image/png'],
  ['application/json;q=0, */*', 'image/png'],
  ['image/*;q=0.2, image/png;q=0.9, application/json;q=0.5', 'image/png'],
  ['image/png ; q=0.3 , application/json ; q=0.2', 'image/png'],
  ['application/json; charset=utf-8', 'application/json'],
  ['image/webp', undefined],
  ['image/png;q=0', undefined],
  ['*/*;q=0', undefined],
  ['nonsense', undefined],
  [',', undefined],
]
for (const [accept, chosen] of choices)
  test(`Accept: ${accept} chooses ${chosen ?? 'nothing: 406'}`, () => {
    if (chosen) assert.is(negotiate(types, accept), chosen)
    else assert.throws(() => negotiate(types, accept), refused('not_acceptable', 'application/json, image/png'))
  })

const plain: [what: string, value: unknown, expected: unknown][] = [
  [
    'typed arrays',
    { a: Float32Array.of(1, 2.5), b: Uint8Array.of(1, 2), c: new Float64Array(0) },
    { a: [1, 2.5], b: [1, 2], c: [] },
  ],
  ['typed arrays behind numbers in a list', [1, 'a', [2, { b: Uint8Array.of(3) }]], [1, 'a', [2, { b: [3] }]]],
  ['typed arrays that lie deep', nested(50, Uint8Array.of(1)), nested(50, [1])],
  ['typed arrays that an object makes of itself', { a: { toJSON: () => Uint8Array.of(1) } }, { a: [1] }],
  ['a buffer', { bytes: Buffer.from([1, 2]) }, { bytes: [1, 2] }],
  [
    'big integers',
    { a: 5n, b: 2n ** 60n, c: BigInt64Array.of(-1n, 2n ** 62n) },
    { a: 5, b: String(2n ** 60n), c: [-1, String(2n ** 62n)] },
  ],
  ['NaN and infinity', { a: NaN, b: Infinity, c: Float32Array.of(NaN) }, { a: null, b: null, c: [null] }],
  ['dates', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
  ['undefined inside', { a: undefined, b: 1 }, { b: 1 }],
  ['null', null, null],
  ['text', 'hello', 'hello'],
  ['a number', 5, 5],
  ['a lone surrogate', '\ud800', '\ud800'],
]
for (const [what, value, expected] of plain)
  test(`${what} as JSON`, async () => {
    const { type, body } = await toAnswer(value, 'image/png')
    assert.is(type, 'application/json')
    assert.equal(JSON.parse(body as string), expected)
  })

const circular: Record<string, unknown> = {}
circular['self'] = circular
const unwritable: [what: string, value: unknown, reason: string][] = [
  ['nothing', undefined, 'returned nothing'],
  ['a function', () => 1, 'returned nothing'],
  ['a circle', circular, 'circular'],
  [
    'a toJSON that throws',
    {
      toJSON() {
        throw new Error('no such luck')
      },
    },
    'no such luck',
  ],
]
for (const [what, value, reason] of unwritable)
  test(`${what} is function_failed with the reason`, async () => {
    await rejects(toAnswer(value, undefined), 'function_failed', reason)
    await rejects(toAnswer(withFormats({ 'application/json': () => value }), undefined), 'function_failed', reason)
  })

test('bytes leave as they are', async () => {
  const { type, body } = await toAnswer(Uint8Array.of(1, 2), 'application/json')
  assert.is(type, 'application/octet-stream')
  assert.equal([...(body as Uint8Array)], [1, 2])
})

test('only the chosen format is made', async () => {
  const made: string[] = []
  const formats = withFormats({
    'application/json': () => void made.push('json'),
    'image/png': async () => {
      made.push('png')
      return Uint8Array.of(9)
    },
  })
  const { type, body } = await toAnswer(formats, 'image/png')
  assert.is(type, 'image/png')
  assert.equal([...(body as Uint8Array)], [9])
  assert.equal(made, ['png'])
})

test('a format that throws, or gives no bytes, is function_failed with its type', async () => {
  const formats = withFormats({
    'image/png': () => {
      throw new Error('no encoder')
    },
    'image/webp': () => 'text',
    'image/avif': () => {
      throw new PelletError('invalid_input', 'said so')
    },
  })
  await rejects(toAnswer(formats, 'image/png'), 'function_failed', 'image/png: no encoder')
  await rejects(toAnswer(formats, 'image/webp'), 'function_failed', 'expected bytes, found string')
  await rejects(toAnswer(formats, 'image/avif'), 'invalid_input', 'said so')
})

function refused(code: string, text: string) {
  return (error: unknown) =>
    error instanceof PelletError && error.code === code && error.message.toLowerCase().includes(text.toLowerCase())
}

async function rejects(promise: Promise<unknown>, code: string, text: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(refused(code, text)(error), String(error))
}

/** `value` in so many lists. */
function nested(depth: number, value: unknown): unknown {
  return depth === 0 ? value : [nested(depth - 1, value)]
}

test.run()

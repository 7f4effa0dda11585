import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toJsonBytes } from '../../runtime/codecs/json.ts'

const json = suite('json')

json('is what JSON.stringify gives, with byte arrays as base64', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 256)
  for (const object of [
    {},
    { a: 1 },
    { a: undefined, b: 2, c: undefined },
    { 'kéy "q"': 'ü\n"', nested: { list: [1, null, NaN, { deep: true }] }, none: null },
    { bytes },
    { bytes, after: 1 },
    { before: [1], bytes, between: 'x', again: bytes.subarray(3, 10), empty: new Uint8Array(0) },
    { a: bytes.subarray(0, 1), b: bytes.subarray(0, 2), c: bytes.subarray(0, 3) },
  ] as Record<string, unknown>[]) {
    const plain = Object.fromEntries(
      Object.entries(object).map(([key, value]) => [
        key,
        value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
      ]),
    )
    assert.is(toJsonBytes(object).toString(), JSON.stringify(plain))
  }
})

json.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { canonical } from '../../runtime/isolate/child/canonical.ts'
import { readCacheControl } from '../../runtime/results/cache-control.ts'

const test = suite('what requests are compared by')

test('equal values give equal text, whatever the order of their keys', () => {
  assert.is(canonical({ a: 1, b: { c: [1, 'x'], d: null } }), canonical({ b: { d: null, c: [1, 'x'] }, a: 1.0 }))
  assert.is(canonical(Object.assign(Object.create(null), { a: 1 })), canonical({ a: 1 }))
})

test('all others give another, also those that JSON takes for one', () => {
  const scalars = [0, -0, 1, NaN, Infinity, -Infinity, 1n, '1', '', 'null', null, undefined, true, 'true', 1e21]
  const lists = [[], [[]], [1, 2], [12], ['1', '2'], ['1,2'], [null], [undefined], {}, [{}], ['a', 'b'], ['a:b']]
  const mappings = [{ a: 1 }, { a: '1' }, { a: undefined }, { b: 1 }, { a: 1, b: 2 }, { 'a,b': 1 }, { a: 'b' }]
  const deep = [{ a: { b: 1 } }, { a: ['b', 1] }, [{ a: 1 }, { b: 2 }], [{ a: 1, b: 2 }], JSON.parse('{"__proto__":1}')]
  const texts = ['\\u0041', 'A"', 'A\\"', '\ud800', '\udc00']
  const values = [...scalars, ...lists, ...mappings, ...deep, ...texts]
  const written = values.map(canonical)
  for (const [i, text] of written.entries()) assert.is(written.indexOf(text), i, `${String(text)} twice`)
})

test('what is no plain data has no text', () => {
  for (const value of [new Date(), new Map(), () => 1, Symbol('x'), new Uint8Array(2), [new Set()], { a: /x/ }])
    assert.is(canonical(value), undefined)
})

test('Cache-Control of a request', () => {
  const rows: [string | undefined, string][] = [
    [undefined, 'any'],
    ['', 'any'],
    ['max-age=60', 'any'],
    ['only-if-cached', 'any'],
    ['no-cache', 'fresh'],
    ['No-Cache, max-age=60', 'fresh'],
    ['max-age=0', 'fresh'],
    ['no-store', 'none'],
    ['private,no-store , no-cache', 'none'],
    ['x="no-store"', 'any'],
  ]
  for (const [header, wish] of rows) assert.is(readCacheControl(header), wish, header)
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { PelletError } from '../../runtime/errors.ts'
import { createOptionReader, type OptionSource } from '../../runtime/isolate/child/options.ts'

const test = suite('options of a request')
const input = {
  top: z.number().int().min(1).max(100).default(5),
  threshold: z.number().min(0).max(1).default(0.5),
  normalize: z.boolean().default(true),
  output_format: z.enum(['numpy', 'image', 'both']).default('both'),
  label: z.string().optional(),
  limit: z.number().nullable().default(null),
  either: z.union([z.number(), z.enum(['auto'])]).default('auto'),
  flag: z.boolean().optional().nullable(),
  text: z.union([z.string(), z.number()]).optional(),
  box: z.array(z.number()).optional(),
  map: z.record(z.string(), z.number()).optional(),
  choice: z.literal([1, 2, 4]).optional(),
}
const reader = createOptionReader(input)
const read = (source: OptionSource, values: Record<string, unknown>) => reader.read([[source, values]], {})

test('defaults are those of the shape', () => {
  const defaults = { top: 5, threshold: 0.5, normalize: true, output_format: 'both', limit: null, either: 'auto' }
  assert.equal(reader.defaults, defaults)
})

const alike: [key: string, text: string, value: unknown][] = [
  ['top', '7', 7],
  ['top', ' 7 ', 7],
  ['top', '+7', 7],
  ['top', '1e1', 10],
  ['threshold', '.5', 0.5],
  ['threshold', '0', 0],
  ['threshold', '-0', -0],
  ['normalize', 'false', false],
  ['normalize', 'False', false],
  ['normalize', '0', false],
  ['normalize', 'no', false],
  ['normalize', 'off', false],
  ['normalize', 'true', true],
  ['normalize', '1', true],
  ['normalize', 'on', true],
  ['output_format', 'numpy', 'numpy'],
  ['label', '', ''],
  ['label', '5', '5'],
  ['limit', '5', 5],
  ['limit', 'null', null],
  ['either', '5', 5],
  ['either', 'auto', 'auto'],
  ['flag', 'false', false],
  ['text', '5', '5'],
  ['box', '[1, 2.5]', [1, 2.5]],
  ['box', '1,2.5', [1, 2.5]],
  ['box', '3', [3]],
  ['map', '{"a": 1}', { a: 1 }],
  ['choice', '4', 4],
]
for (const [key, text, value] of alike)
  test(`${key}=${JSON.stringify(text)} as text is ${JSON.stringify(value)}, from form, query and header alike`, () => {
    for (const source of ['form', 'query', 'header'] as const) assert.equal(read(source, { [key]: text })[key], value)
    if (!(key === 'text' || key === 'label')) assert.equal(read('body', { [key]: value })[key], value, 'as JSON')
  })

const wrongText: [key: string, text: string][] = [
  ['top', ' '],
  ['top', '0x10'],
  ['top', '0b1'],
  ['top', '1_0'],
  ['top', 'NaN'],
  ['top', 'Infinity'],
  ['top', '5.5'],
  ['top', '0'],
  ['top', '101'],
  ['top', 'five'],
  ['top', '5px'],
  ['top', 'true'],
  ['top', '1e999'],
  ['normalize', '2'],
  ['normalize', 'maybe'],
  ['output_format', 'NUMPY'],
  ['box', 'a,b'],
  ['box', '{}'],
  ['map', 'a=1'],
  ['choice', '3'],
]
for (const [key, text] of wrongText)
  test(`${key}=${JSON.stringify(text)} is refused with a detail`, () => {
    for (const [source, place] of [
      ['form', 'body'],
      ['query', 'query'],
      ['header', 'header'],
    ] as const) {
      const { details } = refusal(() => read(source, { [key]: text }))
      assert.equal(details[0]!.loc.slice(0, 2), [place, key])
      assert.ok(details[0]!.msg.length > 0)
    }
  })

const wrongJson: [key: string, value: unknown][] = [
  ['top', '7'],
  ['top', true],
  ['top', [7]],
  ['normalize', 'false'],
  ['normalize', 0],
  ['label', 5],
  ['box', 'nothing'],
]
for (const [key, value] of wrongJson)
  test(`JSON keeps its types: ${key}: ${JSON.stringify(value)} is refused`, () => {
    assert.equal(refusal(() => read('body', { [key]: value })).details[0]!.loc.slice(0, 2), ['body', key])
  })

test('an empty field is no value, where an option takes no empty text: the next source counts, then the default', () => {
  for (const source of ['form', 'query', 'header'] as const)
    for (const key of ['top', 'normalize', 'output_format', 'limit', 'box', 'choice'])
      assert.equal(read(source, { [key]: '' }), {}, `${key} from ${source}`)
  const sources: [OptionSource, Record<string, unknown>][] = [
    ['form', { top: '', label: '' }],
    ['query', { top: '7', label: 'x' }],
  ]
  assert.equal(reader.read(sources, {}), { top: 7, label: '' })
  assert.equal(refusal(() => read('body', { top: '' })).details[0]!.loc, ['body', 'top'], 'JSON has null for that')
})

test('null is no value, where an option takes none: the next source counts, then the default', () => {
  assert.equal(reader.read([['body', { top: null, normalize: null }]], {}), {})
  assert.equal(
    reader.read(
      [
        ['body', { top: null }],
        ['query', { top: '2' }],
      ],
      {},
    ),
    { top: 2 },
  )
  assert.equal(reader.read([['body', { limit: null, flag: null }]], {}), { limit: null, flag: null })
})

test('a body wins over the query, the query over headers', () => {
  const values = (top: unknown) => ({ top })
  const all: [OptionSource, Record<string, unknown>][] = [
    ['body', values(1)],
    ['query', values('2')],
    ['header', values('3')],
  ]
  assert.is(reader.read(all, {})['top'], 1)
  assert.is(reader.read(all.slice(1), {})['top'], 2)
  assert.is(reader.read(all.slice(2), {})['top'], 3)
  assert.equal(reader.read([['body', { normalize: false }], ...all.slice(1)], {}), { top: 2, normalize: false })
})

test('all that is wrong is told at once', () => {
  const { details, message } = refusal(() => read('form', { top: 'x', normalize: 'y', threshold: '0.1' }))
  assert.equal(
    details.map(({ loc }) => loc[1]),
    ['top', 'normalize'],
  )
  assert.match(message, /top: .*; normalize: /)
})

test('a place inside a list is named', () => {
  assert.equal(refusal(() => read('body', { box: [1, 'a'] })).details[0]!.loc, ['body', 'box', 1])
})

test('an option without a default is asked for, unless the manifest gives it', () => {
  const needy = createOptionReader({ id: z.string() })
  assert.equal(refusal(() => needy.read([], {})).details, [
    { loc: ['body', 'id'], msg: 'expected a value, found none', type: 'missing' },
  ])
  assert.equal(needy.read([], { id: 'from the manifest' }), {})
})

test('keys that input does not name are no options', () => {
  assert.equal(read('body', { image: 'abc', constructor: 1, __proto__: { top: 9 } }), {})
})

test('an option may have the name of something that every object has', () => {
  const odd = createOptionReader({ constructor: z.number().default(1), toString: z.number() } as never)
  assert.is(refusal(() => odd.read([['body', {}]], {})).details[0]!.loc[1], 'toString')
  assert.equal({ ...odd.read([['query', { constructor: '2', toString: '3' }]], {}) }, { constructor: 2, toString: 3 })
})

test('the schema is what may be sent: defaults are not required', () => {
  const { required, properties } = reader.schema as { required?: string[]; properties: Record<string, unknown> }
  assert.is(required, undefined)
  assert.equal(Object.keys(properties), Object.keys(input))
})

function refusal(run: () => unknown): { message: string; details: NonNullable<PelletError['details']> } {
  try {
    run()
  } catch (error) {
    assert.instance(error, PelletError)
    const { code, details, message } = error as PelletError
    assert.is(code, 'invalid_option')
    return { message, details: details! }
  }
  throw new Error('expected a refusal, found none')
}

test('an option is made of ten thousand values at most, however they are nested, and said so once', () => {
  const refusal = (source: OptionSource, box: unknown) => {
    try {
      return read(source, { box })
    } catch (error) {
      return (error as PelletError).details!.map(({ msg }) => msg)
    }
  }
  assert.equal(read('body', { box: Array(9999).fill(1) }), { box: Array(9999).fill(1) })
  const expected = ['expected at most 10000 values in an option, found more']
  assert.equal(refusal('body', Array(10_000).fill('a')), expected)
  assert.equal(
    refusal(
      'body',
      Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => 1)),
    ),
    expected,
  )
  assert.equal(refusal('body', [JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))]), expected)
  assert.is((refusal('form', '1,'.repeat(60_000)) as string[]).length, 1, 'a text that long is no list')
})

test.run()

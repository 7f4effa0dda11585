import { sampleWindow } from '../contracts/contract.ts'
import type { Random } from '../support/random.ts'
import { plain, type FuzzRequest, type Kind, type Target } from './request.ts'

/** Bodies of JSON, and what only looks like it. */
export function jsonKinds(picture: Buffer): Kind[] {
  const base64 = picture.toString('base64')

  /** The members of a good request, as the text of each value. */
  function good({ takes, field }: Target): Record<string, string> {
    if (takes === 'picture') return { [field]: JSON.stringify(base64) }
    return takes === 'window' ? { [field]: JSON.stringify(sampleWindow()) } : {}
  }

  /** A good body with something in place of one of its values, or beside them. */
  function withMember(random: Random, target: Target, value: string): string {
    const name = random.pick([target.field, ...target.options, 'image', 'image_url', 'x'])
    return objectOf({ ...good(target), [name]: value })
  }

  const kinds: [name: string, make: (random: Random, target: Target) => string | Uint8Array][] = [
    ['odd value', (random, target) => withMember(random, target, random.pick(oddValues))],
    ['odd value', (random, target) => withMember(random, target, random.pick(oddValues))],
    ['odd number', (random, target) => withMember(random, target, random.pick(oddNumbers))],
    ['odd text', (random, target) => withMember(random, target, JSON.stringify(random.pick(oddTexts)))],
    ['odd text as it is', (random, target) => withMember(random, target, `"${random.pick(oddTexts)}"`)],
    ['odd numbers in the window', (random, target) => objectOf({ [target.field]: oddWindow(random) })],
    ['odd keys', (random, target) => oddKeys(random, good(target))],
    [
      'the same key again',
      (random, target) => `${objectOf(good(target)).slice(0, -1)},"${target.field}":${random.pick(oddValues)}}`,
    ],
    [
      'no object',
      (random) =>
        random.pick([
          ...oddValues,
          '',
          ' ',
          '{',
          '}',
          '[]',
          '[{}]',
          '{}{}',
          '"\\',
          "{'a':1}",
          '{"a":1,}',
          '\0',
          '{"a"}',
          '{"a":01}',
        ]),
    ],
    ['cut off', (random, target) => objectOf(good(target)).slice(0, random.integer(0, 200))],
    ['bits flipped', (random, target) => flipText(random, objectOf(good(target)))],
    [
      'bytes that are no UTF-8',
      (random, target) =>
        Buffer.concat([
          Buffer.from(objectOf(good(target)).slice(0, -1)),
          Buffer.from(',"a":"'),
          random.bytes(60),
          Buffer.from('"}'),
        ]),
    ],
    [
      'a byte order mark',
      (random, target) =>
        Buffer.concat([Buffer.from(random.pick(['\ufeff', '\ufeff\ufeff'])), Buffer.from(objectOf(good(target)))]),
    ],
    ['UTF-16', (_, target) => Buffer.from(objectOf(good(target)), 'utf16le')],
    ['100,000 levels', (random, target) => deep(random, target, 100_000)],
    ['500 levels as a value', (random, target) => withMember(random, target, '['.repeat(500) + ']'.repeat(500))],
    ['10 MB of [', () => Buffer.alloc(10_000_000, '[')],
    ['10 MB of {"a":', () => '{"a":'.repeat(2_000_000)],
    ['a hundred thousand values', (random, target) => withMember(random, target, `[${'0,'.repeat(100_000)}0]`)],
    ['a million objects', (random, target) => withMember(random, target, `[${'{},'.repeat(1_000_000)}{}]`)],
    ['ten million lists', (random, target) => withMember(random, target, `[${'[],'.repeat(10_000_000)}[]]`)],
    [
      '300,000 keys',
      (_, target) => `{${Array.from({ length: 300_000 }, (_, i) => `"k${i}":0`).join()},"${target.field}":0}`,
    ],
    ['10 MB of spaces', (random) => `{"a":${' '.repeat(10_000_000)}${random.pick(['1}', 'x', '}'])}`],
    [
      '10 MB in one text',
      (random, target) =>
        withMember(random, target, `"${random.pick(['a', '=', ' ', '\\u0000', '\\ud800', '€']).repeat(1_600_000)}"`),
    ],
    [
      '20 MB that are no UTF-8 in one text',
      (_, target) =>
        Buffer.concat([Buffer.from(`{"${target.field}":"`), Buffer.alloc(20_000_000, 0xff), Buffer.from('"}')]),
    ],
    [
      'a number of a million digits',
      (random, target) =>
        withMember(random, target, random.pick(['9'.repeat(1e6), `0.${'0'.repeat(1e6)}1`, `1e${'9'.repeat(1e6)}`])),
    ],
    [
      'a list of pictures',
      (random, target) => withMember(random, target, `[${JSON.stringify(base64)},${JSON.stringify(base64)}]`),
    ],
    ['a URL', (random, target) => withMember(random, target, JSON.stringify(random.pick(oddUrls)))],
  ]
  return kinds.map(([name, make]) => ({
    name: `JSON: ${name}`,
    make: (random, target) => toJson(random, target, make(random, target)),
  }))
}

// --- internal ---

const oddValues = [
  'null',
  'true',
  'false',
  '0',
  '""',
  '[]',
  '{}',
  '[null]',
  '[[]]',
  '[{}]',
  '{"a":{}}',
  '"true"',
  '"1"',
  '[1,"2",null,true,{}]',
  '{"length":5}',
  '{"__proto__":null}',
  '{"toString":1}',
  '{"type":"Buffer","data":[1,2]}',
  '[[0,0],[1,1],[2,2],[3,3],[4,4]]',
  '[[0,0],[0,0],[0,0],[0,0],[0,0]]',
  '[{"x":1,"y":2},{"x":3},{},[],0]',
  '[[1e5,1e5],[-1e5,1e5],[0,1e-300],[1e-300,0],[5,5]]',
  '["person"]',
  '["person","unicorn"]',
]
const oddNumbers = [
  '-0',
  '1e999',
  '-1e999',
  '1e-999',
  '5e-324',
  '1.7976931348623157e308',
  '9007199254740993',
  '123456789012345678901234567890',
  '-1',
  '0.1',
  '1.0',
  '2147483648',
  '4294967296',
  '-2147483649',
  '1E+2',
  'NaN',
  'Infinity',
  '-Infinity',
  '+1',
  '.5',
  '1.',
  '0x10',
  '1_000',
  '١',
]
const oddTexts = [
  '',
  ' ',
  '\0',
  '\ud800',
  '\udc00\ud800',
  '\\ud800',
  '\u202e',
  '\r\nX-Evil: 1',
  '../../etc/passwd',
  'file:///etc/passwd',
  '%00',
  '{{7*7}}',
  '${7*7}',
  '__proto__',
  'constructor',
  'NaN',
  'null',
  'undefined',
  '=',
  '====',
  'AAAA=AAA',
  'A',
  'data:',
  'data:,',
  'data:;base64,',
  'data:image/png;base64',
  'data:image/png,abc',
  `data:${';a'.repeat(2000)};base64,AAAA`,
  'DATA:image/png;BASE64,iVBORw0KGgo=',
  'iVBORw0KGgo=',
  '💥'.repeat(99),
  'a'.repeat(99_999),
  '<script>alert(1)</script>',
  "'; DROP TABLE x; --",
]
const oddUrls = [
  'http://127.0.0.1:1/',
  'http://169.254.169.254/latest/meta-data',
  'https://[::1]/',
  'http://',
  'http:// /',
  'HTTP://0/',
  'http://user:pw@localhost:1/',
  'ftp://x/',
  'file:///etc/passwd',
  'http://a'.repeat(500),
  'javascript:1',
  '//localhost/x',
  'data:text/html,x',
]

function objectOf(members: Record<string, string>): string {
  return `{${Object.entries(members)
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join()}}`
}

function oddKeys(random: Random, members: Record<string, string>): string {
  const names = [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'valueOf',
    'then',
    'toJSON',
    '',
    '\0',
    'length',
    '0',
    'image\0',
    'ımage',
  ]
  const odd = Array.from(
    { length: random.integer(1, 6) },
    () => `${JSON.stringify(random.pick(names))}:${random.pick(oddValues)}`,
  )
  return `{${[objectOf(members).slice(1, -1), ...odd].filter(Boolean).join()}}`
}

function oddWindow(random: Random): string {
  const rows = Array.from(
    { length: random.pick([0, 1, 99, 100, 100, 100, 101, 20_000]) },
    () =>
      `[${Array.from({ length: random.pick([9, 9, 9, 9, 8, 10]) }, () => (random.chance(0.02) ? random.pick([...oddNumbers, ...oddValues]) : '0.5')).join()}]`,
  )
  return `[${rows.join()}]`
}

function deep(random: Random, { field, options }: Target, levels: number): string {
  const [open, close] = random.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['{"toJSON":', '}'],
    ['[{"":', '}]'],
  ] as const)
  const value = `${open.repeat(levels)}0${random.chance(0.8) ? close.repeat(levels) : ''}`
  return random.chance(0.2) ? value : `{"${random.pick([field, ...options])}":${value}}`
}

function flipText(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text)
  for (let i = random.integer(1, 5); i > 0; i--) {
    const at = random.integer(0, Math.min(bytes.length, 300) - 1)
    bytes[at] = bytes[at]! ^ (1 << random.integer(0, 7))
  }
  return bytes
}

function toJson(random: Random, target: Target, text: string | Uint8Array): FuzzRequest {
  const body = typeof text === 'string' ? Buffer.from(text) : text
  const type = random.pick([
    'application/json',
    'application/json',
    'application/json',
    'application/json; charset=utf-16',
    'application/problem+json',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/JSON;;;',
    '',
  ])
  return plain(target, { body, headers: type === '' ? [] : [`content-type: ${type}`] })
}

import type { Random } from '../support/random.ts'
import { plain, type FuzzRequest, type Kind, type Target } from './request.ts'

/** Forms of both kinds, and what only looks like one. */
export function formKinds(picture: Buffer): Kind[] {
  /** The parts of a good form: a picture, or a field. */
  const file = (name: string, headers = '') =>
    part(`name="${name}"; filename="a.jpg"`, picture, `content-type: image/jpeg\r\n${headers}`)
  const field = (name: string, value: string) => part(`name="${name}"`, value)

  const kinds: [name: string, make: (random: Random, target: Target) => FuzzRequest][] = [
    [
      'whole',
      (random, target) =>
        form(target, [field(random.pick(['a', ...target.options]), random.pick(oddValues)), file('image')]),
    ],
    [
      'odd option',
      (random, target) =>
        form(target, [field(random.pick(['a', ...target.options]), random.pick(oddValues)), file('photo')]),
    ],
    ['no final boundary', (_, target) => form(target, [file('image')], { end: '' })],
    ['cut off', (random, target) => form(target, [file('image')], { cut: random.integer(0, picture.length) })],
    [
      'nothing in it',
      (random, target) =>
        form(target, [], { end: random.pick(['', '--b--', '--b', '\r\n--b--\r\n', '--b-', '--b\r\n--b--']) }),
    ],
    [
      '5,000 fields',
      (_, target) =>
        form(
          target,
          Array.from({ length: 5000 }, (_, i) => field(`f${i}`, 'v')),
        ),
    ],
    [
      '10,000 parts of one name',
      (random, target) =>
        form(
          target,
          // Of a batch each is an item, and takes its time.
          Array.from({ length: target.isBatch ? 300 : 10_000 }, () =>
            part(`name="${random.pick(['image', 'a'])}"; filename="x"`, 'v'),
          ),
        ),
    ],
    [
      '100,000 boundaries',
      (_, target) => plain(target, { headers: [typeOf('b')], body: Buffer.from('--b\r\n\r\n'.repeat(100_000)) }),
    ],
    [
      'nested',
      (_, target) =>
        form(target, [
          part(
            'name="image"',
            '--c\r\ncontent-disposition: file; filename="x"\r\n\r\nx\r\n--c--',
            'content-type: multipart/mixed; boundary=c\r\n',
          ),
          file('other'),
        ]),
    ],
    [
      '20 KB of headers in a part',
      (random, target) =>
        form(target, [file('image', `x-a: ${'a'.repeat(random.pick([15_000, 16_300, 20_000]))}\r\n`)]),
    ],
    ['20,000 headers in a part', (_, target) => form(target, [file('image', 'a: b\r\n'.repeat(20_000))])],
    [
      'no name',
      (random, target) =>
        form(target, [
          part(
            random.pick([
              '',
              'filename="x"',
              'name',
              'name=',
              'name="',
              '"name"="a"',
              `${'; a=b'.repeat(2000)}`,
              'name="\\"',
            ]),
            picture,
          ),
        ]),
    ],
    [
      'odd names',
      (random, target) =>
        form(target, [
          part(
            `name="${random.pick(['__proto__', 'constructor', 'image\0', '"', 'a'.repeat(9000), '%00', '../image', '\xff\xfe'])}"; filename*=utf-8''${random.pick(['%zz', '%', '%ff', 'a'.repeat(5000), "'''"])}`,
            picture,
          ),
        ]),
    ],
    [
      'no headers',
      (random, target) =>
        form(target, [
          '--b\r\n\r\n',
          random.pick(['--b\r\nno colon\r\n\r\nx\r\n', '--b\r\nx', '--b\n\nx\n', '--b   \t \r\n\r\n\r\n']),
        ]),
    ],
    [
      'no boundary said',
      (random, target) =>
        plain(target, {
          headers: [
            random.pick([
              'content-type: multipart/form-data',
              'content-type: multipart/form-data; boundary=',
              'content-type: multipart/form-data; boundary=""',
              'content-type: multipart/form-data; boundary="\\',
              'content-type: multipart/mixed; boundary=b',
              `content-type: multipart/form-data${';boundary=b'.repeat(900)}`,
            ]),
          ],
          body: Buffer.from('--b\r\n\r\nx\r\n--b--'),
        }),
    ],
    [
      'a boundary that is nearly everywhere',
      (random, target) => nearly(target, random.pick([1, 60, 70, 71, 4000, 14_000]), 3_000_000),
    ],
    [
      'a boundary of 1 MB',
      (_, target) => ({
        ...plain(target, { headers: [typeOf('b'.repeat(1_000_000))], body: Buffer.from('x') }),
        expects: 'close',
      }),
    ],
    [
      'blanks behind boundaries',
      (_, target) =>
        plain(target, { headers: [typeOf('b')], body: Buffer.from(`--b\r\n\r\n\r\n--b${' '.repeat(2_000_000)}x`) }),
    ],
    [
      'line breaks only',
      (random, target) =>
        plain(target, {
          headers: [typeOf('b')],
          body: Buffer.from(
            random.pick(['\r\n', '\r\n--', '\r', '-', '\r\n--b-', '\r\n--b ', '--b\r\n']).repeat(500_000),
          ),
        }),
    ],
    [
      'urlencoded: a million fields',
      (random, target) => encoded(target, random.pick(['a&', 'a=b&', '&', '=&', 'a%3D=%zz&']).repeat(1_000_000)),
    ],
    ['urlencoded: 15 million fields', (_, target) => encoded(target, 'a&'.repeat(15_000_000))],
    ['urlencoded: a picture', (_, target) => encoded(target, `image=${picture.toString('base64')}`)],
    [
      'urlencoded: a list of a million',
      (random, target) =>
        encoded(
          target,
          `${random.pick(['a', ...target.options])}=${'0,'.repeat(1_000_000)}&image=${encodeURIComponent(picture.toString('base64'))}`,
        ),
    ],
    [
      'urlencoded: odd',
      (random, target) =>
        encoded(
          target,
          `${random.pick([...target.options, '__proto__', '%00', '%'])}=${random.pick(oddValues)}&image=${random.pick(['%', '+', '%ff%fe', ''])}`,
        ),
    ],
  ]
  return kinds.map(([name, make]) => ({ name: `form: ${name}`, make }))
}

// --- internal ---

const oddValues = [
  '',
  ' ',
  'true',
  'yes',
  '1',
  '-1',
  '1e999',
  'NaN',
  '0x10',
  'null',
  '[]',
  '[1,2',
  '{"a":1}',
  '[[0,0],[1,1],[2,2],[3,3],[4,4]]',
  ',,,,',
  'both',
  'viridis',
  'a'.repeat(50_000),
  '💥',
  '\0',
  '['.repeat(50_000),
  '\r\n',
  '1,2,3',
]

function typeOf(boundary: string): string {
  return `content-type: multipart/form-data; boundary=${boundary}`
}

function part(disposition: string, content: string | Uint8Array, headers = ''): Buffer {
  const head = `--b\r\ncontent-disposition: form-data; ${disposition}\r\n${headers}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(content), Buffer.from('\r\n')])
}

function form(target: Target, parts: (string | Uint8Array)[], { end = '--b--\r\n', cut = 0 } = {}): FuzzRequest {
  const body = Buffer.concat([...parts, end].map((one) => Buffer.from(one)))
  return plain(target, { headers: [typeOf('b')], body: body.subarray(0, body.length - cut) })
}

/** A search for the boundary that begins anew at each byte would take minutes. */
function nearly(target: Target, length: number, bodyBytes: number): FuzzRequest {
  const body = Buffer.concat([Buffer.from('x\r\n--'), Buffer.alloc(bodyBytes, 'a')])
  return plain(target, { headers: [typeOf(`${'a'.repeat(length - 1)}b`)], body })
}

function encoded(target: Target, text: string): FuzzRequest {
  return plain(target, { headers: ['content-type: application/x-www-form-urlencoded'], body: Buffer.from(text) })
}

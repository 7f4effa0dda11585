import { sampleWindow } from '../contracts/contract.ts'
import type { Random } from '../support/random.ts'
import { head, plain, type FuzzRequest, type Kind, type Step, type Target } from './request.ts'

/** Bodies of many requests, and requests that are answered later; to routes that take neither, too. */
export function batchKinds(picture: Buffer): Kind[] {
  const goodLine = ({ field }: Target) =>
    JSON.stringify({ [field]: field === 'image' ? picture.toString('base64') : sampleWindow() })
  const part = `--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n`
  const kinds: [name: string, make: (random: Random, target: Target) => FuzzRequest][] = [
    ['odd lines', (random, target) => lines(target, someOf(random, [...oddLines, goodLine(target)]).join('\n'))],
    ['good lines', (random, target) => lines(target, `${goodLine(target)}\n`.repeat(random.integer(1, 9)))],
    ['odd breaks', (random, target) => lines(target, someOf(random, ['\r\n', '\r', '\n\n', '\0', '{}']).join('\n'))],
    ['a line of 10 MB', (random, target) => lines(target, random.pick(['[', ' ', '{"a":']).repeat(10_000_000 / 5))],
    ['300 lines', (_, target) => lines(target, '{}\n'.repeat(300))],
    ['a million blank lines', (_, target) => lines(target, '\n'.repeat(1_000_000))],
    ['no item', (random, target) => lines(target, random.pick(['', ' ', '\n \n', '\ufeff']))],
    [
      'a form of pictures',
      (random, target) =>
        form(
          target,
          Array.from({ length: random.integer(1, 5) }, () => [
            part,
            random.chance(0.8) ? picture : random.bytes(99),
            '\r\n',
          ]).flat(),
        ),
    ],
    [
      'a form that breaks off',
      (random, target) => form(target, [part, picture, random.pick(['', '\r\n', '\r\n--', '\r\n--b', '\r\n--b-'])], ''),
    ],
    [
      'a field behind a file',
      (_, target) =>
        form(target, [part, picture, '\r\n--b\r\ncontent-disposition: form-data; name="top"\r\n\r\n1\r\n']),
    ],
    [
      'endless blanks behind a boundary',
      (_, target) => form(target, [part, picture, '\r\n--b', ' \t'.repeat(4_000_000)]),
    ],
    [
      'a boundary that is nearly everywhere',
      (random, target) =>
        plain(target, {
          headers: [`content-type: multipart/form-data; boundary=${'a'.repeat(random.pick([60, 14_000]))}b`],
          body: Buffer.concat([Buffer.from('\r\n--'), Buffer.alloc(3_000_000, 'a')]),
        }),
    ],
    ['a million chunks of a byte', (_, target) => ({ ...lines(target, ''), steps: chunksOfAByte(target) })],
    [
      'leaves in the middle',
      (random, target) => ({
        steps: [...lines(target, `${goodLine(target)}\n`.repeat(9)).steps, { waitMs: random.integer(0, 30) }, 'leave'],
        expects: 'nothing',
      }),
    ],
    [
      'answered later',
      (random, target) =>
        plain(target, {
          headers: [
            'content-type: application/json',
            `prefer: respond-async${random.pick(['', ', wait=0', ', wait=1', '; a="b', ',respond-async'])}`,
          ],
          body: Buffer.from(random.pick([goodLine(target), ...oddLines])),
        }),
    ],
    [
      'lines answered later',
      (random, target) =>
        plain(target, {
          headers: ['content-type: application/x-ndjson', 'prefer: respond-async'],
          body: Buffer.from(someOf(random, [...oddLines, goodLine(target)]).join('\n')),
        }),
    ],
    [
      'answered later, by callback',
      (random, target) =>
        plain(
          { ...target, path: `${target.path}?callback=${random.pick(['http://127.0.0.1:1/', '', 'x', '%00'])}` },
          { headers: ['content-type: application/json', 'prefer: respond-async'], body: Buffer.from(goodLine(target)) },
        ),
    ],
  ]
  return kinds.map(([name, make]) => ({ name: `batch: ${name}`, make }))
}

// --- internal ---

const oddLines = [
  '{}',
  '[]',
  'null',
  '{',
  '"',
  '{"image":1}',
  '{"x":[[1]]}',
  '{"image":"AAAA"}',
  '{"__proto__":1}',
  '{"image":"\\ud800"}',
  ' ',
  '1e999',
  '{"x":NaN}',
  '{"a":'.repeat(5000),
  `{"a":"${'b'.repeat(90_000)}"}`,
]

function someOf(random: Random, texts: readonly string[]): string[] {
  return Array.from({ length: random.integer(1, 12) }, () => random.pick(texts))
}

function lines(target: Target, text: string): FuzzRequest {
  return plain(target, { headers: ['content-type: application/x-ndjson'], body: Buffer.from(text) })
}

function form(target: Target, parts: (string | Uint8Array)[], end = '--b--\r\n'): FuzzRequest {
  const body = Buffer.concat([...parts, end].map((one) => Buffer.from(one)))
  return plain(target, { headers: ['content-type: multipart/form-data; boundary=b'], body })
}

function chunksOfAByte({ method, path }: Target): Step[] {
  const start = head(method, path, ['content-type: application/x-ndjson', 'transfer-encoding: chunked'])
  return [{ send: start }, { send: '1\r\n{\r\n'.repeat(1_000_000) }, { send: '0\r\n\r\n' }]
}

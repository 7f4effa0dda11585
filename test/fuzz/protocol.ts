import { goodContent } from './project.ts'
import type { Random } from '../support/random.ts'
import { head, type FuzzRequest, type Kind, type Step, type Target } from './request.ts'

/** What goes wrong with framing and time. */
export const protocolKinds: Kind[] = [
  {
    name: 'protocol: lying Content-Length',
    make: (random, target) => {
      const { body, headers = [] } = goodContent(target)
      const lengths = [
        '-1',
        '+5',
        '5 ',
        '0x10',
        '1e3',
        '',
        ' ',
        '99999999999999999999999',
        '18446744073709551615',
        '9007199254740993',
        '5, 5',
        '5\r\ncontent-length: 5',
        '5\r\ncontent-length: 6',
        '5\r\ntransfer-encoding: chunked',
        '5\r\nTransfer-Encoding: xchunked',
        '5\r\ntransfer-encoding : chunked',
        `${body.length}\r\ncontent-length: ${body.length}`,
        String(50 * 2 ** 20 + 1),
        '٥',
      ]
      const lines = [...headers, `content-length: ${random.pick(lengths)}`]
      return {
        steps: [{ send: Buffer.from(head(target.method, target.path, lines)) }, { send: body }, 'half-close'],
        expects: 'close',
      }
    },
  },
  {
    name: 'protocol: Content-Length too small',
    make: (random, target) => {
      const { body, headers = [] } = goodContent(target)
      const length = random.integer(0, Math.max(0, body.length - 1))
      const lines = [...headers, `content-length: ${length}`]
      return {
        steps: [{ send: head(target.method, target.path, lines) }, { send: body }, { send: random.bytes(99) }],
        expects: 'answer',
      }
    },
  },
  {
    name: 'protocol: Content-Length too large',
    make: (random, target) => {
      const { body, headers = [] } = goodContent(target)
      const lines = [...headers, `content-length: ${body.length + random.integer(1, 99_999)}`]
      const last: Step[] = random.pick([['half-close'], [{ waitMs: random.integer(0, 50) }, 'leave'], ['leave']])
      const expects = last[0] === 'half-close' ? 'close' : 'nothing'
      return { steps: [{ send: head(target.method, target.path, lines) }, { send: body }, ...last], expects }
    },
  },
  {
    name: 'protocol: chunked',
    make: (random, target) =>
      chunked(
        random,
        target,
        random.pick(['\r\n0\r\n\r\n', '\r\n0\r\nx-trailer: y\r\ncontent-length: 5\r\n\r\n', '\r\n00000000\r\n\r\n']),
      ),
  },
  {
    name: 'protocol: chunked garbage',
    make: (random, target) => {
      const { steps } = chunked(
        random,
        target,
        random.pick([
          '\r\n-1\r\n',
          '\r\nzz\r\n',
          'x',
          '\r\n0\r\n',
          '\r\nffffffffffffffff\r\n',
          '\r\n5\r\nab',
          '\r\n0x5\r\nabcde',
          '\r\n5;' + 'e'.repeat(20_000),
          '\r\n5 \r\nabcde\r\n0\r\n\r\n',
          '\n0\n\n',
          `\r\n0\r\n${'a: b\r\n'.repeat(9000)}`,
          '\r\n1\r\na\r\n'.repeat(999),
        ]),
      )
      return { steps: [...steps, 'half-close'], expects: 'close' }
    },
  },
  {
    name: 'protocol: odd Transfer-Encoding',
    make: (random, target) => {
      const { body } = goodContent(target)
      const coding = random.pick([
        'chunked, chunked',
        'gzip, chunked',
        'chunked, gzip',
        'identity',
        'xchunked',
        ' chunked',
        'Chunked',
        '\x0bchunked',
        'chunked\r\ntransfer-encoding: identity',
        '',
        '"chunked"',
        'chunked;q=1',
      ])
      const lines = [`transfer-encoding: ${coding}`]
      const text = `${body.length.toString(16)}\r\n`
      return {
        steps: [
          { send: head(target.method, target.path, lines) },
          { send: text },
          { send: body },
          { send: '\r\n0\r\n\r\n' },
          'half-close',
        ],
        expects: 'close',
      }
    },
  },
  {
    name: 'protocol: one byte at a time',
    make: (random, target) => {
      const content = goodContent(target)
      const bytes = Buffer.from(
        head(target.method, target.path, [...(content.headers ?? []), `content-length: ${content.body.length}`]),
      )
      const from = random.integer(0, bytes.length - 20)
      const slow = [...bytes.subarray(from, from + 20)].flatMap((byte): Step[] => [
        { send: Uint8Array.of(byte) },
        { waitMs: 1 },
      ])
      return {
        steps: [
          { send: bytes.subarray(0, from) },
          ...slow,
          { send: bytes.subarray(from + 20) },
          { send: content.body },
        ],
        expects: 'answer',
      }
    },
  },
  { name: 'protocol: a body in pieces', make: (random, target) => inPieces(random, target, goodContent(target).body) },
  {
    name: 'protocol: a body that stops',
    make: (random, target) => {
      const steps: Step[] = [
        {
          send: head(target.method, target.path, [
            random.pick(['content-length: 100000', 'content-length: 10', 'transfer-encoding: chunked']),
          ]),
        },
        { send: '5\r\nab' },
      ]
      // Held until the deadline by a few only: each is that long under way.
      if (random.chance(0.06)) return { steps, expects: 'answer', isSlow: true }
      return { steps: [...steps, { waitMs: random.integer(0, 100) }, 'leave'], expects: 'nothing' }
    },
  },
  {
    name: 'protocol: a head that stops',
    make: (random, target) => ({
      steps: [
        { send: head(target.method, target.path, ['a: b']).slice(0, -random.integer(1, 20)) },
        { waitMs: random.integer(0, 50) },
        random.pick(['leave', 'half-close'] as const),
      ],
      expects: 'nothing',
    }),
  },
  {
    name: 'protocol: garbage',
    make: (random) => {
      const texts = [
        'GET /\r\n',
        'GET / HTTP/0.9\r\n\r\n',
        'GET / HTTP/2.0\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        'GET / HTTP/1.1\n\n',
        'GET  /  HTTP/1.1\r\n\r\n',
        'GET\t/\tHTTP/1.1\r\n\r\n',
        '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
        'SSH-2.0-x\r\n',
        '\0'.repeat(5000),
        '\r\n'.repeat(20_000),
        'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
        'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
        'POST / HTTP/1.1\r\n\r\n',
        'GET / HTTP/1.10\r\nhost: a\r\n\r\n',
        '{"jsonrpc":"2.0"}\n',
        '\xef\xbb\xbfGET / HTTP/1.1\r\nhost: a\r\n\r\n',
      ]
      const send = random.chance(0.3) ? random.bytes(random.integer(1, 400)) : Buffer.from(random.pick(texts), 'latin1')
      return { steps: [{ send }, 'half-close'], expects: 'close' }
    },
  },
]

// --- internal ---

function chunked(random: Random, target: Target, end: string): FuzzRequest {
  const { body, headers = [] } = goodContent(target)
  const size = `${random.pick(['', '000'])}${body.length.toString(16)}${random.pick(['', ';a=b', ';a="b"'])}`
  const lines = [...headers, 'transfer-encoding: chunked']
  const steps: Step[] = [
    { send: head(target.method, target.path, lines) },
    { send: `${size}\r\n` },
    { send: body },
    { send: end },
  ]
  return { steps, expects: 'answer' }
}

function inPieces(random: Random, target: Target, body: Uint8Array): FuzzRequest {
  const { headers = [] } = goodContent(target)
  const steps: Step[] = [{ send: head(target.method, target.path, [...headers, `content-length: ${body.length}`]) }]
  for (let at = 0; at < body.length;) {
    const end = at + random.integer(1, 9000)
    steps.push({ send: body.subarray(at, end) }, { waitMs: random.integer(0, 2) })
    at = end
  }
  return { steps, expects: 'answer' }
}

import { goodContent } from './project.ts'
import { head, plain, type Kind, type Step } from './request.ts'

/** What callers do with a connection: several requests on it, expectations, leaving, and more than is taken. */
export const connectionKinds: Kind[] = [
  {
    name: 'protocol: HTTP/1.0',
    make: (random, target) => {
      const { body, headers = [] } = goodContent(target)
      const lines = [
        ...headers,
        ...random.pick([
          [`content-length: ${body.length}`],
          [],
          ['connection: keep-alive', `content-length: ${body.length}`],
          ['transfer-encoding: chunked'],
        ]),
      ]
      return {
        steps: [
          { send: `${target.method} ${target.path} HTTP/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n` },
          { send: body },
          'half-close',
        ],
        expects: 'close',
      }
    },
  },
  {
    name: 'protocol: pipelined',
    make: (random, target) => {
      const count = random.integer(2, 6)
      const { steps } = plain(target, goodContent(target))
      return {
        steps: Array.from({ length: count }, () => steps).flat(),
        expects: 'answer',
        answers: count,
        isHead: target.method === 'HEAD',
      }
    },
  },
  {
    name: 'protocol: pipelined with garbage',
    make: (random, target) => {
      const { steps } = plain(target, goodContent(target))
      return {
        steps: [...steps, { send: random.pick(['\0', 'x y z\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n']) }, ...steps],
        expects: 'close',
      }
    },
  },
  {
    name: 'protocol: Expect',
    make: (random, target) => {
      const expectation = random.pick(['100-continue', '100-Continue', '100-continue, x', 'x', '', '200-ok'])
      return {
        ...plain(target, goodContent(target), [`expect: ${expectation}`]),
        expects: expectation.toLowerCase() === '100-continue' ? 'answer' : 'close',
      }
    },
  },
  {
    name: 'protocol: Expect, refused, and the next request at once',
    make: (random, target) => {
      const refused = head('POST', random.pick(['/v1/nothing', target.path]), [
        'expect: 100-continue',
        'x-keep-alive: never',
        `content-length: ${random.pick([5, 70_000])}`,
      ])
      return {
        steps: [{ send: refused }, { waitMs: 20 }, { send: head('GET', '/health/live', []) }],
        expects: 'answer',
        isSlow: true,
      }
    },
  },
  {
    name: 'protocol: leaves at some point',
    make: (random, target) => {
      const { steps } = plain(target, goodContent(target))
      const all = Buffer.concat(steps.map((step) => Buffer.from((step as { send: string }).send)))
      return {
        steps: [
          { send: all.subarray(0, random.integer(1, all.length)) },
          { waitMs: random.pick([0, 0, 1, 5, 30]) },
          'leave',
        ],
        expects: 'nothing',
      }
    },
  },
  {
    // Node, like nginx, takes it for one who has left.
    name: 'protocol: says that it is done, and reads on',
    make: (_, target) => {
      const request = plain(target, goodContent(target))
      return { ...request, steps: [...request.steps, 'half-close'], expects: 'close' }
    },
  },
  {
    name: 'protocol: a million chunks of a byte',
    make: (random, target) => {
      const lines = [...(goodContent(target).headers ?? []), 'transfer-encoding: chunked']
      const chunks = random.pick(['1\r\n{\r\n', '1\r\n \r\n', '1\r\n\n\r\n', '2;x\r\nab\r\n']).repeat(1_000_000)
      const steps: Step[] = [{ send: head(target.method, target.path, lines) }, { send: chunks }, { send: '0\r\n\r\n' }]
      return { steps, expects: 'answer' }
    },
  },
  {
    name: 'protocol: too large by its length',
    make: (random, target) => {
      const lines = [
        `content-length: ${random.pick([60_000_000, 2 ** 31, 2 ** 53])}`,
        ...random.pick([[], ['expect: 100-continue']]),
      ]
      return {
        steps: [{ send: head(target.method, target.path, lines) }, { send: Buffer.alloc(100_000) }, { waitMs: 20 }],
        expects: 'answer',
      }
    },
  },
  {
    name: 'protocol: too large as it comes',
    make: (_, target) => {
      const megabyte = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(2 ** 20, 'a'), Buffer.from('\r\n')])
      const steps: Step[] = Array.from({ length: 52 }, () => ({ send: megabyte }))
      return {
        steps: [
          { send: head(target.method, target.path, ['transfer-encoding: chunked']) },
          ...steps,
          { send: '0\r\n\r\n' },
        ],
        isHeavy: true,
        expects: 'answer',
      }
    },
  },
]

import { gzipSync } from 'node:zlib'
import { accepts, cacheControls, durations, hosts, preferences, types, values } from './odd-headers.ts'
import { goodContent } from './project.ts'
import type { Random } from '../support/random.ts'
import { head, plain, type FuzzRequest, type Kind, type Target } from './request.ts'

/** Good requests with headers, paths and methods that nobody sends, or somebody who means ill. */
export const headerKinds: Kind[] = [
  oddly('odd Accept', (random) => [`accept: ${random.pick(accepts)}`]),
  oddly('odd X-Keep-Alive', (random) => [`x-keep-alive: ${random.pick(durations)}`]),
  oddly('odd option', (random, { options }) => [
    `x-pellet-option-${random.pick([...options, '', '__proto__', 'constructor']).replaceAll('_', '-')}: ${random.pick(values)}`,
  ]),
  oddly('odd Cache-Control', (random) => [`cache-control: ${random.pick(cacheControls)}`]),
  oddly('odd Prefer', (random) => [`prefer: ${random.pick(preferences)}`]),
  oddly('odd X-Request-Id', (random) => [`x-request-id: ${random.pick(values)}`]),
  oddly('odd own headers', (random) => [
    `${random.pick(['x-pellet-exchange', 'x-pellet-call', 'x-pellet-error', 'x-pellet-engine', 'x-pellet-cache', 'server-timing'])}: ${random.pick([...values, '1', 'POST /v1/embed'])}`,
  ]),
  oddly('odd Connection', (random) => [
    `connection: ${random.pick(['close', 'keep-alive, close', 'content-type', 'x-request-id, host', 'upgrade', ',,,', 'TE'])}`,
    ...random.pick([
      [],
      ['upgrade: websocket', 'sec-websocket-key: AAAA', 'sec-websocket-version: 13'],
      ['upgrade: h2c', 'http2-settings: AAMAAABkAAQ'],
      ['te: trailers'],
      ['proxy-connection: x'],
      ['keep-alive: timeout=999999'],
    ]),
  ]),
  oddly('odd Host', (random) => [`x-forwarded-host: ${random.pick(hosts)}`, `forwarded: host=${random.pick(hosts)}`]),
  {
    name: 'header: Host that is none',
    make: (random, target) =>
      raw(target, `${target.method} ${target.path} HTTP/1.1\r\nhost: ${random.pick(hosts)}\r\nconnection: close\r\n`),
  },
  oddly('header flood by number', (random) =>
    Array.from({ length: random.pick([100, 1999, 2001, 2400]) }, (_, i) => `${i.toString(36)}:`),
  ),
  oddly(
    'headers of nearly 16 KB',
    (random) =>
      Array.from(
        { length: random.pick([1, 15, 1000, 1800]) },
        (_, i, all = random) => `a${i}:${'b'.repeat(all.pick([1, 1, 800]))}`,
      ).slice(0, 1900),
    'close',
  ),
  oddly('one header of nearly 16 KB', (random) => [`a: ${'b'.repeat(random.integer(15_500, 16_500))}`], 'close'),
  oddly(
    'header flood by size',
    (random) => Array.from({ length: 1000 }, () => `cookie: ${'c'.repeat(random.integer(1, 900))}`),
    'close',
  ),
  oddly(
    'bytes in headers',
    (random) => [
      `x-a: ${random.pick(['\x01', '\0', '\x7f', '\xff\xfe', '\t\t', 'a\rb', 'a\nb: c', ' folded\r\n  line', 'a\r\n\r\nGET / HTTP/1.1'])}`,
    ],
    'close',
  ),
  oddly(
    'odd header names',
    (random) => [
      random.pick([
        'a b: c',
        ': c',
        'a\t: c',
        'é: c',
        '(a): c',
        'no colon',
        ' leading: c',
        'a"b: c',
        '__proto__: c',
        'constructor: c',
      ]),
    ],
    'close',
  ),
  {
    name: 'header: Content-Type and Content-Encoding',
    make: (random, target) => {
      const { body } = goodContent(target)
      const encoding = random.pick([
        'gzip',
        'br',
        'identity',
        'IDENTITY',
        'deflate, gzip',
        '',
        'x'.repeat(9000),
        'zstd',
      ])
      const content = encoding === 'gzip' ? gzipSync(body) : body
      return plain(target, {
        body: content,
        headers: [`content-encoding: ${encoding}`, `content-type: ${random.pick(types)}`],
      })
    },
  },
  {
    name: 'path: tricks',
    make: (random, target) => atPath(target, random.pick(paths(target.path))),
  },
  {
    name: 'path: odd queries',
    make: (random, target) => atPath(target, `${target.path}?${random.pick(queries(random, target))}`),
  },
  {
    name: 'path: bytes',
    make: (random, target) => ({
      ...atPath(
        target,
        `${target.path}${random.pick(['\t', '\x0c', '\x01', '\0', '\x7f', '\xff', '\xe9?a=\xff', '?\t', '?a=\x0c', '#a', '?#', '\\', '|', '"', '<>', '^`{}'])}`,
      ),
      expects: 'close',
    }),
  },
  {
    name: 'path: very long',
    make: (random, target) => ({
      ...atPath(
        target,
        `${target.path}${random.pick(['/', '?', '%61', 'a', '../'])}${random.pick(['a', '/', '%', '&', '%2f', '../'])}`.padEnd(
          random.pick([4000, 16_000, 16_300, 70_000]),
          random.pick(['a', '/', '%2e']),
        ),
      ),
      expects: 'close',
    }),
  },
  {
    name: 'method: another',
    make: (random, target) => {
      const method = random.pick([
        'GET',
        'HEAD',
        'PUT',
        'DELETE',
        'PATCH',
        'OPTIONS',
        'TRACE',
        'PROPFIND',
        'M-SEARCH',
        'QUERY',
        'CONNECT',
        'PRI',
        'post',
        'BREW',
        'POSTX',
        ' POST',
        'P\0ST',
      ])
      const isHttp = /^(GET|HEAD|PUT|DELETE|PATCH|OPTIONS|TRACE|PROPFIND|M-SEARCH)$/.test(method)
      return { ...plain({ ...target, method }, { body: Buffer.alloc(0) }), expects: isHttp ? 'answer' : 'close' }
    },
  },
]

// --- internal ---

function oddly(
  name: string,
  make: (random: Random, target: Target) => string[],
  expects: FuzzRequest['expects'] = 'answer',
): Kind {
  return {
    name: `header: ${name}`,
    make: (random, target) => ({ ...plain(target, goodContent(target), make(random, target)), expects }),
  }
}

/** A good body behind the beginning of a head. */
function raw(target: Target, start: string): FuzzRequest {
  const { headers = [], body } = goodContent(target)
  const rest = [...headers, `content-length: ${body.length}`].map((line) => `${line}\r\n`).join('')
  return { steps: [{ send: Buffer.from(`${start}${rest}\r\n`, 'latin1') }, { send: body }], expects: 'close' }
}

function atPath(target: Target, path: string): FuzzRequest {
  const { headers = [], body } = goodContent(target)
  const lines = [...headers, `content-length: ${body.length}`]
  return {
    steps: [{ send: Buffer.from(head(target.method, path, lines), 'latin1') }, { send: body }],
    expects: 'answer',
  }
}

function paths(path: string): string[] {
  return [
    `/..${path}`,
    `/%2e%2e${path}`,
    `/x/../${path}`,
    `/${path}`,
    `//evil.example${path}`,
    `${path}/`,
    `${path}//`,
    `${path}/.`,
    `${path}%00`,
    `${path}%2f`,
    `${path}%`,
    `${path}%zz`,
    `${path}%ff`,
    `${path};a=b`,
    path.toUpperCase(),
    path.replaceAll('/', '%2f').replace('%2f', '/'),
    path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    `http://evil.example${path}`,
    `HTTPS://user@evil.example:1${path}?`,
    'http://',
    'http://?',
    'http:///',
    'ftp://x/y',
    '*',
    'x',
    '?',
    '/?',
    '/#',
    '/f',
    '/f/',
    '/f//',
    '/f/__proto__',
    '/f/constructor/x',
    '/f/%00',
    '/f/depth/../tcn',
    '/api',
    '/api/',
    '/api/../docs',
    '/api/%2e%2e/',
    '/api/deployments/%zz/load',
    '/results/',
    '/results/../x',
    '/results/%00',
    '/results/00000000-0000-0000-0000-000000000000',
    '/etc/passwd',
    '/docs/..%2f..%2fetc',
    '/%c0%ae%c0%ae/',
    '/index.html',
    '/favicon.ico',
    '/.git/config',
    '/metrics/',
    '/health/LIVE',
    '/\\',
    '/|',
  ]
}

function queries(random: Random, { options, field }: Target): string[] {
  const name = random.pick([...options, field, 'image', 'image_url', '__proto__', 'constructor', 'callback'])
  return [
    `${name}=${encodeURIComponent(random.pick(values))}`,
    `${name}`,
    `${name}=`,
    '=',
    '&&&',
    '%',
    '%zz=%zz',
    `${name}[]=1`,
    `${name}[__proto__]=1`,
    `${name}=1&${name}=2`,
    'a'.repeat(8000),
    'a&'.repeat(5000),
    `${name}=${'%00'.repeat(900)}`,
    `${name}=http://127.0.0.1:1/`,
    '?',
    '??a=?',
    `${name}=${'['.repeat(5000)}`,
    'callback=http://127.0.0.1:1/x',
  ]
}

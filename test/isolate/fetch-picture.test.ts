import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer, type Server } from 'node:http'
import { PelletError } from '../../runtime/errors.ts'
import { refusal } from '../../runtime/allowed-urls.ts'
import { fetchPicture } from '../../runtime/isolate/child/fetch-picture.ts'
import { listen } from '../support/ports.ts'

const test = suite('pictures by URL')
let server: Server
let base: string
let seen: Record<string, string | string[] | undefined> = {}
/** Ten seconds of silence are waited for while the other tests run. */
let slow: Promise<unknown>

test.before(async () => {
  server = createServer((req, res) => {
    const [path = '', argument = ''] = req.url!.split('?')
    seen = req.headers
    if (path === '/photo') res.end('a photo')
    else if (path === '/large') res.end(Buffer.alloc(5000, 1))
    else if (path === '/to') res.writeHead(302, { location: decodeURIComponent(argument) }).end()
    else if (path === '/loop') res.writeHead(307, { location: '/loop' }).end()
    else if (path === '/silent') return
    else if (path === '/drip') {
      res.writeHead(200, { 'content-length': '100' }).write('a')
      setTimeout(() => res.destroy(), 50)
    } else res.writeHead(Number(path.slice(1)) || 404).end()
  })
  base = await listen(server)
  slow = fetchPicture(`${base}/silent`, local, 1000).catch((error: unknown) => error)
})
test.after(() => {
  server.close()
  server.closeAllConnections()
})

const local = ['127.0.0.1/32']
const fetched = async (path: string, allowed = local) =>
  String(Buffer.from(await fetchPicture(base + path, allowed, 1000)))

test('with an empty allow_urls they are off', async () => {
  await rejects(fetchPicture(`${base}/photo`, [], 1000), 'url_input_disabled', 'allow_urls')
})

test('a network, a host or a host with its port may be named', async () => {
  const { host } = new URL(base)
  for (const allowed of [['127.0.0.1/32'], ['127.0.0.0/8'], ['127.0.0.1'], [host], ['10.0.0.0/8', host]])
    assert.is(await fetched('/photo', allowed), 'a photo', allowed.join())
  assert.ok(seen['user-agent'], 'some servers refuse those who do not say what they are')
})

test('what is not named is refused, * means public hosts only', async () => {
  for (const allowed of [['*'], ['10.0.0.0/8'], ['example.com'], ['127.0.0.1:1'], ['localhost'], ['127.0.0.2/32']])
    await rejects(fetched('/photo', allowed), 'url_input_refused', 'allow_urls')
})

test('redirects are followed and checked again', async () => {
  assert.is(await fetched(`/to?${encodeURIComponent('/photo')}`), 'a photo')
  assert.is(await fetched(`/to?${encodeURIComponent(`${base}/photo`)}`), 'a photo')
  const { host, port } = new URL(base)
  const elsewhere = `/to?${encodeURIComponent(`http://localhost:${port}/photo`)}`
  await rejects(fetched(elsewhere, [host]), 'url_input_refused', 'localhost')
  const targets = [
    'http://169.254.169.254/latest/meta-data/',
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'http://[::1]:1/',
  ]
  for (const target of targets)
    await rejects(fetched(`/to?${encodeURIComponent(target)}`), 'url_input_refused', 'image_url')
  await rejects(fetched('/loop'), 'url_input_refused', 'redirects')
})

test('an answer other than 200, too large or broken off is refused', async () => {
  for (const status of [404, 403, 500, 204]) await rejects(fetched(`/${status}`), 'url_input_refused', String(status))
  await rejects(fetched('/large'), 'payload_too_large', 'limits.body')
  await rejects(fetched('/drip'), 'url_input_refused', 'broke off')
  await rejects(fetchPicture('http://127.0.0.1:1/', local, 1000), 'url_input_refused', 'could not fetch')
})

test('what is no http URL is refused', async () => {
  for (const url of [
    '',
    'photo.jpg',
    'file:///etc/passwd',
    'ftp://127.0.0.1/a',
    'javascript:1',
    'http://',
    '//127.0.0.1/a',
  ])
    await rejects(fetchPicture(url, ['*', ...local], 1000), 'url_input_refused', 'http or https')
  await rejects(fetchPicture('http://does-not-exist.invalid/', ['*'], 1000), 'url_input_refused', 'resolves')
})

test('ways of writing a loopback address are that address', async () => {
  const { port } = new URL(base)
  for (const host of ['127.1', '0x7f.0.0.1', '2130706433', '[::ffff:127.0.0.1]', '0.0.0.0', '[::]'])
    await rejects(fetchPicture(`http://${host}:${port}/photo`, ['*'], 1000), 'url_input_refused', 'allow_urls')
})

const addresses: [address: string, allowed: string[], ok: boolean][] = [
  ['8.8.8.8', ['*'], true],
  ['8.8.8.8', ['host.test'], true],
  ['8.8.8.8', ['other.test'], false],
  ['2606:4700::1111', ['*'], true],
  ['10.1.2.3', ['*'], false],
  ['172.16.0.1', ['*'], false],
  ['192.168.1.9', ['*'], false],
  ['192.168.1.9', ['192.168.1.0/24'], true],
  ['192.168.1.9', ['host.test'], true],
  ['192.168.2.9', ['192.168.1.0/24'], false],
  ['100.64.0.1', ['*'], false],
  ['0.0.0.0', ['*'], false],
  ['224.0.0.1', ['*'], false],
  ['255.255.255.255', ['*'], false],
  ['::1', ['*'], false],
  ['::1', ['::1/128'], true],
  ['fc00::1', ['*'], false],
  ['::ffff:10.0.0.1', ['*'], false],
  ['::ffff:10.0.0.1', ['10.0.0.0/8'], true],
  ['64:ff9b::a00:1', ['*'], false],
  ['169.254.169.254', ['*'], false],
  ['169.254.169.254', ['169.254.0.0/16'], false],
  ['169.254.169.254', ['host.test'], false],
  ['::ffff:169.254.169.254', ['169.254.169.254/32', '*'], false],
  ['fe80::1', ['fe80::/10'], false],
  ['fd00:ec2::254', ['fd00::/8', 'host.test'], false],
  ['100.100.100.200', ['100.64.0.0/10'], false],
  ['168.63.129.16', ['*'], false],
]
for (const [address, allowed, ok] of addresses)
  test(`${address} with ${allowed.join(', ')} is ${ok ? 'fetched' : 'refused'}`, () => {
    assert.is(refusal(new URL('http://host.test/a'), address, allowed) === undefined, ok)
  })

test('a server that says nothing is given up after ten seconds', async () => {
  const error = await slow
  assert.instance(error, PelletError)
  assert.is((error as PelletError).code, 'url_input_refused')
  assert.match((error as PelletError).message, '10 s')
})

async function rejects(promise: Promise<unknown>, code: string, text: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.instance(error, PelletError, String(error))
  assert.is((error as PelletError).code, code, (error as Error).message)
  assert.match((error as PelletError).message, text)
}

test.run()

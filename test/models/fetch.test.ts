import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fetchModel, type FetchOptions, type ModelTarget } from '../../runtime/models/fetch-model.ts'
import { isLocked, takeLock } from '../../runtime/models/file-lock.ts'
import { placesOf } from '../../runtime/models/mirrors.ts'
import { createConnections, redirectOf } from '../../runtime/models/request.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { listen } from '../support/ports.ts'
import { identityModel } from '../deployments/tiny.ts'
import { breakOff, FileServer, sendFile } from './file-server.ts'

const test = suite('fetching a model')
const bytes = randomBytes(300_000)
const digest = (of: Uint8Array) => createHash('sha256').update(of).digest('hex')
const etag = { etag: '"v1"' }
/** undici counts timeouts in steps of half a second. */
const stallMs = 300

let server: FileServer
let connections: FetchOptions['connections']
test.before(async () => {
  server = await FileServer.start()
  connections = await createConnections(stallMs)
})
test.after(async () => {
  await connections.destroy()
  await server[Symbol.asyncDispose]()
})

interface Trial {
  root: string
  target: ModelTarget
  notes: string[]
  fetch(
    more?: Partial<FetchOptions> & { target?: Partial<ModelTarget> },
  ): Promise<{ sha256: string; isPinned: boolean }>
  /** The message that it fails with. */
  fails(more?: Partial<FetchOptions> & { target?: Partial<ModelTarget> }): Promise<string>
  /** What is in the folder of models. */
  files(): string[]
}

function trial(url: string, name = 'm.bin', root = temporaryFolder()): Trial {
  const target: ModelTarget = { name: 'm', file: join(root, 'models', name), shown: `models/${name}`, url }
  const notes: string[] = []
  const fetch: Trial['fetch'] = ({ target: other, ...more } = {}) =>
    fetchModel(
      { ...target, ...other },
      {
        lockFile: join(root, 'pellet.lock'),
        mirrors: {},
        isUpdate: false,
        connections,
        signal: new AbortController().signal,
        delaysMs: [1, 1],
        onProgress: () => {},
        note: (line) => notes.push(line),
        ...more,
      },
    )
  const fails: Trial['fails'] = (more) =>
    fetch(more).then(
      () => assert.unreachable('expected it to fail') as never,
      (error: Error) => error.message,
    )
  return { root, target, notes, fetch, fails, files: () => readdirSync(join(root, 'models')).sort() }
}

test('writes it aside, pins it, and leaves nothing else', async () => {
  const { fetch, root, files, target } = trial(server.file('/a', bytes))
  assert.equal(await fetch(), { sha256: digest(bytes), sizeBytes: bytes.length, isPinned: true })
  assert.equal(files(), ['m.bin'])
  assert.ok(bytes.equals(readFileSync(target.file)))
  const lock = readFileSync(join(root, 'pellet.lock'), 'utf8')
  assert.match(lock, /^# Which model files /)
  assert.match(lock, `${server.url}/a:\n    fetched: `)
  assert.match(lock, `sha256: ${digest(bytes)}\n    size: 300000\n`)
  assert.equal(readdirSync(root).sort(), ['models', 'pellet.lock'])
  // Again it is the same: the file under version control does not change.
  assert.is((await fetch()).isPinned, false)
  assert.is(readFileSync(join(root, 'pellet.lock'), 'utf8'), lock)
})

test('goes on where it broke off, with the validator, also in another process’s place', async () => {
  const url = server.on('/broken', (res, req, count) =>
    count === 1 ? breakOff(res, bytes, 100_000, etag) : sendFile(res, req, bytes, etag),
  )
  const first = trial(url)
  assert.match(await first.fails({ delaysMs: [] }), /models\/m\.bin: not fetched\n {2}.*broke off/)
  assert.equal(first.files(), ['m.bin.part', 'm.bin.part.json'])
  const received = readFileSync(`${first.target.file}.part`).length
  assert.ok(received > 0 && received <= 100_000, String(received))
  assert.is((await first.fetch()).sha256, digest(bytes))
  assert.equal(server.asked.at(-1), { method: 'GET', path: '/broken', range: `bytes=${received}-`, ifRange: '"v1"' })
  assert.equal(first.files(), ['m.bin'])
})

test('goes on where the server does not say again what it is', async () => {
  const date = { 'last-modified': 'Wed, 21 Oct 2020 07:28:00 GMT' }
  const url = server.on('/dated', (res, req, count) => {
    if (count === 1) return breakOff(res, bytes, 100_000, date)
    assert.is(req.headers['if-range'], date['last-modified'])
    sendFile(res, Object.assign(req, { headers: { range: req.headers.range } }), bytes, {})
  })
  const { fetch, notes } = trial(url)
  assert.is((await fetch()).sha256, digest(bytes))
  assert.is(server.asked.filter(({ path }) => path === '/dated').length, 2, notes.join('\n'))
})

test('goes on within one fetch, as often as it gets further', async () => {
  const url = server.on('/crumbs', (res, req) => {
    const from = Number(/\d+/.exec(req.headers.range ?? '0')![0])
    const rest = bytes.subarray(from)
    if (rest.length <= 60_000) return sendFile(res, req, bytes, etag)
    const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
    res.writeHead(from ? 206 : 200, { ...etag, 'content-length': rest.length, ...(from && { 'content-range': range }) })
    res.write(rest.subarray(0, 60_000), () => setImmediate(() => res.destroy()))
  })
  const { fetch, notes } = trial(url)
  assert.is((await fetch()).sha256, digest(bytes))
  assert.ok(notes.length >= 3, notes.join('\n'))
  assert.match(notes[0]!, /broke off; trying again in 1ms$/)
})

test('begins anew where it changed meanwhile, or where the server knows no ranges', async () => {
  const newer = randomBytes(200_000)
  const cases: [string, (res: Parameters<typeof sendFile>[0], req: Parameters<typeof sendFile>[1]) => void][] = [
    ['/changed', (res, req) => sendFile(res, req, newer, { etag: '"v2"' })],
    ['/ignores', (res) => res.writeHead(200, { 'content-length': newer.length }).end(newer)],
    // It takes no heed of If-Range, and goes on in another file.
    [
      '/mixes',
      (res, req) =>
        sendFile(res, Object.assign(req, { headers: { ...req.headers, 'if-range': undefined } }), newer, {
          etag: '"v2"',
        }),
    ],
    [
      '/lies',
      (res, req) =>
        req.headers.range
          ? res.writeHead(206, { ...etag, 'content-range': 'bytes 5-9/200000' }).end('12345')
          : sendFile(res, req, newer, etag),
    ],
  ]
  for (const [path, then] of cases) {
    const url = server.on(path, (res, req, count) =>
      count === 1 ? breakOff(res, bytes, 90_000, etag) : then(res, req),
    )
    const { fetch, files } = trial(url)
    assert.is((await fetch()).sha256, digest(newer), path)
    assert.equal(files(), ['m.bin'])
  }
})

test('finds out servers that lie about the length, stall or do not answer', async () => {
  const short = server.on('/short', (res) => {
    res.writeHead(200, { 'content-length': bytes.length + 10 })
    res.end(bytes)
  })
  assert.match(await trial(short).fails({ delaysMs: [] }), /the server stopped sending/)
  const stalls = server.on('/stalls', (res, req, count) => {
    if (count > 1) return sendFile(res, req, bytes, etag)
    res.writeHead(200, { ...etag, 'content-length': bytes.length })
    res.write(bytes.subarray(0, 50_000))
  })
  const stalled = trial(stalls)
  assert.is((await stalled.fetch()).sha256, digest(bytes))
  assert.match(stalled.notes.join(), 'the server stopped sending; trying again')
  const drips = server.on('/drips', (res) => {
    res.writeHead(200, { ...etag, 'content-length': bytes.length })
    const timer = setInterval(() => res.write('x'), stallMs / 10)
    res.once('close', () => clearInterval(timer))
  })
  assert.match(await trial(drips).fails({ delaysMs: [] }), /the server stopped sending/)
  const vast = server.on('/vast', (res) => res.writeHead(200, { 'content-length': 2 ** 40 }).write('x'))
  assert.match(await trial(vast).fails(), /expected a model of at most 4 GB, found more$/)
  // One that says too little is known by what comes: this is no whole model.
  const model = identityModel()
  const little = server.on('/little.onnx', (res) => {
    res.socket!.end(
      `HTTP/1.1 200 OK\r\ncontent-length: ${model.length - 20}\r\n\r\n${model.toString('latin1')}`,
      'latin1',
    )
  })
  assert.match(await trial(little, 'm.onnx').fails(), /expected an ONNX model, found something else or a damaged file/)
})

test('takes no model that it was not pinned to be, and says what to do', async () => {
  let now: Uint8Array = bytes
  const url = server.on('/pinned', (res, req) => sendFile(res, req, now, { etag: `"${digest(now)}"` }))
  const { fetch, fails, files, target } = trial(url)
  await fetch()
  const other = (now = Buffer.from(bytes))
  other[7]! ^= 1
  const message = await fails()
  assert.match(message, `expected sha256 ${digest(bytes)}, found ${digest(other)}`)
  assert.match(message, 'if the new file is what you want: pellet pull --update m')
  assert.ok(bytes.equals(readFileSync(target.file)), 'what is there stays')
  now = randomBytes(10)
  assert.match(await fails(), /expected 300000 bytes, found a file of 10\n.*pellet\.lock pinned on \d{4}-/)
  assert.match(
    await fails({ isUpdate: true, target: { sha256: digest(bytes) } }),
    /another file than the manifest says/,
  )
  assert.is((await fetch({ isUpdate: true })).sha256, digest(now))
  assert.match(await fails({ target: { sha256: digest(bytes) } }), /the manifest says sha256 .*pellet\.lock has/)
  assert.equal(files(), ['m.bin'])
})

test('needs a pellet.lock that can be written only where it has something new to say', async () => {
  const { fetch, fails, root } = trial(server.file('/once', bytes))
  symlinkSync('nowhere', join(root, 'no-folder'))
  const lockFile = join(root, 'no-folder/pellet.lock')
  assert.match(
    await fails({ lockFile }),
    /no-folder\/pellet\.lock: cannot be written: E.*; let its folder be written to/,
  )
  assert.not.ok(
    server.asked.some(({ path }) => path === '/once'),
    'it is told before',
  )
  await fetch()
  const give = await takeLock(join(root, 'pellet.lock.writing'))
  assert.is((await fetch()).isPinned, false)
  await give!()
})

test('mends what an earlier attempt has left of another file', async () => {
  const { fetch, target, root } = trial(server.file('/left', bytes))
  await fetch()
  writeFileSync(`${target.file}.part`, randomBytes(1000))
  writeFileSync(`${target.file}.part.json`, JSON.stringify({ url: target.url, validator: '"v1"', boot: bootId() }))
  assert.is((await fetch()).sha256, digest(bytes))
  assert.ok(existsSync(join(root, 'pellet.lock')))
})

test('follows few redirects, none of them down from https, and says what a status means', async () => {
  const circle = server.on('/circle', (res) => res.writeHead(302, { location: '/circle' }).end())
  assert.match(await trial(circle).fails(), /expected a file, found more than 10 redirects/)
  for (const to of ['http://b/x', 'ftp://b/x', 'file:///etc/passwd'])
    assert.throws(() => redirectOf('https://a/x', to), /expected a redirect to https, found one to/)
  assert.is(redirectOf('http://a/x/y', '../z'), 'http://a/z')
  const silent = server.on('/silent', () => {})
  assert.match(await trial(silent).fails({ delaysMs: [] }), /\/silent: the server does not answer$/)
  const far = server.on('/far', (res) => res.writeHead(307, { location: '/a' }).end())
  server.file('/a', bytes)
  assert.is((await trial(far).fetch()).sha256, digest(bytes))
  assert.match(await trial(`${server.url}/none`).fails(), /status 404, it is not there$/)
  const page = server.on('/login', (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'))
  assert.match(await trial(page).fails(), /expected a model, found a web page/)
  const busy = server.on('/busy', (res, req, count) =>
    count === 1 ? res.writeHead(503, { 'retry-after': '0' }).end() : sendFile(res, req, bytes, etag),
  )
  assert.is((await trial(busy).fetch()).sha256, digest(bytes))
  const before = server.asked.length
  const gone = server.on('/gone', (res) => res.writeHead(403).end())
  await trial(gone).fails()
  assert.is(server.asked.length, before + 1, 'no second attempt')
})

test('gives up a proxy that breaks every connection', async () => {
  const proxy = createServer((socket) => socket.once('data', () => socket.destroy()))
  const before = process.env['https_proxy']
  process.env['https_proxy'] = await listen(proxy as never)
  const proxied = await createConnections(stallMs)
  if (before === undefined) delete process.env['https_proxy']
  else process.env['https_proxy'] = before
  const message = await trial('https://a.invalid/m.bin').fails({ connections: proxied, delaysMs: [] })
  assert.match(message, /https:\/\/a\.invalid\/m\.bin: the server does not answer$/)
  await proxied.destroy()
  await new Promise((resolve) => proxy.close(resolve))
})

test('tries mirrors first, and is pinned by where it is from', async () => {
  const dead = await deadUrl()
  const url = 'https://zoo.invalid/models/m.bin'
  assert.equal(
    placesOf(url, {
      'https://zoo.invalid/': ['http://a/', 'http://b/'],
      'https://zoo.invalid/models/': ['http://c/'],
      'https://x/': ['http://d/'],
    }),
    ['http://c/m.bin', 'http://a/models/m.bin', 'http://b/models/m.bin', url],
  )
  server.file('/mirror/models/m.bin', bytes)
  const { fetch, root, notes } = trial(url)
  await fetch({ mirrors: { 'https://zoo.invalid/': [`${dead}/`, `${server.url}/mirror/`] } })
  assert.match(notes.join(), 'the server refuses connections; trying the next place')
  assert.match(readFileSync(join(root, 'pellet.lock'), 'utf8'), `${url}:\n`)
  // A mirror that has no model is passed over, also where nothing is pinned.
  const model = identityModel()
  const bad = server.file('/bad/m.onnx', Buffer.alloc(1000, 7))
  const good = server.file('/good/m.onnx', model)
  const onnx = trial('https://zoo.invalid/m.onnx', 'm.onnx')
  const places = { 'https://zoo.invalid/': [bad, good].map((place) => place.replace('m.onnx', '')) }
  assert.is((await onnx.fetch({ mirrors: places })).sha256, digest(model))
  assert.match(onnx.notes.join(), `${bad}: models/m.onnx: expected an ONNX model`)
  // And so is one that has another file.
  server.file('/bad/models/m.bin', randomBytes(bytes.length))
  const again = trial(url, 'm.bin', root)
  const mirrors = { 'https://zoo.invalid/': [`${server.url}/bad/`, `${server.url}/mirror/`] }
  assert.is((await again.fetch({ mirrors })).sha256, digest(bytes))
})

test('stops when it is told to, and leaves what has come', async () => {
  const slow = server.on('/slow', (res) => {
    res.writeHead(200, { ...etag, 'content-length': bytes.length })
    res.write(bytes.subarray(0, 50_000))
  })
  const { fails, files } = trial(slow)
  const stop = new AbortController()
  const onProgress = ({ receivedBytes }: { receivedBytes: number }) => {
    if (receivedBytes === 50_000) stop.abort(new Error('enough'))
  }
  assert.is(await fails({ signal: stop.signal, onProgress }), 'enough')
  assert.equal(files(), ['m.bin.part', 'm.bin.part.json'])
})

test('is done by one process at a time, and not hindered by one that was killed', async () => {
  const { fetch, fails, target } = trial(server.file('/locked', bytes))
  mkdirSync(join(target.file, '..'))
  const lock = `${target.file}.part.lock`
  const give = await takeLock(lock)
  assert.match(await fails(), /another process is fetching it/)
  await give!()
  writeFileSync(lock, '')
  assert.not(await isLocked(lock))
  assert.is((await fetch()).sha256, digest(bytes))
})

test.run()

// --- internal ---

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

async function deadUrl(): Promise<string> {
  const socket = createServer()
  const url = await listen(socket as never)
  await new Promise((resolve) => socket.close(resolve))
  return url
}

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Logger } from '../../runtime/log.ts'
import { PelletError } from '../../runtime/errors.ts'
import { toItems } from '../../runtime/jobs/batch-items.ts'
import type { JobStore } from '../../runtime/jobs/job-store.ts'
import { Jobs } from '../../runtime/jobs/jobs.ts'
import { Lane } from '../../runtime/jobs/lane.ts'
import { splitParts } from '../../runtime/jobs/multipart-stream.ts'
import { Patience } from '../../runtime/jobs/patience.ts'
import { parsePrefer } from '../../runtime/jobs/prefer.ts'

const test = suite('the parts that jobs are made of')

test('Prefer is read as RFC 7240 has it', () => {
  const rows: [header: string | undefined, respondAsync: boolean, waitMs?: number][] = [
    [undefined, false],
    ['respond-async', true],
    ['Respond-Async, wait=10', true, 10_000],
    ['wait = "5" ; x=y, respond-async', true, 5000],
    ['return=minimal; foo="a, respond-async"', false],
    ['respond-async; foo="bar, baz", wait=3, wait=4', true, 3000],
    ['respond-asynchronous, wait=-1', false],
    ['wait=soon, respond-async', true],
    ['wait=99999999999, respond-async', true, 86_400_000],
  ]
  for (const [header, respondAsync, waitMs] of rows)
    assert.equal(parsePrefer(header), { respondAsync, ...(waitMs !== undefined && { waitMs }) }, header)
})

test('a stop waits for a job that is being accepted, and for what it does', async () => {
  let keep = () => {}
  const steps: string[] = []
  const store = { accept: () => new Promise<void>((resolve) => (keep = resolve)), writer: () => ({}) }
  const log = { warn() {}, error() {}, debug() {} } as unknown as Logger
  const jobs = new Jobs({ store: store as unknown as JobStore, log, now: () => 0, deliver: async () => {} })
  const run = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    steps.push('done')
  }
  const accepted = jobs.accept({ deployment: 'a', route: 'POST /a', requestId: '1', shape: 'pellet', run })
  const drained = jobs.drain(10_000).then(() => steps.push('drained'))
  await new Promise((resolve) => setImmediate(resolve))
  keep()
  await Promise.all([accepted, drained])
  assert.equal(steps, ['done', 'drained'])
})

test('a Prefer of 16 KB is read in one pass', () => {
  for (const header of ['a'.repeat(16_000), 'a;'.repeat(8000), 'a=;'.repeat(5000)]) {
    const startedAt = performance.now()
    assert.equal(parsePrefer(`${header}"`), { respondAsync: false })
    assert.ok(performance.now() - startedAt < 500, header.slice(0, 3))
  }
})

test('a lane lets in as many as it has places, in order, and forgets those who leave', async () => {
  const lane = new Lane(() => 2)
  const inside: string[] = []
  const leave: Record<string, () => void> = {}
  const gone = new AbortController()
  const enter = async (name: string, signal = new AbortController().signal) => {
    leave[name] = await lane.enter(signal)
    inside.push(name)
  }
  const entering = ['a', 'b', 'c'].map((name) => enter(name))
  const left = enter('d', gone.signal).catch((error: Error) => error.message)
  entering.push(enter('e'))
  await Promise.all(entering.slice(0, 2))
  assert.equal(inside, ['a', 'b'])
  gone.abort(new Error('left'))
  assert.is(await left, 'left')
  leave['b']!()
  leave['b']!()
  await entering[2]
  assert.equal(inside, ['a', 'b', 'c'], 'to leave twice is to leave once')
  leave['a']!()
  await Promise.all(entering)
  assert.is(lane.isIdle, false)
  leave['c']!()
  leave['e']!()
  assert.is(lane.isIdle, true)
})

test('what was refused for now is made again, within bounds that begin anew with every answer', () => {
  let now = 0
  const patience = new Patience(() => now)
  const ask = (code?: string, retryAfterMs?: number, attempts = 1) => patience.pauseMs(code, retryAfterMs, attempts)
  assert.is(ask(), undefined)
  assert.is(ask('invalid_option'), undefined)
  assert.is(ask('queue_full', 2000), 2000)
  assert.is(ask('queue_full', 60_000), 10_000, 'nobody waits that long for a place')
  now = 295_000
  assert.is(ask('overloaded', 5000), 5000)
  assert.is(ask('overloaded', 5001), undefined)
  assert.is(ask('load_failed', 1000), undefined, 'it has not served anything for too long')
  ask()
  assert.is(ask('load_failed', 1000), 1000)
  now += 29_001
  assert.is(ask('load_failed', 1000), undefined)
  patience.forget()
  assert.is(ask('load_failed', 1000), 1000)
  assert.is(ask('isolate_crashed', 1000, 1), 1000)
  assert.is(ask('isolate_crashed', 1000, 2), undefined)
  assert.is(ask('stopping', 1000), undefined)
  assert.is(ask('deadline_exceeded'), undefined)
})

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}
const tooLarge = new PelletError('payload_too_large', 'too large')
async function* inChunks(text: string, size: number) {
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size), 'latin1')
}

test('parts of a form are found whole, however the chunks fall', async () => {
  const long = '\r\n--bound\r\n--boundar\r\n-'.repeat(10)
  const parts = [`x: 1\r\n\r\n${long}`, 'y: 2\r\n\r\n', `z: 3\r\n\r\n--boundaryX\r\n--boundary-`]
  const body = `before\r\n--boundary \t\r\n${parts.join('\r\n--boundary\r\n')}\r\n--boundary--\r\nbehind --boundary\r\n`
  for (const size of [1, 2, 3, 7, 11, 64, 1000]) {
    const found: string[] = []
    let read = 0
    for await (const { bytes, readBytes } of splitParts(inChunks(body, size), 'boundary', 1000)) {
      found.push(bytes!.toString('latin1'))
      read += readBytes
    }
    assert.equal(found, parts, `chunks of ${size}`)
    assert.ok(read <= body.length)
  }
  assert.is((await all(splitParts(inChunks('--b--', 1), 'b', 10))).length, 0)
})

test('a part that is too large is dropped as it comes, and the next is found', async () => {
  const large = `x: 1\r\n\r\n${'0123456789'.repeat(10_000)}`
  const body = `--b\r\n${large}\r\n--b\r\ny: 2\r\n\r\nsmall\r\n--b--`
  for (const size of [100, 4096, 200_000]) {
    const found = await all(splitParts(inChunks(body, size), 'b', 1000))
    assert.equal(
      found.map(({ bytes }) => bytes?.toString()),
      [undefined, 'y: 2\r\n\r\nsmall'],
    )
  }
})

test('lines are found whole, however the chunks fall; one that is too long is an item of its own', async () => {
  const blank = ' \t\r'.repeat(20)
  const body = `{"a":1}\r\n\n${'x'.repeat(40)}\n  \n${blank}\n${blank}{"b":2}`
  for (const size of [1, 5, 100]) {
    const items = await all(toItems(inChunks(body, size), 'application/jsonl', { maxBytes: 30, tooLarge }))
    const texts = items.map(({ request }) =>
      request instanceof PelletError ? request.code : Buffer.concat(request.body).toString().trim(),
    )
    assert.equal(texts, ['{"a":1}', 'payload_too_large', '{"b":2}'])
    assert.is(
      items.reduce((sum, { readBytes }) => sum + readBytes, 0),
      body.length,
    )
  }
})

test('endless blanks are passed over as they come', async () => {
  const startedAt = performance.now()
  for (const blanks of [' ', '\n', ' \r\n']) {
    const body = inChunks(`${blanks.repeat(2e6)}\n{}`, 65_536)
    assert.is((await all(toItems(body, 'application/jsonl', { maxBytes: 30, tooLarge }))).length, 1)
  }
  assert.ok(performance.now() - startedAt < 2000, `took ${performance.now() - startedAt} ms`)
})

test('a boundary with endless blanks behind it is none, and a long one is refused', async () => {
  const body = `--b\r\n\r\none\r\n--b${' '.repeat(300_000)}\r\ntwo\r\n--b--`
  const startedAt = performance.now()
  const [only, ...more] = await all(splitParts(inChunks(body, 100), 'b', 1e6))
  assert.is(more.length, 0)
  assert.match(only!.bytes!.toString(), /^\r\none\r\n--b {300000}\r\ntwo$/)
  assert.ok(performance.now() - startedAt < 5000, `took ${performance.now() - startedAt} ms`)
  const type = `multipart/form-data; boundary=${'b'.repeat(71)}`
  const error = await all(toItems(inChunks('', 1), type, { maxBytes: 30, tooLarge })).catch((thrown: Error) => thrown)
  assert.match((error as Error).message, 'at most 70 characters')
})

test('ten thousand items are the most', async () => {
  const lines = toItems(inChunks('{}\n'.repeat(10_001), 65_536), 'application/x-ndjson', { maxBytes: 30, tooLarge })
  let count = 0
  try {
    for await (const item of lines) count += item ? 1 : 0
    assert.unreachable()
  } catch (error) {
    assert.is((error as PelletError).code, 'payload_too_large')
    assert.match((error as Error).message, '10000')
  }
  assert.is(count, 10_000)
})

test.run()

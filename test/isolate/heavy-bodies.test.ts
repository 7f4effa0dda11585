import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteParts } from '../../runtime/byte-parts.ts'
import { PelletError } from '../../runtime/errors.ts'
import { fromBase64 } from '../../runtime/isolate/child/base64.ts'
import { heapRoomBytes, takeHeap } from '../../runtime/isolate/child/heap-room.ts'
import { jsonBytes } from '../../runtime/isolate/child/json.ts'
import { parseMultipart } from '../../runtime/isolate/child/multipart.ts'
import { parseRequest, release } from '../../runtime/isolate/child/parse.ts'
import { Turnstile } from '../../runtime/isolate/child/turnstile.ts'

/** Bodies that were made to cost more than they weigh; each of these once took minutes, or the whole process. */
const test = suite('heavy bodies')

function parse(body: string | Buffer, type = 'application/json') {
  const headers = { 'content-type': type }
  const req = Object.assign(Readable.from([Buffer.from(body as string)]), { headers, url: '/' })
  return parseRequest(req as unknown as IncomingMessage, () => Promise.reject(new Error('no URL here')))
}

async function refusal(body: string | Buffer, type?: string): Promise<string> {
  const error = await parse(body, type).catch((thrown: unknown) => thrown)
  assert.instance(error, PelletError)
  return `${(error as PelletError).code}: ${(error as PelletError).message}`
}

/** So many milliseconds that only what begins anew at every byte takes longer, however busy the machine. */
async function assertSoon(work: () => unknown): Promise<void> {
  const startedAt = performance.now()
  await work()
  assert.ok(performance.now() - startedAt < 5000, `took ${performance.now() - startedAt} ms`)
}

test('NaN and Infinity are read where numbers stand, not in texts', async () => {
  const body = String.raw`{"a, NaN }": ["x: NaN }", "\": Infinity ]", "\\", NaN , -Infinity,Infinity], "b" :NaN}`
  const { fields } = (await parse(body)).input
  const infinite = Number.POSITIVE_INFINITY
  const list = ['x: NaN }', '": Infinity ]', '\\', infinite, -infinite, infinite]
  assert.equal(fields, { 'a, NaN }': list, b: infinite })
  assert.match(await refusal('{"a": NaNa}'), /^invalid_request/)
  assert.match(await refusal('{"a": "NaN}'), /^invalid_request/)
})

test('millions of blanks, or of quotes that are escaped, are passed over once', async () => {
  await assertSoon(async () => {
    assert.match(await refusal(`{"a":${' '.repeat(3_000_000)}NaN ${' '.repeat(3_000_000)}x}`), /^invalid_request/)
    assert.match(await refusal(`{"a":NaN,"b":"${String.raw`\"`.repeat(2_000_000)}`), /^invalid_request/)
    assert.match(await refusal(`{"a":NaN,"b":"${'\\'.repeat(3_000_000)}`), /^invalid_request/)
  })
})

test('base64 with a blank behind each letter is read, and padding may stand on lines of its own', async () => {
  await assertSoon(() => assert.is(fromBase64('A '.repeat(4_000_000), 'image').length, 3_000_000))
  assert.equal([...fromBase64('AQ\n=\n=\n', 'image')], [1])
})

test('a boundary that is nearly everywhere is searched for in one pass', () =>
  assertSoon(() => {
    const body = Buffer.concat([Buffer.from('\r\n--'), Buffer.alloc(4_000_000, 'a')])
    const type = `multipart/form-data; boundary=${'a'.repeat(14_000)}b`
    assert.throws(() => parseMultipart(body, type), /^expected the boundary "a{70}", found none$/)
  }))

test('a form has a thousand fields at most', async () => {
  const urlencoded = 'application/x-www-form-urlencoded'
  assert.is(Object.keys((await parse(`b=1${'&a=1'.repeat(999)}`, urlencoded)).input.fields).length, 2)
  assert.match(await refusal(`b=1${'&a=1'.repeat(1000)}`, urlencoded), /^invalid_request: .* at most 1000 fields/)
  const part = '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'
  const multipart = 'multipart/form-data; boundary=b'
  assert.equal((await parse(`${part.repeat(1000)}--b--`, multipart)).input.fields, { a: '1' })
  assert.match(await refusal(`${part.repeat(1001)}--b--`, multipart), /^invalid_request: .* at most 1000 parts/)
})

test('text that would not fit into the heap is refused before it is read', async () => {
  assert.match(await refusal('['.repeat(heapRoomBytes / 70)), /^payload_too_large: .*limits\.heap/)
  // In V8, an empty list takes 32 bytes, an empty object 56, and a place in a list 8 to 16.
  for (const [text, bytes] of [
    ['[],', 48],
    ['{},', 72],
    ['0,', 16],
    ['"ab",', 40],
  ] as const)
    assert.ok(jsonBytes(Buffer.from(text.repeat(1000)), Infinity) >= 1000 * bytes, text)
  assert.is(
    jsonBytes(Buffer.from(`"${'[,{'.repeat(1000)}"`), Infinity),
    2 * 3002 + 48,
    'what is in texts costs nothing',
  )
})

test('bodies that fit one at a time are read one after the other', async () => {
  const giveBack = await takeHeap(heapRoomBytes)
  let isRead = false
  const reading = parse(`{"a":"${'a'.repeat(300_000)}"}`).then((request) => {
    isRead = true
    return request
  })
  await parse('{"small": 1}')
  assert.not(isRead)
  giveBack()
  release(await reading)
  release(await reading)
  const again = await takeHeap(heapRoomBytes)
  again()
})

test('what is refused takes no room', async () => {
  await refusal(`{"a":"${'a'.repeat(300_000)}`)
  const giveBack = await takeHeap(heapRoomBytes)
  giveBack()
})

test('parts of a byte are kept together, in their order, and large ones as they are', () => {
  const parts = new ByteParts()
  const large = Buffer.alloc(5000, 'L')
  const came = [...Array.from({ length: 200_000 }, (_, i) => Buffer.of(i % 256)), large, Buffer.from('end'), large]
  for (const part of came) parts.add(part)
  const kept = parts.take()
  assert.ok(Buffer.concat(kept).equals(Buffer.concat(came)))
  assert.ok(kept.length < 12, `${kept.length} parts`)
  assert.is(kept.at(-1), large)
  assert.equal(parts.take(), [])
})

test('a turnstile lets in what there is room for, in the order of arrival', async () => {
  const turn = new Turnstile(10)
  const order: string[] = []
  const enter = (name: string, weight: number) => void turn.enter(weight).then(() => order.push(name))
  for (const [name, weight] of [
    ['a', 4],
    ['b', 4],
    ['large', 8],
    ['small', 1],
  ] as const)
    enter(name, weight)
  await Promise.resolve()
  assert.equal(order, ['a', 'b'], 'small waits behind large, else large might never come')
  turn.leave(4)
  await Promise.resolve()
  assert.equal(order, ['a', 'b'])
  turn.leave(4)
  await Promise.resolve()
  await Promise.resolve()
  assert.equal(order, ['a', 'b', 'large', 'small'])
})

test.run()

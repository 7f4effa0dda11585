import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { PelletError } from '../../runtime/errors.ts'
import { BlobStore } from '../../runtime/storage/blobs.ts'
import { createDataStore, openBlobs } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('files by their digest')

const content = Buffer.from(Array.from({ length: 600_000 }, (_, index) => (index * 31) % 251))
const refOf = (bytes: Uint8Array) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  sizeBytes: bytes.length,
})
const ref = refOf(content)
const create = () => new BlobStore(join(temporaryFolder(), 'blobs'))

/** Pieces that come; after the last the connection breaks where `breaks` says so. */
async function* pieces(bytes: Buffer, breaks = false): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  if (breaks) throw new Error('aborted')
}

/** Pieces that come when they are told to. */
function told() {
  const waiting: (() => void)[] = []
  const ready: Buffer[] = []
  const wake = () => waiting.splice(0).forEach((resume) => resume())
  let isOver = false
  return {
    push: (bytes: Buffer) => (ready.push(bytes), wake()),
    end: () => ((isOver = true), wake()),
    async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
      for (;;) {
        while (ready.length > 0) yield ready.shift()!
        if (isOver) return
        await new Promise<void>((resume) => waiting.push(resume))
      }
    },
  }
}

async function caught(work: Promise<unknown>): Promise<PelletError> {
  return work.then(
    () => assert.unreachable('expected an error') as never,
    (error: PelletError) => error,
  )
}

test('a blob is its bytes, by its path and through the mount', async () => {
  const folder = temporaryFolder()
  const blobs = openBlobs(folder)
  assert.is(await blobs.has(ref), false)
  await blobs.receive(ref, 0, pieces(content))
  assert.ok(readFileSync(blobs.fileOf(ref.sha256)).equals(content))
  assert.equal([await blobs.has(ref), await blobs.has({ ...ref, sizeBytes: 1 })], [true, false])
  const store = createDataStore({ folder })
  assert.equal(await store.getKeys('models'), [`models:${ref.sha256}`])
  assert.ok(Buffer.from((await store.getItemRaw(`models:${ref.sha256}`)) as Buffer).equals(content))
  const small = refOf(Buffer.from('abc'))
  await store.setItem(`models:${small.sha256}`, 'abc')
  assert.is(await blobs.has(small), true)
  assert.match((await caught(store.setItem(`models:${ref.sha256}`, 'abc'))).message, /the sha256 of what is stored/)
  await store.removeItem(`models:${ref.sha256}`)
  assert.is(await blobs.has(ref), false)
})

test('what breaks off goes on where it was, also in another process', async () => {
  const blobs = create()
  await caught(blobs.receive(ref, 0, pieces(content.subarray(0, 200_000), true)))
  const later = new BlobStore(blobs.folder)
  assert.equal([await later.receivedBytes(ref), await later.has(ref)], [200_000, false])
  assert.is((await caught(later.receive(ref, 200_001, pieces(content)))).code, 'conflict')
  await caught(later.receive(ref, 150_000, pieces(content.subarray(150_000, 300_000), true)))
  assert.is(await later.receivedBytes(ref), 300_000)
  await later.receive(ref, 300_000, pieces(content.subarray(300_000)))
  assert.ok(readFileSync(later.fileOf(ref.sha256)).equals(content))
  assert.equal(readdirSync(later.folder), [ref.sha256], 'nothing is left beside it')
  assert.is(await later.receivedBytes(ref), 0)
})

const broken: Record<string, [bytes: Buffer, code: string, left: number]> = {
  'other bytes': [Buffer.concat([content.subarray(1), Buffer.from('x')]), 'wrong_digest', 0],
  'too many bytes': [Buffer.concat([content, Buffer.from('x')]), 'invalid_request', 0],
  'too few bytes': [content.subarray(0, 100_000), 'invalid_request', 100_000],
}
for (const [what, [bytes, code, left]] of Object.entries(broken)) {
  test(`${what} never become a blob`, async () => {
    const blobs = create()
    assert.is((await caught(blobs.receive(ref, 0, pieces(bytes)))).code, code)
    assert.equal([await blobs.has(ref), await blobs.receivedBytes(ref)], [false, left])
    await blobs.receive(ref, 0, pieces(content))
    assert.is(await blobs.has(ref), true)
  })
}

test('a part that a power cut left with other bytes in it is found out, and dropped', async () => {
  const blobs = create()
  await caught(blobs.receive(ref, 0, pieces(content.subarray(0, 200_000), true)))
  writeFileSync(`${blobs.fileOf(ref.sha256)}.part`, Buffer.alloc(200_000))
  assert.is((await caught(blobs.receive(ref, 200_000, pieces(content.subarray(200_000))))).code, 'wrong_digest')
  assert.equal(readdirSync(blobs.folder), [])
})

test('two that begin at once do not spoil each other; who goes on takes the place of one that hangs', async () => {
  const blobs = create()
  const wrong = told()
  const bad = caught(blobs.receive(ref, 0, wrong))
  wrong.push(Buffer.alloc(ref.sizeBytes - 1))
  await blobs.receive(ref, 0, pieces(content))
  wrong.push(Buffer.alloc(1))
  wrong.end()
  assert.is((await bad).code, 'wrong_digest')
  assert.ok(readFileSync(blobs.fileOf(ref.sha256)).equals(content))

  await blobs.remove(ref.sha256)
  const hanging = told()
  const superseded = caught(blobs.receive(ref, 0, hanging))
  hanging.push(content.subarray(0, 65_536))
  while ((await blobs.receivedBytes(ref)) === 0) await new Promise(setImmediate)
  await blobs.receive(ref, 65_536, pieces(content.subarray(65_536)))
  hanging.push(content.subarray(65_536))
  assert.is((await superseded).code, 'conflict')
  assert.ok(readFileSync(blobs.fileOf(ref.sha256)).equals(content))
  assert.equal(readdirSync(blobs.folder), [ref.sha256])
})

test('what is too large for the disk is refused before a byte of it is written', async () => {
  const blobs = create()
  const error = await caught(blobs.receive({ ...ref, sizeBytes: 2 ** 52 }, 0, pieces(content)))
  assert.is(error.code, 'storage_full')
  assert.match(error.message, /expected room for .* found .*free some space/)
  assert.is(existsSync(`${blobs.fileOf(ref.sha256)}.part`), false)
})

test('a file becomes a blob without being changed', async () => {
  const blobs = create()
  const file = join(temporaryFolder(), 'model.onnx')
  writeFileSync(file, content)
  await blobs.adopt(file, ref)
  writeFileSync(file, 'other')
  assert.ok(readFileSync(blobs.fileOf(ref.sha256)).equals(content))
  assert.equal(
    (await blobs.list()).map(({ sha256, isPart }) => ({ sha256, isPart })),
    [{ sha256: ref.sha256, isPart: false }],
  )
})

test.run()

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Storage } from 'unstorage'
import memory from 'unstorage/drivers/memory'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const storage = suite('data store')

storage('keeps records over restarts, in its mounts', async () => {
  const folder = temporaryFolder()
  const record = { name: 'scrfd', sizes: [1, 2.5, null], nested: { ok: true, text: 'grüße\n"' } }
  await createDataStore({ folder }).setItem('deployments:memo:abc', record)
  const later = createDataStore({ folder })
  assert.equal(await later.getItem('deployments:memo:abc'), record)
  assert.is(await later.getItem('models:memo:abc'), null)
  assert.is(await later.hasItem('deployments:memo:abc'), true)
  assert.is(await later.hasItem('deployments:memo'), false)
  assert.equal(readdirSync(join(folder, 'storage')), ['deployments'])
})

storage('makes no folder before something is written', async () => {
  const folder = temporaryFolder()
  const store = createDataStore({ folder })
  assert.is(await store.getItem('results:x'), null)
  assert.equal(await store.getKeys(), [])
  await store.removeItem('results:x')
  await store.clear('results')
  assert.equal(readdirSync(folder), [])
})

storage('keeps bytes as they are', async () => {
  const store = createDataStore({ folder: temporaryFolder() })
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256)
  const floats = Float32Array.of(1, -2.5, Number.NaN)
  await store.setItemRaw('results:bytes', bytes)
  await store.setItemRaw('results:floats', floats.subarray(1))
  await store.setItemRaw('results:buffer', bytes.buffer)
  await store.setItemRaw('results:none', new Uint8Array(0))
  assert.equal(new Uint8Array(await raw(store, 'results:bytes')), bytes)
  assert.equal(new Uint8Array(await raw(store, 'results:buffer')), bytes)
  assert.equal(Buffer.from(await raw(store, 'results:floats')), Buffer.from(floats.buffer, 4))
  assert.is((await raw(store, 'results:none')).length, 0)
})

storage('refuses raw values that are no bytes', async () => {
  const store = createDataStore({ folder: temporaryFolder() })
  assert.match(await caught(store.setItemRaw('results:x', { a: 1 })), /key "x": expected text or bytes, found object/)
})

storage('refuses keys outside its mounts instead of forgetting them', async () => {
  const store = createDataStore({ folder: temporaryFolder() })
  for (const key of ['sizes', 'result:x', 'results']) {
    assert.match(
      await caught(store.setItem(key, 1)),
      /expected deployments:\.\.\., models:\.\.\., results:\.\.\., jobs:\.\.\., tokens:\.\.\., found no/,
    )
    assert.match(await caught(store.getItem(key)), new RegExp(`"${key}"`))
  }
})

storage('lists keys by their beginning, and clears mounts', async () => {
  const store = createDataStore({ folder: temporaryFolder() })
  const long = `results:${'long/'.repeat(60)}x`
  const keys = ['results:a', 'results:a:b', 'results:a:b:c', 'results:ab', 'jobs:a', long]
  for (const key of keys) await store.setItem(key, key)
  const sorted = (found: string[]) => [...found].toSorted()
  assert.equal(sorted(await store.getKeys()), keys.map((key) => key.replaceAll('/', ':')).toSorted())
  assert.equal(sorted(await store.getKeys('results:a')), ['results:a:b', 'results:a:b:c'])
  await store.removeItem('results:a')
  assert.is(await store.getItem('results:a'), null)
  assert.is(await store.getItem('results:a:b'), 'results:a:b')
  await store.clear('results')
  assert.equal(await store.getKeys(), ['jobs:a'])
})

storage('keeps keys apart that a file system would mix', async () => {
  const folder = temporaryFolder()
  const store = createDataStore({ folder })
  const long = 'x'.repeat(300)
  const keys = ['a', 'A', 'a:b', 'a%3ab', 'a b', 'ä', 'a.', '.a', 'con', '%', `${long}1`, `${long}2`, '日本語']
  for (const key of keys) await store.setItem(`results:${key}`, { key })
  for (const key of keys) assert.equal(await store.getItem(`results:${key}`), { key })
  const names = readdirSync(join(folder, 'storage/results'))
  assert.is(new Set(names.map((name) => name.toLowerCase())).size, keys.length)
  assert.ok(names.every((name) => name.length <= 200 && !name.startsWith('.')))
})

storage('leaves its folder by no key', async () => {
  const folder = temporaryFolder()
  const store = createDataStore({ folder })
  for (const key of ['results:../../x', 'results:..:x', 'results:a/../../x', '../x']) {
    assert.match(await caught(store.setItem(key, 1)), /Invalid key|no such mount/)
  }
  await store.setItem('results:%2e%2e%2fx', 1)
  await store.setItem('results:...', 1)
  assert.equal(readdirSync(folder), ['storage'])
  assert.equal(readdirSync(join(folder, 'storage')), ['results'])
})

storage('refuses keys that are no text', async () => {
  const store = createDataStore({ folder: temporaryFolder() })
  assert.match(await caught(store.setItem('results:\uD800', 1)), /well-formed text/)
  assert.match(await caught(store.setItem(`results:${'x'.repeat(10_001)}`, 1)), /of 1 to 10000 characters/)
})

storage('says when an entry was written and how large it is', async () => {
  const store = createDataStore({ folder: temporaryFolder() })
  const before = Date.now() - 2000
  await store.setItemRaw('results:x', Buffer.alloc(1000))
  const { mtime, size } = await store.getMeta('results:x')
  assert.ok(Number(mtime) >= before)
  assert.ok(Number(size) > 1000 && Number(size) < 1200, String(size))
  assert.equal({ ...(await store.getMeta('results:y')) }, {})
})

storage('takes other drivers for single mounts', async () => {
  const folder = temporaryFolder()
  const store = createDataStore({ folder, mounts: { results: memory() } })
  await store.setItem('results:x', 1)
  await store.setItem('jobs:x', 2)
  assert.is(await store.getItem('results:x'), 1)
  assert.equal(readdirSync(join(folder, 'storage')), ['jobs'])
})

storage('writes a header that a person can read', async () => {
  const folder = temporaryFolder()
  await createDataStore({ folder }).setItem('deployments:sizes', { a: 1 })
  const text = readFileSync(join(folder, 'storage/deployments/sizes'), 'utf8')
  assert.match(text, /^pellet-1 [0-9a-f]{64} "sizes"\n\{"a":1\}$/)
})

storage.run()

// --- internal ---

async function raw(store: Storage, key: string): Promise<Buffer> {
  const value: unknown = await store.getItemRaw(key)
  if (!(value instanceof Buffer)) throw new Error(`expected a Buffer, found ${String(value)}`)
  return value
}

async function caught(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => {
      throw new Error('expected an error, found none')
    },
    (error: Error) => error.message,
  )
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Damage } from '../../runtime/storage/atomic-fs.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const damage = suite('damaged data')
const module = JSON.stringify(new URL('../../runtime/storage/storage.js', import.meta.url))

const injuries: Record<string, (file: string) => void> = {
  'one bit of the value': (file) => flip(file, -2),
  'one bit of the checksum': (file) => flip(file, 12),
  'one bit of the key': (file) => flip(file, 'pellet-1 '.length + 64 + 3),
  'one bit of the first word': (file) => flip(file, 0),
  'a cut in the value': (file) => truncateSync(file, readFileSync(file).length - 3),
  'a cut in the header': (file) => truncateSync(file, 20),
  'nothing left': (file) => truncateSync(file, 0),
  'bytes behind the value': (file) => writeFileSync(file, 'x', { flag: 'a' }),
  'zeros only': (file) => writeFileSync(file, Buffer.alloc(200)),
  'the file of another key': (file) => copyFileSync(file.replace(/sizes$/, 'other'), file),
}
for (const [what, injure] of Object.entries(injuries)) {
  damage(`${what}: is a miss, is removed and reported`, async () => {
    const { store, reports, file } = await prepare()
    injure(file)
    assert.is(await store.getItem('deployments:sizes'), null)
    assert.equal(
      reports.map(({ key, file }) => ({ key, file })),
      [{ key: 'sizes', file }],
    )
    assert.ok(reports[0]?.reason)
    assert.equal(readdirSync(join(file, '..')), ['other'])
    assert.is(await store.getItem('deployments:sizes'), null)
    assert.is(reports.length, 1)
    await store.setItem('deployments:sizes', { b: 2 })
    assert.equal(await store.getItem('deployments:sizes'), { b: 2 })
  })
}

damage('is reported as a process warning by default', async () => {
  const { file, folder } = await prepare()
  flip(file, -2)
  const warned = once(process, 'warning') as Promise<[Error]>
  assert.is(await createDataStore({ folder }).hasItem('deployments:sizes'), false)
  const [warning] = await warned
  assert.match(warning.message, /the entry "sizes" in .* was damaged \(its checksum does not match\)/)
})

damage('a folder that is none is an error with its path, for reads, writes and lists', async () => {
  const { store, folder } = await prepare()
  rmSync(join(folder, 'storage/deployments'), { recursive: true })
  writeFileSync(join(folder, 'storage/deployments'), 'a file')
  const again = createDataStore({ folder })
  for (const work of [
    () => store.getItem('deployments:sizes'),
    () => store.setItem('deployments:sizes', 1),
    () => again.setItem('deployments:sizes', 1),
    () => again.getKeys('deployments'),
    () => again.hasItem('deployments:sizes'),
  ]) {
    const error = await caught(work())
    assert.match(error.message, /^Storage: cannot (read|write|list|make) .*storage\/deployments.*Check the folder/)
    assert.ok(['ENOTDIR', 'EEXIST'].includes(String(error.code)), error.code)
  }
})

damage('a file that may not be read is an error, not a miss', async () => {
  const { store, file } = await prepare()
  rmSync(file)
  mkdirSync(file)
  const error = await caught(store.getItem('deployments:sizes'))
  assert.is(error.code, 'EISDIR')
  assert.ok(error.message.includes(file), error.message)
})

damage('a write that does not fit leaves the old value and no crumbs', async () => {
  const { folder, store, file } = await prepare()
  // The kernel refuses to let a file grow beyond 8 KB, with EFBIG, as it refuses with ENOSPC on a full disk.
  const script = `
    const { createDataStore } = await import(${module})
    const store = createDataStore({ folder: process.argv[1] })
    const error = await store.setItem('deployments:sizes', 'x'.repeat(100_000)).then(() => undefined, (error) => error)
    console.log(JSON.stringify({ code: error?.code, message: error?.message }))`
  const node = [process.execPath, '--input-type=module', '-e', script, folder]
  const child = spawn('bash', ['-c', 'ulimit -f 8; exec "$@"', 'bash', ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const { code, message } = JSON.parse(line) as { code: string; message: string }
  assert.is(code, 'EFBIG')
  assert.ok(message.includes(file) && message.includes('space'), message)
  assert.equal(await store.getItem('deployments:sizes'), { a: 1 })
  assert.equal(readdirSync(join(file, '..')).toSorted(), ['other', 'sizes'])
})

damage('a writer that is killed at any moment leaves whole values only', async () => {
  const { folder, store, reports } = await prepare()
  const script = `
    const { createDataStore } = await import(${module})
    const store = createDataStore({ folder: process.argv[1] })
    for (let n = 1; ; n++) {
      await store.setItem('deployments:sizes', { n, text: String(n % 10).repeat(n % 3 ? 300_000 : 10) })
      if (n === 5) console.log('five')
    }`
  let reads = 0
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    const line = once(createInterface({ input: child.stdout }), 'line')
    let last = Number.POSITIVE_INFINITY
    void line.then(() => (last = reads + 15 + round * 3))
    try {
      for (; reads < last; reads++) assertWhole(await store.getItem('deployments:sizes'))
    } finally {
      child.kill('SIGKILL')
      await ended
    }
    assertWhole(await store.getItem('deployments:sizes'))
  }
  assert.ok(reads >= 90)
  assert.equal(reports, [])
})

damage('what killed writers left aside is no key, and goes once it is old', async () => {
  const { folder } = await prepare()
  const young = join(folder, 'storage/deployments/.writing-1-young')
  const old = join(folder, 'storage/deployments/.writing-2-old')
  for (const file of [young, old]) writeFileSync(file, 'half')
  const anHourAgo = new Date(Date.now() - 3_600_000)
  utimesSync(old, anHourAgo, anHourAgo)
  const store = createDataStore({ folder })
  assert.equal((await store.getKeys()).toSorted(), ['deployments:other', 'deployments:sizes'])
  await store.setItem('deployments:sizes', { c: 3 })
  assert.equal(readdirSync(join(folder, 'storage/deployments')).toSorted(), ['.writing-1-young', 'other', 'sizes'])
})

damage('many writers and readers of one key see whole values', async () => {
  const { folder, reports } = await prepare()
  const stores = [1, 2, 3].map(() => createDataStore({ folder, onDamaged: (damage) => reports.push(damage) }))
  await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      const store = stores[n % 3]
      await store?.setItem('deployments:sizes', { n, text: String(n % 10).repeat(n * 500 + 10) })
      assertWhole((await store?.getItem('deployments:sizes')) ?? null)
    }),
  )
  assert.equal(reports, [])
  assert.equal(readdirSync(join(folder, 'storage/deployments')).toSorted(), ['other', 'sizes'])
})

damage('a folder that is removed while it is used is made again', async () => {
  const { folder, store } = await prepare()
  rmSync(join(folder, 'storage'), { recursive: true })
  assert.is(await store.getItem('deployments:sizes'), null)
  await store.setItem('deployments:sizes', { d: 4 })
  assert.equal(await store.getItem('deployments:sizes'), { d: 4 })
})

damage.run()

// --- internal ---

async function prepare() {
  const folder = temporaryFolder()
  const reports: Damage[] = []
  const store = createDataStore({ folder, onDamaged: (damage) => reports.push(damage) })
  await store.setItem('deployments:sizes', { a: 1 })
  await store.setItem('deployments:other', { z: 9 })
  return { folder, reports, store, file: join(folder, 'storage/deployments/sizes') }
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  const index = at < 0 ? bytes.length + at : at
  bytes[index] = (bytes[index] ?? 0) ^ 1
  writeFileSync(file, bytes)
}

function assertWhole(value: unknown): void {
  const { a, n = 0, text = '' } = (value ?? {}) as { a?: number; n?: number; text?: string }
  if (a === 1) return
  assert.ok(n >= 0 && text.length >= 10, `a value of ${text.length} characters`)
  assert.is(text, String(n % 10).repeat(text.length))
}

async function caught(promise: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  return promise.then(
    () => {
      throw new Error('expected an error, found none')
    },
    (error: NodeJS.ErrnoException) => error,
  )
}

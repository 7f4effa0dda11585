import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { statSync } from 'node:fs'
import { createStorage, type Driver } from 'unstorage'
import memory from 'unstorage/drivers/memory'
import { systemClock } from '../../runtime/clock.ts'
import { createMemo } from '../../runtime/deployments/memo.ts'
import { openSizeBook } from '../../runtime/deployments/size-book.ts'
import { PelletError } from '../../runtime/errors.ts'
import { installBundle } from '../../runtime/functions/install-bundle.ts'
import { JobStore } from '../../runtime/jobs/job-store.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const full = suite('no room, and what cannot be read')

const record = { deployment: 'a', route: 'POST /a', requestId: 'r', shape: 'pellet', acceptedAt: 0 } as const
const noRoom = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })

/** A store in memory whose disk is full, or whose keys cannot be read, as long as the test says. */
function createFragile() {
  const driver: Driver = memory()
  const state = { isFull: false, unreadable: '' }
  const set = driver.setItem!
  const get = driver.getItem
  driver.setItem = (...args) => (state.isFull ? Promise.reject(noRoom) : set(...args))
  driver.setItemRaw = (key, value) => (state.isFull ? Promise.reject(noRoom) : set(key, value as never, {}))
  driver.getItem = (key, ...rest) =>
    state.unreadable !== '' && key.includes(state.unreadable) ? Promise.reject(new Error('EIO')) : get(key, ...rest)
  return { state, storage: createStorage({ driver }) }
}

function openJobs(storage: ReturnType<typeof createStorage>, problems: unknown[] = []): JobStore {
  const limits = { ttlMs: -1, maxBytes: 2 ** 24, maxCount: 10 }
  const onProblem = (error: unknown) => void problems.push(error)
  return new JobStore({ storage, limits, clock: systemClock, now: Date.now, onProblem })
}

full(
  'a job whose answer has no room ends with an error that says so, and is known as long as the process lives',
  async () => {
    const { state, storage } = createFragile()
    const problems: unknown[] = []
    const store = openJobs(storage, problems)
    await store.recover()
    await store.accept('one', record)
    state.isFull = true
    const writer = store.writer('one', record)
    await writer.write(Buffer.from('answer'))
    const error = await writer.end(200, {}).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof PelletError)
    assert.is(error.code, 'storage_full')
    assert.match(error.message, 'free some space')
    assert.not.match(error.message, 'ENOSPC')
    assert.ok(problems.includes(noRoom), 'the operator is told')
    await store.fail('one', record, error).catch(() => {})
    assert.is((await store.find('one'))!.answer.status, 507)
    state.isFull = false
    const next = openJobs(storage)
    await next.recover()
    assert.is((await next.find('one'))!.answer.status, 503, 'interrupted')
  },
)

full('a job that cannot be read, or be written off, does not hide the others from the next process', async () => {
  const { state, storage } = createFragile()
  const before = openJobs(storage)
  await before.recover()
  for (const id of ['done', 'broken', 'open']) await before.accept(id, record)
  for (const id of ['done', 'broken']) {
    const writer = before.writer(id, record)
    await writer.write(Buffer.from('answer'))
    await writer.end(200, {})
  }
  state.isFull = true
  state.unreadable = 'broken:record'
  const problems: unknown[] = []
  const store = openJobs(storage, problems)
  await store.recover()
  assert.is((await store.find('done'))!.answer.status, 200)
  assert.is((await store.find('open'))!.answer.status, 503)
  assert.is(problems.length, 2)
  assert.ok(await storage.hasItem('jobs:broken:0'), 'it may be readable again')
})

full('what was learnt is learnt again where it cannot be kept or read', async () => {
  const { state, storage } = createFragile()
  state.isFull = true
  const memo = createMemo(storage)
  await memo.set('a', 1)
  assert.is(await memo.get('a'), undefined)
  state.unreadable = 'deployments'
  assert.is(await memo.get('a'), undefined)
  assert.is((await openSizeBook(storage)).get('a'), undefined)
})

full('a bundle that is there is not written again', async () => {
  const folder = temporaryFolder()
  const bundle = { code: 'export default 1', map: '{}', hash: 'a'.repeat(64) }
  const file = await installBundle(bundle, folder)
  const { ino } = statSync(file)
  assert.is(await installBundle(bundle, folder), file)
  assert.is(statSync(file).ino, ino)
})

full.run()

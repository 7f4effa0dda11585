import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { JobStore } from '../../runtime/jobs/job-store.ts'
import { toDrop } from '../../runtime/jobs/retention.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('how long results are kept')

const kept = (...rows: [id: string, finishedAt: number, sizeBytes: number][]) =>
  rows.map(([id, finishedAt, sizeBytes]) => ({ id, finishedAt, sizeBytes }))
const three = kept(['a', 0, 10], ['b', 10, 10], ['c', 20, 10])

const rows: [what: string, now: number, limits: [ttlMs: number, maxBytes: number, maxCount: number], ids: string][] = [
  ['all fit and are young', 29, [30, 30, 3], ''],
  ['as old as may be is too old', 30, [30, 30, 3], 'a'],
  ['two are too old', 45, [30, 30, 3], 'ba'],
  ['for ever', 1e12, [-1, 30, 3], ''],
  ['a byte too many', 20, [30, 29, 3], 'a'],
  ['the newest stays, however large', 20, [30, 5, 3], 'ba'],
  ['one too many', 20, [30, 30, 2], 'a'],
  ['what is too old takes no room', 31, [30, 20, 3], 'a'],
  ['the newest too, when it is too old', 50, [30, 30, 3], 'cba'],
]
for (const [what, now, [ttlMs, maxBytes, maxCount], ids] of rows)
  test(what, () => {
    const dropped = toDrop(three, now, { ttlMs, maxBytes, maxCount })
    assert.is(dropped.map(({ id }) => id).join(''), ids)
  })

test('a result is gone at its time, files and all, by an alarm; so is one of an earlier process', async () => {
  const folder = temporaryFolder()
  let now = 1000
  let alarm: { at: number; ring(): void } | undefined
  const problems: unknown[] = []
  const open = () => {
    const store = new JobStore({
      storage: createDataStore({ folder }),
      limits: { ttlMs: 500, maxBytes: 2 ** 24, maxCount: 10 },
      clock: {
        now: () => now - 1000,
        alarm(at, ring) {
          alarm = { at, ring }
          return () => (alarm = undefined)
        },
      },
      now: () => now,
      onProblem: (error) => problems.push(error),
    })
    return store
  }
  const record = { deployment: 'a', route: 'POST /a', requestId: 'r', shape: 'pellet', acceptedAt: 0 } as const
  const files = () => readdirSync(join(folder, 'storage/jobs')).length
  const write = async (store: JobStore, id: string) => {
    await store.accept(id, record)
    const writer = store.writer(id, record)
    await writer.write(Buffer.alloc(1_500_000, 1))
    await writer.write(Buffer.alloc(1_500_000, 2))
    await writer.end(200, { 'content-type': 'x/y' })
  }

  const store = open()
  await store.recover()
  await write(store, 'one')
  now = 1400
  await write(store, 'two')
  assert.is(alarm!.at, 500)
  assert.is((await store.find('one'))!.answer.sizeBytes, 3_000_000)
  now = 1500
  assert.is(await store.find('one'), undefined, 'before it was removed, too')
  alarm!.ring()
  while (files() > 3) await new Promise(setImmediate)
  assert.is(alarm!.at, 900)

  const later = open()
  assert.is((await Promise.all([later.recover(), later.find('two')]))[1]!.answer.status, 200)
  now = 1900
  alarm!.ring()
  while (files() > 0) await new Promise(setImmediate)
  assert.is(alarm, undefined)
  assert.equal(problems, [])
})

test('pieces that belong to nothing are removed at the start, and so are those of what was not finished', async () => {
  const storage = createDataStore({ folder: temporaryFolder() })
  const record = { deployment: 'a', route: 'POST /a', requestId: 'r', shape: 'object', acceptedAt: 0 } as const
  await storage.setItemRaw('jobs:orphan:0', Buffer.from('x'))
  await storage.setItem('jobs:unfinished:record', record)
  await storage.setItemRaw('jobs:unfinished:0', Buffer.from('x'))
  const clock = { now: () => 0, alarm: () => () => {} }
  const limits = { ttlMs: -1, maxBytes: 10, maxCount: 10 }
  const store = new JobStore({
    storage,
    limits,
    clock,
    now: () => 0,
    onProblem: (error) => assert.unreachable(String(error)),
  })
  await store.recover()
  assert.equal(await storage.getKeys('jobs'), ['jobs:unfinished:record'])
  const { answer } = (await store.find('unfinished'))!
  assert.is(answer.status, 503)
  assert.is(JSON.parse(answer.body!).error.code, 'job_interrupted')
})

test.run()

import { createStorage, type Driver } from 'unstorage'
import memory from 'unstorage/drivers/memory'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Deployment } from '../../runtime/deployments/deployment.ts'
import type { Logger } from '../../runtime/log.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { ResultCache, type Generation } from '../../runtime/results/result-cache.ts'
import { deploymentOf } from '../deployments/tiny.ts'

const test = suite('the store of kept answers')

/** A cache on a clock of its own, with deployments by name and revision. */
function setUp({ maxBytes = 100_000, driver = memory() as Driver, hotBytes = 0 } = {}) {
  const said: string[] = []
  const log = { warn: (text: string) => said.push(text), info: (text: string) => said.push(text) } as unknown as Logger
  const storage = createStorage({ driver })
  let now = Date.now()
  const options = { storage, isShared: false, blockBytes: 1, hotBytes, maxBytes, version: '1', log, now: () => now }
  const cache = new ResultCache(options)
  const generations = new Map<string, Generation>()
  /** `a: 1` is the deployment a in revision 1. */
  const deploy = (revisions: Record<string, number | Partial<Deployment>>, terms?: ManifestInput['cache']) => {
    const deployments = Object.entries(revisions).map(([name, given]): [string, Deployment] => {
      const facts = typeof given === 'number' ? { revision: String(given) } : given
      return [name, { ...deploymentOf({ name, cache: terms ?? { ttl: '10s', max: '10KB' } }), ...facts }]
    })
    cache.deploy(new Map(deployments))
    for (const [name, deployment] of deployments) generations.set(name, cache.open(deployment, undefined)!.generation)
  }
  const keyOf = (name: string, id: string) => cache.keyOf(generations.get(name)!, 'answer', id.repeat(64))
  return {
    cache,
    said,
    storage,
    deploy,
    keyOf,
    wait: (ms: number) => (now += ms),
    generation: (name: string) => generations.get(name)!,
    keep(name: string, id: string, sizeBytes = 1000, generation = generations.get(name)!) {
      const header = { type: 'text/plain', engine: 'onnxruntime', createdAt: now, expiresAt: now + generation.ttlMs }
      cache.keep(generation, keyOf(name, id), header, [Buffer.alloc(sizeBytes, id)])
    },
    async has(name: string, ...ids: string[]): Promise<string> {
      const found = []
      for (const id of ids) if (await cache.read(keyOf(name, id))) found.push(id)
      return found.join('')
    },
    async stored() {
      await cache.close(1000)
      return (await storage.getKeys()).length
    },
  }
}

test('an answer is there until its time is over, and then removed', async () => {
  const { deploy, keep, has, wait, stored } = setUp()
  deploy({ a: 1 })
  keep('a', '1')
  wait(9999)
  assert.is(await has('a', '1'), '1')
  assert.is(await stored(), 1)
  wait(1)
  assert.is(await has('a', '1'), '')
  assert.is(await stored(), 0)
})

test('one from the future, when the clock has been set back, is a miss', async () => {
  const { deploy, keep, has, wait } = setUp()
  deploy({ a: 1 })
  keep('a', '1')
  wait(-50_000)
  assert.is(await has('a', '1'), '1', 'machines differ a little')
  wait(-3_600_000)
  assert.is(await has('a', '1'), '')
})

test('beyond the bounds, of one or of all, those go that were asked for least recently', async () => {
  const { deploy, keep, has, cache, stored } = setUp({ maxBytes: 15_000 })
  deploy({ a: 1, b: 1 })
  for (const id of ['1', '2', '3']) keep('a', id, 3000)
  assert.is(await has('a', '1'), '1')
  keep('a', '4', 3000)
  assert.is(await has('a', '2', '3', '1', '4'), '314', 'four do not fit into 10 KB')
  keep('b', '5', 3000)
  keep('b', '6', 3000)
  assert.is(await has('a', '3', '1', '4'), '14', 'five do not fit into 15 KB')
  assert.is(await has('b', '5', '6'), '56')
  for (const { name, bytes } of cache.counts()) assert.ok(bytes > 6000 && bytes < 6500, `${name}: ${bytes}`)
  assert.is(await stored(), 4)
  keep('a', '7', 10_300)
  assert.is(await has('a', '7', '1', '4'), '14', 'one that is larger than all drives out nothing')
  deploy({ a: 1, b: 1 }, { max: '4KB' })
  assert.is(await has('a', '1', '4'), '4', 'the bound is lower now')
  cache.setMax(4000)
  assert.equal([await has('a', '4'), await has('b', '5', '6')], ['4', ''], 'so is that of all')
})

test('an answer of another revision, of its own or of one that it calls, is gone, and does not come back', async () => {
  const calls = (deployment: string) => [{ deployment, method: 'POST' as const, path: '/' }]
  const chain = (last: number) => ({
    a: { revision: '1', calls: calls('b') },
    b: { revision: '1', calls: calls('c') },
    c: { revision: String(last) },
    d: 1,
  })
  const { deploy, keep, has, stored, generation } = setUp()
  deploy(chain(1))
  for (const name of ['a', 'b', 'c', 'd']) keep(name, '1')
  deploy(chain(1))
  for (const name of ['a', 'b', 'c', 'd']) assert.is(await has(name, '1'), '1', name)
  const early = generation('a')
  deploy(chain(2))
  for (const name of ['a', 'b', 'c']) assert.is(await has(name, '1'), '', name)
  assert.is(await has('d', '1'), '1')
  keep('a', '2', 100, early)
  assert.is(await stored(), 1, 'what was begun before is not kept')
  deploy(chain(1))
  for (const name of ['a', 'b', 'c']) assert.is(await has(name, '1'), '', name)
  keep('a', '2', 100, early)
  assert.is(await has('a', '2'), '', 'nor when the revision is the same again')
})

test('what is cleared is gone, and so is what was being computed', async () => {
  const { deploy, keep, has, cache, generation, stored } = setUp({ hotBytes: 10_000 })
  deploy({ a: 1, b: 1 })
  keep('a', '1')
  keep('a', '2')
  keep('b', '1')
  const early = generation('a')
  const { entries, bytes } = await cache.clear('a')
  assert.ok(entries === 2 && bytes > 2000, `${entries}, ${bytes}`)
  assert.equal([await has('a', '1', '2'), await has('b', '1')], ['', '1'])
  keep('a', '3', 1000, early)
  assert.is(await has('a', '3'), '')
  assert.is(await stored(), 1)
  assert.is((await cache.clear()).entries, 1)
  assert.is(await stored(), 0)
})

test('of two writes of one key the last one stays, however long the first one takes', async () => {
  const driver = memory()
  let slowly = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))
  const setItemRaw: Driver['setItemRaw'] = async (...write) => {
    const wait = slowly
    slowly = () => Promise.resolve()
    await wait()
    await driver.setItemRaw!(...write)
  }
  const { deploy, keep, cache, keyOf } = setUp({ driver: { ...driver, setItemRaw } })
  deploy({ a: 1 })
  keep('a', '1', 1000)
  keep('a', '1', 500)
  await cache.close(1000)
  assert.is((await cache.read(keyOf('a', '1')))?.body.length, 500)
})

test('what an earlier run has left is counted where it may still be given, and else removed', async () => {
  const driver = memory()
  // As a file system does, it says how large an entry is and when it was written.
  const meta = (key: string) => ({ size: (driver.getItem(key, {}) as Buffer).length, mtime: new Date() })
  const first = setUp({ driver: { ...driver, dispose: () => {}, getMeta: meta } })
  first.deploy({ a: 1, b: 1 })
  for (const name of ['a', 'b']) first.keep(name, '1', 3000)
  await first.cache.close(1000)
  await driver.setItemRaw!('cache:no key of ours', Buffer.from('x'), {})
  await driver.setItemRaw!('other', Buffer.from('x'), {})

  const second = setUp({ driver: { ...driver, getMeta: meta } })
  second.deploy({ a: 1, b: 2 })
  const rows = await second.cache.stats()
  assert.equal(
    rows.map(({ name, entries }) => [name, entries]),
    [
      ['a', 1],
      ['b', 0],
    ],
  )
  assert.ok(rows[0]!.bytes > 3000)
  assert.is(await second.has('a', '1'), '1')
  await second.cache.close(1000)
  const left = (await driver.getKeys('', {})) as string[]
  assert.equal(
    left.filter((key) => key.includes(':b:') || key.includes('cache:b')),
    [],
  )
  assert.ok(left.includes('other'), 'what is none of ours stays')
})

test('a store that fails has nothing; that is said once, and once when it works again', async () => {
  let isBroken = false
  const driver = memory()
  const failing =
    <Args extends unknown[], Result>(work: (...args: Args) => Result) =>
    async (...args: Args) => {
      if (isBroken) throw new Error('ENOSPC: no space left on device')
      return work(...args)
    }
  const { deploy, keep, has, said, cache } = setUp({
    driver: {
      ...driver,
      getItemRaw: failing(driver.getItemRaw!),
      setItemRaw: failing(driver.setItemRaw!),
      removeItem: failing(driver.removeItem!),
    },
  })
  deploy({ a: 1 })
  keep('a', '1')
  await cache.close(1000)
  isBroken = true
  keep('a', '2')
  assert.is(await has('a', '2'), '2', 'it is being written')
  await cache.close(1000)
  assert.is(await has('a', '1', '2'), '')
  assert.is(said.length, 1)
  assert.match(said[0]!, /expected to write an entry, found: ENOSPC.*; requests are computed meanwhile/)
  isBroken = false
  keep('a', '3')
  await cache.close(1000)
  assert.is(await has('a', '3'), '3')
  assert.equal(said.slice(1), ['kept results: the store works again'])
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HotEntries } from '../../runtime/results/hot-entries.ts'

const test = suite('entries in memory')
const entry = (sizeBytes: number) => ({
  type: 'text/plain',
  engine: 'onnxruntime',
  createdAt: 0,
  expiresAt: 1,
  body: Buffer.alloc(sizeBytes),
})

test('those asked for last stay, within the bound; one that is too large does not drive them out', async () => {
  const hot = new HotEntries(10_000)
  for (const key of ['a', 'b', 'c']) hot.set(key, entry(2500))
  hot.get('a')
  hot.set('d', entry(2500))
  hot.set('huge', entry(9000))
  hot.set('alias', { to: 'a', createdAt: 0, expiresAt: 1 })
  await collected()
  assert.equal(
    ['a', 'b', 'c', 'd', 'huge', 'alias'].map((key) => hot.get(key) !== undefined),
    [true, false, true, true, false, true],
  )
})

test('one that somebody holds is found, however many came after it; until it is removed', async () => {
  const hot = new HotEntries(10_000)
  const held = entry(9000)
  hot.set('held', held)
  hot.clear()
  await collected()
  assert.is(hot.get('held'), held)
  hot.delete('held')
  assert.is(hot.get('held'), undefined)
})

test('with no room nothing is held', () => {
  const hot = new HotEntries(0)
  const held = entry(1)
  hot.set('held', held)
  assert.is(hot.get('held'), undefined)
})

test.run()

/** What nobody holds is given back. */
async function collected(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  // A WeakRef holds on until the turn that made it is over.
  await new Promise((resolve) => setTimeout(resolve, 1))
  ;(runInNewContext('gc') as () => void)()
}

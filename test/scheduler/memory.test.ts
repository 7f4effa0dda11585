import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Stage } from './stage.ts'

const half = { sizeBytes: 500 }
const test = suite('memory')

test('a load that does not fit evicts an idle isolate, and is issued when that is gone', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', { sizeBytes: 600 })
  stage.wait(1000)
  assert.equal(stage.request('b'), ['kill #1 evicted'])
  assert.is(stage.row('b').state, 'cold')
  assert.equal(stage.exited(1), ['load #2 b'])
  assert.equal(stage.loaded(2), ['grant 1 #2'])
  assert.is(stage.row('a').evictions, 1)
  assert.equal(stage.notes, ['evicted a'])
})

test('a busy isolate is never evicted: the load waits for its release', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', { sizeBytes: 600 })
  stage.request('a')
  stage.wait(1500)
  assert.equal(stage.request('b'), [])
  assert.equal(stage.release(1), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('a pinned isolate is never evicted', () => {
  const stage = new Stage({}, { name: 'a', pin: true, ...half }, { name: 'b', ...half }, { name: 'c', ...half })
  stage.resident('a', half)
  stage.wait(50_000)
  stage.resident('b', half)
  stage.wait(1000)
  assert.equal(stage.request('c'), ['kill #2 evicted'])
})

test('keep_alive -1 without pin is evicted when memory is needed', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: -1, ...half }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', half)
  stage.wait(1000)
  assert.equal(stage.request('b'), ['kill #1 evicted'])
})

test('the least recently used goes first', () => {
  const names = ['a', 'b', 'c']
  const stage = new Stage({}, ...names.map((name) => ({ name, sizeBytes: 300, keepAliveMs: -1 })), {
    name: 'd',
    sizeBytes: 300,
  })
  for (const name of names) stage.resident(name, { sizeBytes: 300 })
  stage.wait(1000)
  stage.request('a')
  stage.release(1)
  stage.wait(1000)
  assert.equal(stage.request('d'), ['kill #2 evicted'])
})

test('an isolate that has just become ready is not evicted before its minimum residency', () => {
  const stage = new Stage({ minResidencyMs: 1000 }, { name: 'a', ...half }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', half)
  assert.equal(stage.request('b'), [])
  assert.equal(stage.wait(999), [])
  assert.equal(stage.wait(1), ['kill #1 evicted'])
})

test('keep_alive that passes makes room too', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 100, ...half }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', half)
  stage.request('b')
  assert.equal(stage.wait(100), ['kill #1 keep_alive'])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('what is being loaded counts as predicted', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 })
  assert.equal(stage.request('a'), ['load #1 a'])
  assert.equal(stage.request('b'), [])
})

test('what was measured replaces what was predicted, also for the next load', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 900, keepAliveMs: 0 }, { name: 'b', sizeBytes: 600 })
  stage.request('a')
  assert.equal(stage.request('b'), [])
  assert.equal(stage.loaded(1, { sizeBytes: 400 }), ['grant 1 #1', 'load #2 b'])
  stage.measured(1, 390)
  assert.is(stage.row('a').sizeBytes, 390)
  stage.release(1)
  stage.exited(1)
  assert.equal(stage.request('a'), ['load #3 a'])
})

test('an isolate that is dying holds its memory until it is gone', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600, keepAliveMs: 0 }, { name: 'b', sizeBytes: 600 })
  stage.request('a')
  stage.loaded(1, { sizeBytes: 600 })
  stage.release(1)
  assert.equal(stage.request('b'), [])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('isolates of all engines share the memory', () => {
  const stage = new Stage({ budgetBytes: 600 }, { name: 'a', ...half }, { name: 'b', ...half, engine: 'npu' })
  stage.resident('a', half)
  stage.wait(1000)
  assert.equal(stage.request('b'), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('without a budget there is no bound', () => {
  const stage = new Stage({ budgetBytes: Infinity }, { name: 'a', sizeBytes: 1e15 }, { name: 'b', sizeBytes: 1e15 })
  assert.equal(stage.request('a'), ['load #1 a'])
  assert.equal(stage.request('b'), ['load #2 b'])
})

test('isolates that outgrow the budget cost an idle one its place', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 5000, ...half }, { name: 'b', ...half })
  stage.resident('a', half)
  stage.resident('b', half)
  stage.wait(1000)
  stage.request('a')
  assert.equal(stage.measured(1, 700), ['kill #2 evicted'])
})

test('larger than the budget: tried with the memory to itself, and noted', () => {
  const stage = new Stage({}, { name: 'a' }, { name: 'b', sizeBytes: 2000 })
  stage.resident('a')
  stage.wait(1000)
  assert.equal(stage.request('b'), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 b'])
  assert.ok(stage.notes.includes('oversized b'))
  assert.equal(stage.loaded(2, { sizeBytes: 800 }), ['grant 1 #2'])
  assert.equal(stage.request('a'), ['load #3 a'])
})

test('what can never fit beside pinned isolates is refused, with the numbers that collide', () => {
  const megabyte = 1024 ** 2
  const stage = new Stage(
    { budgetBytes: 1000 * megabyte },
    { name: 'a', pin: true, sizeBytes: 500 * megabyte },
    { name: 'b', sizeBytes: 600 * megabyte },
  )
  stage.resident('a', { sizeBytes: 500 * megabyte })
  assert.equal(stage.request('b'), ['refuse 1 out_of_memory'])
  assert.match(stage.refusal().message, /b needs 600 MB,.*1000 MB.*500 MB.*raise the budget.*pin/)
  assert.equal(stage.load('b'), [])
  assert.ok(stage.notes.includes('no_room b'))
  assert.is(stage.row('b').queued, 0)
  assert.ok(stage.row('b').lastError)
})

test('room that was made for one is not taken by another', () => {
  const stage = new Stage(
    {},
    { name: 'a', sizeBytes: 600 },
    { name: 'b', sizeBytes: 600 },
    { name: 'c', sizeBytes: 500, priority: 31 },
  )
  stage.resident('a', { sizeBytes: 600 })
  stage.wait(1000)
  stage.request('b')
  assert.equal(stage.request('c'), [])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('and stays promised when others have grown into it', () => {
  const sizes = { a: 600, b: 600, c: 400, x: 300 }
  const stage = new Stage({}, ...Object.entries(sizes).map(([name, sizeBytes]) => ({ name, sizeBytes })))
  stage.resident('a', { sizeBytes: 600 })
  stage.resident('x', { sizeBytes: 300 })
  stage.wait(1000)
  stage.request('x')
  assert.equal(stage.request('b'), ['kill #1 evicted'])
  stage.measured(2, 500)
  stage.request('c')
  assert.equal(stage.exited(1), [], 'c would fit')
  assert.equal(stage.release(1), ['kill #2 evicted', 'load #3 c'], 'now it fits beside what b was promised')
  assert.equal(stage.exited(2), ['load #4 b'])
})

test('a small one passes a large one that cannot load yet', () => {
  const stage = new Stage(
    {},
    { name: 'a', sizeBytes: 600 },
    { name: 'b', sizeBytes: 600 },
    { name: 'c', sizeBytes: 400 },
  )
  stage.resident('a', { sizeBytes: 600 })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.request('c'), ['load #2 c'])
})

test('above limits.memory an idle isolate is recycled', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 200 })
  stage.resident('a')
  assert.equal(stage.measured(1, 200), [])
  assert.equal(stage.measured(1, 201), ['kill #1 memory'])
})

test('above limits.memory a busy one takes no more, and ends when idle', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 200, concurrency: 2 })
  stage.resident('a')
  stage.request('a')
  assert.equal(stage.measured(1, 201), [])
  assert.is(stage.row('a').state, 'draining')
  assert.equal(stage.request('a'), ['load #2 a'])
  assert.equal(stage.release(1), ['kill #1 memory'])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
})

test('above limits.memory a pinned one is recycled too', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 200, pin: true })
  stage.resident('a')
  assert.equal(stage.measured(1, 300), ['kill #1 memory'])
})

test('above twice limits.memory it is killed whatever it does, and those who wait get another', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 200 })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.measured(1, 401), ['kill #1 memory', 'load #2 a'])
  assert.equal(stage.release(1), [], 'its owner has answered it')
  assert.is(stage.row('a').crashes, 1)
})

test('one that is draining is killed above twice limits.memory', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 200 })
  stage.resident('a')
  stage.request('a')
  stage.measured(1, 300)
  assert.equal(stage.measured(1, 500), ['kill #1 memory'])
  assert.equal(stage.measured(1, 600), [])
})

test('above twice limits.memory while loading, the load has failed', () => {
  const stage = new Stage({}, { name: 'a', memoryBytes: 200 })
  stage.request('a')
  assert.equal(stage.measured(1, 401), ['kill #1 memory', 'refuse 1 out_of_memory'])
})

test.run()

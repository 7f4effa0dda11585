import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Stage } from './stage.ts'

const megabyte = 1024 ** 2
const test = suite('chains')

/** `a` calls `b`: one request of `a` is in its isolate. */
function called(a: { sizeBytes?: number; concurrency?: number } = {}, b: Parameters<Stage['deploy']>[0] = {}): Stage {
  const stage = new Stage({}, { name: 'a', ...a }, { name: 'b', ...b })
  stage.resident('a', { sizeBytes: a.sizeBytes ?? 100 })
  stage.request('a')
  return stage
}

test('a chained request loads its callee, and its end is where keep_alive begins', () => {
  const stage = called({}, { keepAliveMs: 5000 })
  assert.equal(stage.request('b', { parent: 1 }), ['load #2 b'])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
  stage.wait(20_000)
  stage.release(2)
  assert.equal(stage.wait(4999), [])
  assert.equal(stage.wait(1), ['kill #2 keep_alive'])
})

test('a full queue takes chained requests all the same', () => {
  const stage = called({ concurrency: 2 }, { concurrency: 1, queue: { depth: 1, drop: 'newest' } })
  stage.resident('b')
  stage.request('b')
  stage.request('b')
  assert.equal(stage.request('b'), ['refuse 4 queue_full'])
  assert.equal(stage.request('b', { parent: 1 }), [])
  assert.equal(stage.request('b', { parent: 1 }), [])
  assert.is(stage.row('b').queued, 3)
})

test('chained requests in the queue take no place from others, and stand before them', () => {
  const stage = called({ concurrency: 2 }, { concurrency: 1, queue: { depth: 1, drop: 'newest' } })
  stage.resident('b')
  stage.request('b')
  stage.request('b', { parent: 1 })
  assert.equal(stage.request('b'), [], 'the depth is for those who are not chained')
  assert.equal(stage.request('b'), ['refuse 5 queue_full'])
  stage.request('b', { parent: 1 })
  assert.equal(stage.release(2), ['grant 3 #2'])
  assert.equal(stage.release(3), ['grant 6 #2'])
  assert.equal(stage.release(6), ['grant 4 #2'])
})

test('who has waited for two seconds behind chained requests gets every other place', () => {
  const stage = called({ concurrency: 2 }, { concurrency: 1 })
  stage.resident('b')
  for (const parent of [1, undefined, undefined, 1, 1, 1, 1]) stage.request('b', parent === undefined ? {} : { parent })
  stage.wait(1999)
  assert.equal(stage.release(2), ['grant 5 #2'])
  stage.wait(1)
  assert.equal(stage.release(5), ['grant 3 #2'])
  assert.equal(stage.release(3), ['grant 6 #2'])
  assert.equal(stage.release(6), ['grant 4 #2'])
  assert.equal(stage.release(4), ['grant 7 #2'])
})

test('drop: oldest drops none that is chained', () => {
  const stage = called({}, { concurrency: 1, queue: { depth: 1, drop: 'oldest' } })
  stage.resident('b')
  stage.request('b')
  stage.request('b', { parent: 1 })
  stage.request('b')
  assert.equal(stage.request('b'), ['refuse 4 dropped'])
  assert.is(stage.row('b').queued, 2)
})

test('while stopping, chained requests of those who were accepted are served, loads included', () => {
  const stage = called()
  assert.equal(stage.tell(stage.scheduler.shutdown()), [])
  assert.equal(stage.request('b'), ['refuse 2 stopping'])
  assert.equal(stage.request('b', { parent: 1 }), ['load #2 b'])
  assert.equal(stage.loaded(2), ['grant 3 #2'])
  assert.equal(stage.release(3), [], 'it may be called again')
  assert.equal(stage.request('b', { parent: 1 }), ['grant 4 #2'])
  stage.release(4)
  assert.equal(stage.release(1).sort(), ['kill #1 stopping', 'kill #2 stopping'])
})

test('while stopping, a callee goes when the last who might call it has left the queue', () => {
  const stage = called({ concurrency: 1 })
  stage.request('a', { timeoutMs: 500 })
  stage.request('b', { parent: 1 })
  stage.loaded(2)
  stage.tell(stage.scheduler.shutdown())
  stage.release(3)
  stage.exited(1)
  assert.is(stage.row('b').state, 'ready')
  assert.equal(stage.wait(500), ['refuse 2 deadline_exceeded', 'kill #3 stopping', 'kill #2 stopping'])
})

test('a request whose parent holds no lease is refused', () => {
  const stage = called()
  stage.request('a')
  assert.equal(stage.request('b', { parent: 2 }), ['refuse 3 isolate_crashed'], 'it waits itself')
  assert.equal(stage.request('b', { parent: 99 }), ['refuse 4 isolate_crashed'])
  stage.release(1)
  assert.equal(stage.request('b', { parent: 1 }), ['refuse 5 isolate_crashed'])
})

test('a callee that can never fit beside its own callers is refused at once, with who needs how much', () => {
  const stage = new Stage(
    { budgetBytes: 900 * megabyte },
    ...Object.entries({ a: 300, b: 300, c: 400 }).map(([name, size]) => ({ name, sizeBytes: size * megabyte })),
  )
  stage.resident('a', { sizeBytes: 300 * megabyte })
  stage.resident('b', { sizeBytes: 300 * megabyte })
  stage.request('a')
  stage.request('b', { parent: 1 })
  assert.equal(stage.request('c', { parent: 2 }), ['refuse 3 out_of_memory'])
  assert.match(stage.refusal().message, /^c is called while a 300 MB, b 300 MB cannot go.*1000 MB.*900 MB/)
  stage.release(2)
  stage.wait(1000)
  assert.equal(stage.request('c', { parent: 1 }), ['kill #2 evicted'], 'beside a alone it fits')
})

test('a callee that never fits beside its caller and what is pinned is refused at once', () => {
  const stage = called({ sizeBytes: 400 }, { sizeBytes: 400 })
  stage.deploy({ name: 'p', pin: true, sizeBytes: 300 })
  stage.resident('p', { sizeBytes: 300 })
  assert.equal(stage.request('b', { parent: 1 }), ['refuse 2 out_of_memory'])
  assert.match(stage.refusal().message, /a .*, p /)
})

test('others who wait for the callee are not refused with it', () => {
  const stage = called({ sizeBytes: 600 }, { sizeBytes: 500 })
  assert.equal(stage.request('b'), [])
  assert.equal(stage.request('b', { parent: 1 }), ['refuse 3 out_of_memory'])
  stage.wait(1000)
  assert.equal(stage.release(1), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('a callee that has grown while it was not loaded is refused when that is known', () => {
  const stage = called({ sizeBytes: 500 }, { sizeBytes: 400, keepAliveMs: 0 })
  stage.request('b', { parent: 1 })
  stage.loaded(2, { sizeBytes: 550 })
  stage.release(2)
  stage.exited(2)
  assert.equal(stage.request('b', { parent: 1 }), ['refuse 3 out_of_memory'])
})

test('an engine that is full beside the caller: the call is refused, and the caller lives', () => {
  const stage = called()
  stage.request('b', { parent: 1 })
  assert.equal(stage.loadFailed(2, { outOfMemory: true, message: 'no memory on the device' }), [
    'kill #2 failed',
    'refuse 2 out_of_memory',
  ])
  assert.match(stage.refusal().message, /b is called while a cannot go.*no memory on the device/)
  assert.is(stage.row('a').state, 'ready')
})

test('an engine that is full does not weigh on a caller on another one', () => {
  const stage = called({}, { engine: 'npu' })
  stage.deploy({ name: 'c', engine: 'npu' })
  stage.resident('c')
  stage.wait(1000)
  assert.equal(stage.request('b', { parent: 1 }), ['load #3 b'])
  assert.equal(stage.loadFailed(3, { outOfMemory: true }), ['kill #3 failed', 'kill #2 evicted'])
  stage.exited(2)
  assert.equal(stage.exited(3), ['load #4 b'])
  assert.equal(stage.loaded(4), ['grant 2 #4'])
})

test('callers that an engine is too full for each other to be called: the youngest call is refused', () => {
  const names = ['a', 'b', 'c', 'd']
  const stage = new Stage({}, ...names.map((name) => ({ name, engine: 'npu' })))
  stage.resident('a')
  stage.resident('b')
  stage.request('a')
  stage.request('b')
  stage.request('c', { parent: 1 })
  assert.equal(stage.loadFailed(3, { outOfMemory: true }), ['kill #3 failed'], 'b may end')
  stage.exited(3)
  assert.equal(stage.request('d', { parent: 2 }), ['load #4 d'])
  assert.equal(stage.loadFailed(4, { outOfMemory: true }), ['kill #4 failed', 'refuse 4 out_of_memory'])
})

test('who is starving closes no isolate whose request waits for memory, and lets the callee pass', () => {
  const sizes = { a: 300, b: 300, u: 800, x: 300 }
  const stage = new Stage({}, ...Object.entries(sizes).map(([name, sizeBytes]) => ({ name, sizeBytes })))
  stage.resident('a', { sizeBytes: 300 })
  stage.resident('x', { sizeBytes: 500 })
  stage.request('a')
  stage.request('x')
  stage.request('u')
  stage.wait(3000)
  assert.equal(
    ['a', 'x'].map((name) => stage.row(name).state),
    ['draining', 'draining'],
    'u has a promise',
  )
  assert.equal(stage.request('b', { parent: 1 }), [])
  assert.equal(stage.release(2), ['kill #2 evicted'])
  assert.equal(stage.exited(2), ['load #3 b'], 'into what u was promised: a would not end otherwise')
  assert.equal(stage.loaded(3, { sizeBytes: 300 }), ['grant 4 #3'])
  stage.release(4)
  stage.wait(1000)
  assert.equal(stage.release(1).sort(), ['kill #1 evicted'])
  stage.exited(1)
  stage.wait(2000)
  assert.equal(stage.exited(3), ['load #4 u'])
})

test('callers that wait for room of each other: the youngest is refused, so that the others move', () => {
  // Either pair fits, both callers and one callee do not.
  const sizes = { a: 400, b: 400, c: 400, d: 400 }
  const stage = new Stage({}, ...Object.entries(sizes).map(([name, sizeBytes]) => ({ name, sizeBytes })))
  stage.resident('a', { sizeBytes: 400 })
  stage.resident('b', { sizeBytes: 400 })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.request('c', { parent: 1 }), [], 'b may end')
  assert.equal(stage.request('d', { parent: 2 }), ['refuse 4 out_of_memory'])
  assert.match(stage.refusal().message, /d needs .* wait for each other's calls.*try again/)
  assert.is(stage.refusal().retryAfterMs, 1000)
  stage.wait(1000)
  assert.equal(stage.release(2), ['kill #2 evicted'])
  assert.equal(stage.exited(2), ['load #3 c'])
})

test('a ring through a place in an isolate is one too', () => {
  const sizes = { a: 300, b: 300, c: 500 }
  const stage = new Stage({}, ...Object.entries(sizes).map(([name, sizeBytes]) => ({ name, sizeBytes })))
  stage.resident('a', { sizeBytes: 300 })
  stage.resident('b', { sizeBytes: 300 })
  stage.request('b')
  stage.request('c', { parent: 1 })
  stage.request('a')
  // a waits for the place in b, which waits for c, for which a would have to go.
  assert.equal(stage.request('b', { parent: 3 }), ['refuse 2 out_of_memory'])
  assert.equal(stage.release(1), ['grant 4 #2'])
})

test('no ring while one of them can move', () => {
  const sizes = { a: 300, b: 300, c: 300, d: 400 }
  const stage = new Stage({}, ...Object.entries(sizes).map(([name, sizeBytes]) => ({ name, sizeBytes })))
  stage.resident('a', { sizeBytes: 300 })
  stage.resident('b', { sizeBytes: 300 })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.request('c', { parent: 1 }), ['load #3 c'])
  assert.equal(stage.request('d', { parent: 2 }), [], 'a may end')
  stage.loaded(3, { sizeBytes: 300 })
  stage.wait(1000)
  stage.release(3)
  assert.equal(stage.exited(3), ['load #4 d'])
})

test('a ring through two engines is found', () => {
  const stage = new Stage(
    {},
    { name: 'a', sizeBytes: 400 },
    { name: 'b', sizeBytes: 400, engine: 'npu' },
    { name: 'c', sizeBytes: 400 },
    { name: 'd', sizeBytes: 400, engine: 'npu' },
  )
  stage.resident('a', { sizeBytes: 400 })
  stage.resident('b', { sizeBytes: 400 })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.request('d', { parent: 1 }), [])
  assert.equal(stage.request('c', { parent: 2 }), ['refuse 4 out_of_memory'])
})

test('an idle callee that a suspended request waits for is not evicted', () => {
  const stage = called({ sizeBytes: 300 }, { sizeBytes: 300 })
  stage.deploy({ name: 'u', sizeBytes: 600 })
  stage.resident('b', { sizeBytes: 300 })
  stage.wait(1000)
  stage.scheduler.suspend(2)
  stage.request('b', { parent: 1 })
  assert.equal(stage.request('u'), [])
  assert.equal(stage.tell(stage.scheduler.resume(2)), ['grant 2 #2'])
})

test('a callee that cannot be loaded refuses the call with its error, and backs off', () => {
  const stage = called()
  stage.request('b', { parent: 1 })
  assert.equal(stage.loadFailed(2), ['kill #2 failed', 'refuse 2 load_failed'])
  assert.equal(stage.request('b', { parent: 1 }), ['refuse 3 load_failed'])
})

test.run()

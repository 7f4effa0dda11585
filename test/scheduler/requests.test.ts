import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Stage } from './stage.ts'

const test = suite('requests')

test('the first request of a cold deployment loads it, and is granted when it is ready', () => {
  const stage = new Stage({}, { name: 'a' })
  assert.equal(stage.request('a'), ['load #1 a'])
  assert.is(stage.row('a').state, 'loading')
  assert.equal(stage.loaded(1), ['grant 1 #1'])
  assert.is(stage.row('a').inFlight, 1)
})

test('concurrent first requests share one load', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2 })
  assert.equal(stage.request('a'), ['load #1 a'])
  assert.equal(stage.request('a'), [])
  assert.equal(stage.request('a'), [])
  assert.equal(stage.loaded(1), ['grant 1 #1', 'grant 2 #1'])
  assert.is(stage.row('a').loads, 1)
})

test('a free place in a ready isolate is granted at once', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  assert.equal(stage.request('a'), ['grant 1 #1'])
  assert.equal(stage.release(1), [])
})

test('beyond the concurrency they wait, and are granted in order of arrival', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2 })
  stage.resident('a')
  for (let id = 1; id <= 2; id++) assert.equal(stage.request('a'), [`grant ${id} #1`])
  for (let id = 3; id <= 4; id++) assert.equal(stage.request('a'), [])
  assert.equal(stage.release(2), ['grant 3 #1'])
  assert.equal(stage.release(1), ['grant 4 #1'])
})

test('two deployments do not wait for each other where both fit', () => {
  const stage = new Stage({}, { name: 'a' }, { name: 'b' })
  assert.equal(stage.request('a'), ['load #1 a'])
  assert.equal(stage.request('b'), ['load #2 b'])
})

test('a full queue refuses the newcomer, with a time to come back', () => {
  const stage = new Stage({}, { name: 'a', queue: { depth: 1, drop: 'newest' } })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.request('a'), ['refuse 3 queue_full'])
  assert.ok(stage.refusal().retryAfterMs! >= 1000)
  assert.match(stage.refusal().message, /a has 2 requests.*limits\.concurrency \(1\).*limits\.queue\.depth \(1\)/)
})

test('the bound holds while cold and loading too', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2, queue: { depth: 1, drop: 'newest' } })
  assert.equal(stage.request('a'), ['load #1 a'])
  stage.request('a')
  stage.request('a')
  assert.equal(stage.request('a'), ['refuse 4 queue_full'])
})

test('the time to come back follows what requests take', () => {
  const stage = new Stage({}, { name: 'a', queue: { depth: 4, drop: 'newest' } })
  stage.resident('a')
  for (let id = 1; id <= 40; id++) {
    stage.request('a')
    stage.wait(2000)
    stage.release(id)
  }
  for (let id = 41; id <= 46; id++) stage.request('a')
  assert.is(stage.refusal().code, 'queue_full')
  assert.ok(stage.refusal().retryAfterMs! > 6000 && stage.refusal().retryAfterMs! <= 8000)
})

test('a full queue that drops the oldest refuses the one that has waited longest and takes the newcomer', () => {
  const stage = new Stage({}, { name: 'a', queue: { depth: 1, drop: 'oldest' } })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.request('a'), ['refuse 2 dropped'])
  assert.equal(stage.release(1), ['grant 3 #1'])
})

test('where none waits to be dropped, the newcomer is refused', () => {
  const stage = new Stage({}, { name: 'a', queue: { depth: 0, drop: 'oldest' } })
  stage.resident('a')
  stage.request('a')
  assert.equal(stage.request('a'), ['refuse 2 queue_full'])
})

test('a waiting request is refused at its deadline', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a', { timeoutMs: 300 })
  assert.equal(stage.wait(299), [])
  assert.equal(stage.wait(1), ['refuse 2 deadline_exceeded'])
  assert.equal(stage.release(1), [])
})

test('a late timer grants nobody whose deadline has passed', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a', { timeoutMs: 300 })
  stage.request('a')
  stage.now += 500
  assert.equal(stage.release(1), ['refuse 2 deadline_exceeded', 'grant 3 #1'])
})

test('a request whose deadline has passed on arrival loads nothing', () => {
  const stage = new Stage({}, { name: 'a' })
  assert.equal(stage.request('a', { timeoutMs: 0 }), ['refuse 1 deadline_exceeded'])
})

test('expired requests make room in a full queue', () => {
  const stage = new Stage({}, { name: 'a', queue: { depth: 1, drop: 'newest' } })
  stage.resident('a')
  stage.request('a')
  stage.request('a', { timeoutMs: 100 })
  stage.now += 200
  assert.equal(stage.request('a'), ['refuse 2 deadline_exceeded'])
})

test('the deadline of a granted request is its owner’s business', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a', { timeoutMs: 100 })
  assert.equal(stage.wait(60_000), [])
})

test('a caller who leaves is taken out of the queue', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  for (let id = 1; id <= 3; id++) stage.request('a')
  assert.equal(stage.cancel(2), [])
  assert.equal(stage.release(1), ['grant 3 #1'])
})

test('a caller who leaves in the middle gives the place back', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.cancel(1), ['grant 2 #1'])
})

test('a load goes on when its only caller leaves', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  assert.equal(stage.cancel(1), [])
  assert.equal(stage.loaded(1), [])
  assert.is(stage.row('a').state, 'ready')
})

test('a caller who leaves before there was memory to load loads nothing', () => {
  const stage = new Stage({ budgetBytes: 100 }, { name: 'a' }, { name: 'b' })
  stage.resident('a')
  stage.request('a')
  stage.request('b')
  stage.cancel(2)
  stage.wait(1500)
  assert.equal(stage.release(1), [])
})

test('an unknown deployment is refused', () => {
  const stage = new Stage()
  assert.equal(stage.request('x'), ['refuse 1 not_found'])
})

test('what is said of unknown requests and isolates changes nothing', () => {
  const stage = new Stage({}, { name: 'a' })
  const { scheduler } = stage
  for (const effects of [
    scheduler.release(9),
    scheduler.cancel(9),
    scheduler.loaded(9, { sizeBytes: 1, loadMs: 1 }),
    scheduler.loadFailed(9, { message: '' }),
    scheduler.exited(9, { message: '' }),
    scheduler.measured(9, 1e12),
    scheduler.hung(9, ''),
    scheduler.suspend(9),
    scheduler.resume(9),
    scheduler.retire(9),
    scheduler.load('x'),
    scheduler.unload('x'),
    scheduler.remove('x'),
    scheduler.tick(),
  ])
    assert.equal(effects, [])
  assert.is(scheduler.nextWakeAt(), undefined)
  assert.ok(scheduler.isIdle())
})

test('a request that is released twice gives back one place', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2 })
  stage.resident('a')
  for (let id = 1; id <= 4; id++) stage.request('a')
  assert.equal(stage.release(1), ['grant 3 #1'])
  assert.equal(stage.release(1), [])
  assert.equal(stage.cancel(1), [])
  assert.is(stage.row('a').inFlight, 2)
})

test('an isolate in doubt gets no requests until it is cleared', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2 })
  stage.resident('a')
  stage.request('a')
  stage.tell(stage.scheduler.suspend(1))
  assert.equal(stage.request('a'), [])
  assert.equal(stage.tell(stage.scheduler.resume(1)), ['grant 2 #1'])
})

test('doubted twice, it must be cleared twice', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 3 })
  stage.resident('a')
  stage.scheduler.suspend(1)
  stage.scheduler.suspend(1)
  stage.request('a')
  assert.equal(stage.tell(stage.scheduler.resume(1)), [])
  assert.equal(stage.tell(stage.scheduler.resume(1)), ['grant 1 #1'])
})

test('one in doubt for which others wait does not expire', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.resident('a')
  stage.request('a')
  stage.scheduler.suspend(1)
  stage.request('a')
  assert.equal(stage.release(1), [])
  assert.equal(stage.tell(stage.scheduler.resume(1)), ['grant 2 #1'])
  assert.equal(stage.release(2), ['kill #1 keep_alive'])
})

test('one that is retired ends with its last request, and those who wait get another', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2 })
  stage.resident('a')
  stage.request('a')
  stage.scheduler.suspend(1)
  stage.request('a')
  assert.equal(stage.tell(stage.scheduler.retire(1)), ['load #2 a'])
  assert.equal(stage.release(1), ['kill #1 hung'])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Stage } from './stage.ts'

const test = suite('operator')

test('a new revision: requests in flight finish on the old one, those who wait get the new one', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.deploy({ name: 'a', revision: '2' }), ['load #2 a'])
  assert.is(stage.effects.find((effect) => effect.type === 'load')?.revision, '2')
  assert.equal(stage.loaded(2), ['grant 2 #2'])
  assert.is(stage.row('a').inFlight, 2)
  assert.equal(stage.release(1), ['kill #1 replaced'])
})

test('a new revision that does not fit beside the old one loads when that is gone', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 })
  stage.resident('a', { sizeBytes: 600 })
  stage.request('a')
  stage.request('a')
  assert.equal(stage.deploy({ name: 'a', revision: '2', sizeBytes: 600 }), [])
  assert.equal(stage.release(1), ['kill #1 replaced'])
  assert.equal(stage.exited(1), ['load #2 a'])
})

test('a new revision ends an idle isolate, and one that is loading', () => {
  const stage = new Stage({}, { name: 'a' }, { name: 'b' })
  stage.resident('a')
  assert.equal(stage.deploy({ name: 'a', revision: '2' }), ['kill #1 replaced'])
  stage.request('b')
  assert.equal(stage.deploy({ name: 'b', revision: '2' }), ['kill #2 replaced', 'load #3 b'])
  assert.equal(stage.loaded(2), [])
  assert.equal(stage.loaded(3), ['grant 1 #3'])
})

test('the same revision on another engine is loaded anew: nothing that was learnt of the last one counts', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 900 })
  stage.resident('a', { sizeBytes: 900 })
  stage.request('a')
  assert.equal(stage.deploy({ name: 'a', engine: 'npu', sizeBytes: 100 }), [])
  assert.equal(stage.request('a'), ['load #2 a'])
})

test('the same revision again keeps the isolate, and its new terms count at once', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.deploy({ name: 'a', concurrency: 2 }), ['grant 2 #1'])
})

test('another budget: what outgrows it goes when it is idle, and what it makes room for loads', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', { sizeBytes: 600 })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.tell(stage.scheduler.setBudget(1200)), ['load #2 b'])
  stage.loaded(2, { sizeBytes: 600 })
  stage.release(1)
  stage.wait(2000)
  assert.equal(stage.tell(stage.scheduler.setBudget(700)), ['kill #1 evicted'])
})

test('a deployment that is removed: those who wait are refused, requests in flight finish', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.remove('a'), ['refuse 2 not_found'])
  assert.equal(stage.request('a'), ['refuse 3 not_found'])
  assert.equal(stage.scheduler.snapshot(), [])
  assert.not(stage.scheduler.isIdle())
  assert.equal(stage.release(1), ['kill #1 removed'])
  stage.exited(1)
  assert.ok(stage.scheduler.isIdle())
})

test('a name that was removed and deployed again starts anew', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.remove('a')
  stage.deploy({ name: 'a' })
  assert.equal(stage.request('a'), ['load #2 a'])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
  assert.equal(stage.release(1), ['kill #1 removed'])
})

test('load: one load, whoever else asks', () => {
  const stage = new Stage({}, { name: 'a' })
  assert.equal(stage.load('a'), ['load #1 a'])
  assert.equal(stage.load('a'), [])
  assert.equal(stage.request('a'), [])
  assert.equal(stage.loaded(1), ['grant 1 #1'])
})

test('load waits for memory like a request', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', { sizeBytes: 600 })
  stage.wait(1000)
  assert.equal(stage.load('b'), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('unload ends an idle isolate, also a pinned one', () => {
  const stage = new Stage({}, { name: 'a', pin: true })
  stage.resident('a')
  assert.equal(stage.unload('a'), ['kill #1 unloaded'])
  assert.equal(stage.unload('a'), [])
})

test('unload of a busy one: it drains, and those who come get another', () => {
  const stage = new Stage({}, { name: 'a', concurrency: 2 })
  stage.resident('a')
  stage.request('a')
  assert.equal(stage.unload('a'), [])
  assert.is(stage.row('a').state, 'draining')
  assert.equal(stage.request('a'), ['load #2 a'])
  assert.equal(stage.release(1), ['kill #1 unloaded'])
})

test('unload of one that is loading: at once where nobody waits', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.load('a')
  assert.equal(stage.unload('a'), ['kill #1 unloaded'])
})

test('unload of one that is loading: after those who wait', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.request('a')
  assert.equal(stage.unload('a'), [])
  assert.equal(stage.loaded(1), ['grant 1 #1'])
  assert.equal(stage.release(1), ['grant 2 #1'])
  assert.equal(stage.release(2), ['kill #1 unloaded'])
})

test('and load takes that back', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.unload('a')
  stage.load('a')
  stage.loaded(1)
  assert.equal(stage.release(1), [])
})

test('unload takes back a load that waits for memory', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 })
  stage.resident('a', { sizeBytes: 600 })
  stage.request('a')
  stage.load('b')
  stage.unload('b')
  assert.equal(stage.release(1), [])
})

test('shutdown: newcomers are refused, those accepted are served, loads included', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 600 }, { name: 'c' })
  stage.resident('a', { sizeBytes: 600 })
  stage.resident('c')
  stage.request('a')
  stage.request('a')
  stage.request('b')
  assert.equal(stage.tell(stage.scheduler.shutdown()), ['kill #2 stopping'])
  assert.equal(stage.request('a'), ['refuse 4 stopping'])
  assert.ok(stage.refusal().retryAfterMs! > 0)
  assert.equal(stage.load('c'), [])
  assert.equal(stage.release(1), ['grant 2 #1'])
  assert.equal(stage.release(2), ['kill #1 stopping'])
  stage.exited(2)
  assert.equal(stage.exited(1), ['load #3 b'])
  assert.equal(stage.loaded(3), ['grant 3 #3'])
  assert.equal(stage.release(3), ['kill #3 stopping'])
  assert.not(stage.scheduler.isIdle())
  stage.exited(3)
  assert.ok(stage.scheduler.isIdle())
})

test('shutdown ends what is pinned, and loads that nobody waits for', () => {
  const stage = new Stage({}, { name: 'a', pin: true }, { name: 'b' }, { name: 'c' })
  stage.resident('a')
  stage.load('b')
  stage.request('c')
  assert.equal(stage.tell(stage.scheduler.shutdown()), ['kill #2 stopping', 'kill #1 stopping'])
  assert.equal(stage.cancel(1), ['kill #3 stopping'])
})

test('shutdown of an idle house is done at once', () => {
  const stage = new Stage({}, { name: 'a' })
  assert.equal(stage.tell(stage.scheduler.shutdown()), [])
  assert.ok(stage.scheduler.isIdle())
})

test('abort refuses all who wait and kills everything', () => {
  const stage = new Stage({}, { name: 'a' }, { name: 'b', sizeBytes: 1000 })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  stage.request('b')
  stage.scheduler.shutdown()
  assert.equal(stage.tell(stage.scheduler.abort()), ['refuse 2 stopping', 'refuse 3 stopping', 'kill #1 stopping'])
  assert.equal(stage.release(1), [])
  assert.equal(stage.exited(1), [])
  assert.ok(stage.scheduler.isIdle())
  assert.is(stage.scheduler.nextWakeAt() === undefined || stage.wait(1e6).length === 0, true)
})

test.run()

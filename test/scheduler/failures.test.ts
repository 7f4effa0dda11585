import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { backOffMs } from '../../runtime/scheduler/back-off.ts'
import { Stage } from './stage.ts'

const test = suite('failures')

test('the back-off doubles up to its maximum', () => {
  const options = { backOffMs: 1000, maxBackOffMs: 60_000 }
  assert.equal(
    [1, 2, 3, 6, 7, 2000].map((failures) => backOffMs(failures, options)),
    [1000, 2000, 4000, 32_000, 60_000, 60_000],
  )
})

test('a failed load refuses all who wait for it, with the reason and a time to come back', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.request('a')
  assert.equal(stage.loadFailed(1), ['kill #1 failed', 'refuse 1 load_failed', 'refuse 2 load_failed'])
  assert.match(stage.refusal().message, /a could not be loaded: no such file\. a is tried again in 1 s\./)
  assert.is(stage.refusal().retryAfterMs, 1000)
  assert.is(stage.row('a').state, 'failed')
  assert.is(stage.row('a').retryAt, 1000)
  assert.is(stage.row('a').lastError, 'no such file')
  assert.equal(stage.notes, ['backing_off a'])
})

test('a failed load may bring its own code', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  assert.equal(stage.loadFailed(1, { code: 'not_ready' }), ['kill #1 failed', 'refuse 1 not_ready'])
})

test('while it backs off, requests are refused at once with what is left of the time', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.loadFailed(1)
  stage.wait(600)
  assert.equal(stage.request('a'), ['refuse 2 load_failed'])
  assert.is(stage.refusal().retryAfterMs, 400)
})

test('then the next request tries again, and another failure doubles the time', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.loadFailed(1)
  stage.exited(1)
  stage.wait(1000)
  assert.is(stage.row('a').state, 'cold')
  assert.equal(stage.request('a'), ['load #2 a'])
  stage.loadFailed(2)
  assert.is(stage.refusal().retryAfterMs, 2000)
})

test('a load that succeeds sets the back-off to its start', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.request('a')
  stage.loadFailed(1)
  stage.wait(1000)
  stage.request('a')
  stage.loaded(2)
  stage.release(2)
  stage.request('a')
  stage.loadFailed(3)
  assert.is(stage.refusal().retryAfterMs, 1000)
})

test('the operator’s load does not wait for the back-off', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.loadFailed(1)
  assert.equal(stage.load('a'), ['load #2 a'])
  assert.equal(stage.request('a'), [])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
})

test('a load of which nobody waits any more may fail too', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.load('a')
  assert.equal(stage.loadFailed(1), ['kill #1 failed'])
  assert.equal(stage.exited(1), [])
  assert.is(stage.row('a').state, 'failed')
})

test('a process that ends while loading is a failed load', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  assert.equal(stage.exited(1), ['refuse 1 load_failed'])
  assert.match(stage.refusal().message, /SIGSEGV/)
})

test('a load that fails lets others have the memory', () => {
  const stage = new Stage({}, { name: 'a', sizeBytes: 900 }, { name: 'b', sizeBytes: 900 })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.loadFailed(1), ['kill #1 failed', 'refuse 1 load_failed'])
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('a crash: those who wait get another isolate at once, those inside are the owner’s to answer', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.exited(1), ['load #2 a'])
  assert.equal(stage.release(1), [])
  assert.equal(stage.cancel(1), [])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
  assert.is(stage.row('a').crashes, 1)
  assert.is(stage.row('a').inFlight, 1)
})

test('an idle isolate that crashes is loaded again only when asked for', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  assert.equal(stage.exited(1), [])
  assert.is(stage.row('a').state, 'cold')
  assert.equal(stage.request('a'), ['load #2 a'])
})

test('from the third crash in a row it backs off', () => {
  const stage = crashing(3)
  assert.is(stage.refusal().code, 'isolate_crashed')
  assert.is(stage.refusal().retryAfterMs, 1000)
  assert.match(stage.refusal().message, /a ended 3 times in a row.*SIGSEGV/)
  assert.is(stage.row('a').state, 'failed')
  assert.equal(stage.request('a'), ['refuse 5 isolate_crashed'])
})

test('and longer after the fourth, though the loads succeed', () => {
  const stage = crashing(3)
  stage.wait(1000)
  stage.request('a')
  stage.loaded(4)
  stage.exited(4)
  stage.request('a')
  assert.is(stage.refusal().retryAfterMs, 2000)
})

test('a request that is served between crashes starts the count anew', () => {
  const stage = new Stage({}, { name: 'a' })
  for (let crash = 1; crash <= 5; crash++) {
    stage.resident('a')
    stage.request('a')
    stage.release(2 * crash - 1)
    stage.request('a')
    assert.equal(stage.exited(crash), [])
  }
  assert.is(stage.row('a').state, 'cold')
  assert.is(stage.row('a').crashes, 5)
})

test('crashes of isolates that were on their way out do not count as such', () => {
  const stage = new Stage({}, { name: 'a' })
  for (let crash = 1; crash <= 4; crash++) {
    stage.resident('a')
    stage.request('a')
    stage.unload('a')
    assert.equal(stage.exited(crash), [])
  }
  assert.is(stage.row('a').state, 'cold')
  assert.is(stage.row('a').crashes, 4)
})

test('a request that was answered with a failure of the isolate does not', () => {
  const stage = new Stage({}, { name: 'a' })
  for (let crash = 1; crash <= 3; crash++) {
    stage.resident('a')
    stage.request('a')
    stage.release(crash, false)
    stage.exited(crash)
  }
  assert.is(stage.row('a').state, 'failed')
})

test('one that hangs is killed at once, and those who wait get another', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  assert.equal(stage.tell(stage.scheduler.hung(1, 'silent for 5 s')), ['kill #1 hung', 'load #2 a'])
  assert.equal(stage.tell(stage.scheduler.hung(1, 'silent for 6 s')), [])
  assert.equal(stage.release(1), [])
  assert.equal(stage.exited(1), [])
})

test('one that hangs while loading has failed to load', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  assert.equal(stage.tell(stage.scheduler.hung(1, 'silent')), ['kill #1 hung', 'refuse 1 load_failed'])
})

test('what a killed isolate still reports changes nothing', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.loadFailed(1)
  assert.equal(stage.loaded(1), [])
  assert.equal(stage.loadFailed(1), [])
  assert.equal(stage.measured(1, 1e9), [])
  assert.equal(stage.exited(1), [])
  assert.equal(stage.exited(1), [])
})

test('a new revision starts without the failures of the last', () => {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  stage.loadFailed(1)
  stage.deploy({ name: 'a', revision: '2' })
  assert.equal(stage.request('a'), ['load #2 a'])
})

test.run()

// --- internal ---

/** `a` crashes that often, each time with one request inside; request 4 waits at the last. */
function crashing(times: number): Stage {
  const stage = new Stage({}, { name: 'a' })
  stage.request('a')
  for (let crash = 1; crash <= times; crash++) {
    stage.loaded(crash)
    stage.request('a')
    stage.exited(crash)
  }
  return stage
}

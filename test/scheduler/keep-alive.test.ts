import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Stage } from './stage.ts'

const test = suite('keep_alive')

test('an idle isolate goes when its keep_alive has passed since the last release', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  stage.resident('a')
  stage.wait(4000)
  stage.request('a')
  stage.wait(20_000)
  stage.release(1)
  assert.is(stage.row('a').expiresAt, 29_000)
  assert.equal(stage.wait(4999), [])
  assert.equal(stage.wait(1), ['kill #1 keep_alive'])
  stage.exited(1)
  assert.is(stage.row('a').state, 'cold')
  assert.is(stage.row('a').sizeBytes, 0)
})

test('a busy isolate never expires', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000, concurrency: 2 })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  stage.release(1)
  assert.equal(stage.wait(60_000), [])
  assert.is(stage.row('a').expiresAt, undefined)
})

test('keep_alive 0 ends the isolate with its last request', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.request('a')
  stage.loaded(1)
  assert.equal(stage.release(1), ['kill #1 keep_alive'])
})

test('keep_alive 0 first serves those who wait', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.request('a')
  stage.request('a')
  stage.loaded(1)
  assert.equal(stage.release(1), ['grant 2 #1'])
  assert.equal(stage.release(2), ['kill #1 keep_alive'])
})

test('a request while the old isolate is dying loads a new one', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.request('a')
  stage.loaded(1)
  stage.release(1)
  assert.equal(stage.request('a'), ['load #2 a'])
  assert.equal(stage.exited(1), [])
  assert.equal(stage.loaded(2), ['grant 2 #2'])
})

test('keep_alive -1 keeps it for ever', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: -1 })
  stage.resident('a')
  stage.request('a')
  stage.release(1)
  assert.equal(stage.wait(1e9), [])
})

test('pin keeps it for ever, whatever keep_alive says', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0, pin: true })
  stage.request('a')
  stage.loaded(1)
  assert.equal(stage.release(1), [])
  assert.equal(stage.wait(1e9), [])
})

test('a request’s own keep_alive counts for its release', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  stage.resident('a')
  stage.request('a', { keepAliveMs: 60_000 })
  stage.release(1)
  assert.equal(stage.wait(59_999), [])
  assert.equal(stage.wait(1), ['kill #1 keep_alive'])
})

test('and for no other', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  stage.resident('a')
  stage.request('a', { keepAliveMs: 60_000 })
  stage.release(1)
  stage.request('a')
  stage.release(2)
  assert.equal(stage.wait(5000), ['kill #1 keep_alive'])
})

test('a request’s own keep_alive of 0 ends the isolate, of -1 keeps it', () => {
  const stage = new Stage({}, { name: 'a' }, { name: 'b' })
  stage.resident('a')
  stage.resident('b')
  stage.request('a', { keepAliveMs: 0 })
  stage.request('b', { keepAliveMs: -1 })
  assert.equal(stage.release(1), ['kill #1 keep_alive'])
  stage.release(2)
  assert.equal(stage.wait(1e9), [])
})

test('a caller who left says nothing of keep_alive', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  stage.resident('a')
  stage.request('a', { keepAliveMs: -1 })
  stage.cancel(1)
  assert.equal(stage.wait(5000), ['kill #1 keep_alive'])
})

test('after a load by the operator it counts from ready', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  assert.equal(stage.load('a'), ['load #1 a'])
  stage.wait(8000)
  assert.equal(stage.loaded(1), [])
  assert.equal(stage.wait(4999), [])
  assert.equal(stage.wait(1), ['kill #1 keep_alive'])
})

test('the operator renews it for an idle isolate', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  stage.resident('a')
  stage.wait(4000)
  assert.equal(stage.load('a'), [])
  assert.equal(stage.wait(4999), [])
  assert.equal(stage.wait(1), ['kill #1 keep_alive'])
})

test('with keep_alive 0 an operator’s load lives until its first release', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.resident('a')
  assert.equal(stage.wait(1e6), [])
  stage.request('a')
  assert.equal(stage.release(1), ['kill #1 keep_alive'])
})

test('with keep_alive 0 a load whose caller left ends at once', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.request('a')
  assert.equal(stage.cancel(1), ['kill #1 keep_alive'])
})

test('the operator’s load outlives a caller who leaves', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 0 })
  stage.request('a')
  stage.load('a')
  assert.equal(stage.cancel(1), [])
  assert.equal(stage.loaded(1), [])
})

test('a load whose waiters all left counts from ready', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: 5000 })
  stage.request('a', { timeoutMs: 1000 })
  assert.equal(stage.wait(3000), ['refuse 1 deadline_exceeded'])
  stage.loaded(1)
  assert.equal(stage.wait(4999), [])
  assert.equal(stage.wait(1), ['kill #1 keep_alive'])
})

test('a new keep_alive under the same revision counts from the last release', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: -1 })
  stage.resident('a')
  stage.wait(3000)
  stage.deploy({ name: 'a', keepAliveMs: 5000 })
  assert.equal(stage.wait(1999), [])
  assert.equal(stage.wait(1), ['kill #1 keep_alive'])
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { stagedName } from '../../runtime/scheduler/staging.ts'
import type { Terms } from '../../runtime/scheduler/types.ts'
import { defaults, Stage } from './stage.ts'

const test = suite('staging')
const staged = stagedName('a')

test('beside the one that serves: loaded, tried, promoted warm; the old one finishes what it has', () => {
  const house = new Stage({}, { name: 'a' })
  house.resident('a')
  house.request('a')
  house.request('a')
  assert.equal(stage(house, { revision: '2' }), [])
  assert.equal(house.request(staged), [`load #2 ${staged}`])
  assert.equal(house.loaded(2), ['grant 3 #2'])
  assert.equal(house.release(3), [])
  assert.equal(promote(house, { revision: '2' }), ['grant 2 #2'])
  assert.equal(house.release(1), ['kill #1 replaced'])
  assert.equal(house.release(2), [])
  assert.equal(house.wait(10_000), ['kill #2 keep_alive'])
  const { name, revision, loads } = house.row('a')
  assert.equal([name, revision, loads], ['a', '2', 2])
  assert.is(house.scheduler.snapshot().length, 1)
})

test('keep_alive does not count while it is tried, and counts as after a load once it is promoted', () => {
  for (const [keepAliveMs, lines] of [
    [0, ['kill #1 keep_alive']],
    [-1, []],
  ] as const) {
    const house = new Stage()
    stage(house, { keepAliveMs })
    load(house)
    assert.equal(house.wait(1e6), [])
    assert.equal(promote(house, { keepAliveMs }), lines)
    assert.equal(house.wait(1e6), [])
  }
})

test('of a name that is new: it is there once it is promoted', () => {
  const house = new Stage()
  stage(house, {})
  assert.equal(house.request('a'), ['refuse 1 not_found'])
  load(house)
  promote(house, {})
  assert.equal(house.request('a'), ['grant 3 #1'])
})

test('pinned: what pins counts from the promotion on', () => {
  const house = new Stage({}, { name: 'b', sizeBytes: 700 })
  stage(house, { pin: true, sizeBytes: 400 })
  load(house, 400)
  // Else it would be refused for good, as what never fits beside what is pinned.
  assert.equal(house.request('b'), [])
  assert.equal(promote(house, { pin: true, sizeBytes: 400 }), ['refuse 2 out_of_memory'])
  assert.equal(house.wait(1e6), [])
})

test('memory: idle ones go for it, the one that serves too, and who comes meanwhile gets the warm one', () => {
  const house = new Stage({}, { name: 'a', sizeBytes: 600 })
  house.resident('a', { sizeBytes: 600 })
  house.wait(1000)
  stage(house, { revision: '2', sizeBytes: 600 })
  assert.equal(house.request(staged), ['kill #1 evicted'])
  assert.equal(house.exited(1), [`load #2 ${staged}`])
  assert.equal(house.request('a'), [])
  assert.equal(house.loaded(2, { sizeBytes: 600 }), ['grant 1 #2'])
  house.release(1)
  assert.equal(promote(house, { revision: '2', sizeBytes: 600 }), ['grant 2 #2'])
})

test('memory: no busy one is closed for it, however long it waits; nor does it hold up others', () => {
  const house = new Stage({}, { name: 'a', sizeBytes: 600 }, { name: 'b', sizeBytes: 300 })
  house.resident('a', { sizeBytes: 600 })
  house.request('a')
  stage(house, { revision: '2', sizeBytes: 600 })
  house.request(staged)
  assert.equal(house.wait(100_000), [])
  assert.equal(house.request('b'), ['load #2 b'])
  assert.equal(house.request('a'), [])
  assert.equal(house.release(1), ['grant 4 #1'])
  assert.equal(house.cancel(2), [])
})

test('memory: beside a pinned one that leaves no room it is refused, and told what to do', () => {
  const house = new Stage({}, { name: 'a', sizeBytes: 600, pin: true })
  house.resident('a', { sizeBytes: 600 })
  stage(house, { revision: '2', sizeBytes: 600, pin: true })
  assert.equal(house.request(staged), ['refuse 1 out_of_memory'])
  assert.match(house.refusal().message, /a \(new revision\) needs 0 MB.*unload one of those/)
})

test('memory: it stays while it is tried, until somebody else starves', () => {
  const house = new Stage({}, { name: 'b', sizeBytes: 600 })
  stage(house, { sizeBytes: 600 })
  load(house, 600)
  house.wait(5000)
  assert.equal(house.request('b'), [])
  assert.equal(house.wait(1999), [])
  assert.equal(house.wait(1), ['kill #1 evicted'])
  assert.equal(house.exited(1), ['load #2 b'])
  // Promoted all the same, it is an ordinary new revision: cold.
  assert.equal(promote(house, { sizeBytes: 600 }), [])
  assert.is(house.row('a').state, 'cold')
})

test('an engine that is full: an idle one goes, and it is tried once more', () => {
  const house = new Stage({}, { name: 'a' })
  house.resident('a')
  house.wait(1000)
  stage(house, { revision: '2' })
  house.request(staged)
  assert.equal(house.loadFailed(2, { outOfMemory: true }), ['kill #2 failed', 'kill #1 evicted'])
  house.exited(2)
  assert.equal(house.exited(1), [`load #3 ${staged}`])
})

test('what is staged is not evicted where the engine is full for another', () => {
  const house = new Stage({}, { name: 'b' })
  stage(house, {})
  load(house)
  house.request('b')
  assert.equal(house.loadFailed(2, { outOfMemory: true }), ['kill #2 failed'])
  assert.equal(house.exited(2), [])
  house.scheduler.discard('a')
  assert.equal(house.exited(1), ['load #3 b'])
})

test('a load that fails: refused with why, and nothing of a next try, for there is none', () => {
  const house = new Stage({}, { name: 'a' })
  house.resident('a')
  stage(house, { revision: '2' })
  house.request(staged)
  assert.equal(house.loadFailed(2), ['kill #2 failed', 'refuse 1 load_failed'])
  assert.is(house.refusal().message, 'a (new revision) could not be loaded: no such file.')
  assert.equal(house.tell(house.scheduler.discard('a')), [])
  assert.equal(house.request('a'), ['grant 2 #1'])
})

test('discard: ended at once, whatever it does, and the name is free for the next', () => {
  const house = new Stage({}, { name: 'a' })
  stage(house, { revision: '2' })
  assert.throws(() => stage(house, { revision: '3' }), /staged already/)
  load(house)
  house.request(staged)
  house.request(staged)
  assert.equal(house.tell(house.scheduler.discard('a')), ['refuse 3 not_found', 'kill #1 discarded'])
  assert.equal(house.release(2), [])
  stage(house, { revision: '3' })
  assert.throws(() => house.scheduler.promote({ ...defaults, name: 'b' }), /not staged/)
  assert.equal(house.tell(house.scheduler.discard('b')), [])
})

test('the name changes meanwhile: removed, deployed anew, loading, backing off', () => {
  const meanwhile: [string, (house: Stage) => unknown, string[]][] = [
    ['removed', (house) => house.remove('a'), []],
    ['deployed', (house) => house.deploy({ revision: '3' }), []],
    ['loading', (house) => house.request('a'), ['kill #2 replaced', 'grant 2 #1']],
    ['failed', (house) => (house.request('a'), house.loadFailed(2)), []],
    ['load wanted', (house) => house.load('a'), ['kill #2 replaced']],
  ]
  for (const [what, act, lines] of meanwhile) {
    const house = new Stage({}, { name: 'a' })
    stage(house, { revision: '2' })
    load(house)
    act(house)
    assert.equal(promote(house, { revision: '2' }), lines, what)
    const { revision, state, retryAt } = house.row('a')
    assert.equal([revision, state, retryAt], ['2', 'ready', undefined], what)
  }
})

test('a crash while it is tried: nothing of it counts against what serves', () => {
  const house = new Stage({}, { name: 'a' })
  house.resident('a')
  stage(house, { revision: '2' })
  house.request(staged)
  house.loaded(2)
  assert.equal(house.exited(2), [])
  house.release(1)
  house.tell(house.scheduler.discard('a'))
  const { crashes, state, loads } = house.row('a')
  assert.equal([crashes, state, loads], [0, 'ready', 1])
})

test('a probe that is cancelled after the promotion does not keep it loaded for ever', () => {
  const house = new Stage()
  stage(house, {})
  house.request(staged)
  house.loaded(1)
  promote(house, {})
  assert.equal(house.cancel(1), [])
  assert.equal(house.wait(10_000), ['kill #1 keep_alive'])
})

test('shutdown ends it, loading or loaded, and a promotion under way changes nothing of that', () => {
  const house = new Stage({}, { name: 'a' })
  stage(house, {})
  load(house)
  stage(house, { name: 'b' })
  house.request(stagedName('b'))
  assert.equal(house.tell(house.scheduler.shutdown()), ['refuse 2 stopping', 'kill #2 stopping', 'kill #1 stopping'])
  assert.equal(promote(house, {}), [])
  house.exited(1)
  house.exited(2)
  assert.ok(house.scheduler.isIdle())
})

test.run()

// --- internal ---

function stage(house: Stage, terms: Partial<Terms>): string[] {
  return house.tell(house.scheduler.stage({ ...defaults, ...terms }))
}

function promote(house: Stage, terms: Partial<Terms>): string[] {
  return house.tell(house.scheduler.promote({ ...defaults, ...terms }))
}

/** Loads what is staged as `a`, as its owner does: by a request, which is over at once. */
function load(house: Stage, sizeBytes = 100): void {
  house.request(staged)
  const isolate = house.scheduler.snapshot().find(({ name }) => name === staged)!.isolate!
  house.loaded(isolate, { sizeBytes })
  const grant = house.effects.find((effect) => effect.type === 'grant')!
  house.release(grant.request)
}

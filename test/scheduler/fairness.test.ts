import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../support/random.ts'
import { boundMs, flood, type Flooded } from './flood.ts'
import { Stage } from './stage.ts'

const whole = { sizeBytes: 1000, memoryBytes: 10_000 }
const test = suite('fairness')

/** `a` holds all memory and is busy with request 1. */
function occupied(...others: NonNullable<ConstructorParameters<typeof Stage>[1]>[]): Stage {
  const stage = new Stage({}, { name: 'a', ...whole }, ...others)
  stage.resident('a', whole)
  stage.wait(1000)
  stage.request('a')
  return stage
}

test('of those that wait for memory, the highest priority gets it first', () => {
  const stage = occupied({ name: 'b', ...whole, priority: 10 }, { name: 'c', ...whole, priority: 11 })
  stage.request('b')
  stage.request('c')
  stage.release(1)
  assert.equal(stage.exited(1), ['load #2 c'])
})

test('of equal priority, the one that has waited longest', () => {
  const stage = occupied({ name: 'b', ...whole }, { name: 'c', ...whole })
  stage.request('c')
  stage.wait(1)
  stage.request('b')
  stage.release(1)
  assert.equal(stage.exited(1), ['load #2 c'])
})

test('waiting makes up for priority', () => {
  const stage = new Stage(
    { ageingMs: 500, starvingAfterMs: 1e9 },
    { name: 'a', ...whole },
    { name: 'b', ...whole, priority: 10 },
    { name: 'c', ...whole, priority: 12 },
  )
  stage.resident('a', whole)
  stage.wait(1000)
  stage.request('a')
  stage.request('b')
  stage.wait(1500)
  stage.request('c')
  stage.release(1)
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('a request that starves closes the busy isolate in its way, and loads when that is gone', () => {
  const stage = occupied({ name: 'b', ...whole })
  stage.request('a')
  stage.request('b')
  assert.equal(stage.wait(2000), [])
  assert.ok(stage.notes.includes('starving b'))
  assert.is(stage.row('a').state, 'draining')
  assert.equal(stage.release(1), ['kill #1 evicted'], 'request 2 of a waits')
  assert.equal(stage.exited(1), ['load #2 b'])
})

test('before that, a flood goes on', () => {
  const stage = occupied({ name: 'b', ...whole })
  stage.request('a')
  stage.request('b')
  stage.wait(1999)
  assert.equal(stage.release(1), ['grant 2 #1'])
})

test('as few are closed as needed, the lowest priority first', () => {
  const third = { sizeBytes: 330 }
  const names = ['a', 'b', 'c']
  const stage = new Stage({}, ...names.map((name, at) => ({ name, ...third, priority: 20 - at })), {
    name: 'd',
    ...third,
  })
  for (const name of names) stage.resident(name, third)
  for (const name of names) stage.request(name)
  stage.request('d')
  stage.wait(2000)
  assert.equal(
    names.map((name) => stage.row(name).state),
    ['ready', 'ready', 'draining'],
  )
})

test('one that is closed goes back to work when the starving one has left', () => {
  const stage = occupied({ name: 'b', ...whole })
  stage.request('a')
  stage.request('b')
  stage.wait(2000)
  assert.equal(stage.cancel(3), [])
  assert.is(stage.row('a').state, 'ready')
  assert.equal(stage.release(1), ['grant 2 #1'])
})

test('a free place in one that goes back to work is given at once', () => {
  const stage = new Stage({}, { name: 'a', ...whole, concurrency: 2 }, { name: 'b', ...whole })
  stage.resident('a', whole)
  stage.wait(1000)
  stage.request('a')
  stage.request('b', { timeoutMs: 3000 })
  stage.wait(2500)
  assert.equal(stage.request('a'), [])
  assert.equal(stage.wait(500), ['refuse 2 deadline_exceeded', 'grant 3 #1'])
})

test('but not when the next is starving too', () => {
  const stage = new Stage({}, { name: 'a', ...whole, concurrency: 2 }, { name: 'b', ...whole }, { name: 'c', ...whole })
  stage.resident('a', whole)
  stage.wait(1000)
  stage.request('a')
  stage.request('b')
  stage.request('c')
  stage.wait(2000)
  stage.request('a')
  assert.equal(stage.cancel(2), [], 'request 4 of a gets no place')
  assert.equal(stage.release(1), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 c'])
})

test('one that starves, but must wait for promises to others, is passed by nobody', () => {
  const stage = occupied(
    { name: 'b', sizeBytes: 400, priority: 12 },
    { name: 'c', sizeBytes: 800, priority: 11 },
    { name: 'd', sizeBytes: 400, priority: 10 },
  )
  for (const name of ['b', 'c', 'd']) stage.request(name)
  stage.wait(2000)
  assert.equal(stage.release(1), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #2 b'], 'd would fit beside it')
  stage.loaded(2, { sizeBytes: 400 })
  stage.wait(1000)
  assert.equal(stage.release(2), ['kill #2 evicted'])
  assert.equal(stage.exited(2), ['load #3 c'])
})

test('a new revision inherits how long its requests have waited', () => {
  const stage = occupied({ name: 'b', ...whole })
  stage.request('b')
  stage.wait(1500)
  stage.deploy({ name: 'b', revision: '2', ...whole })
  stage.wait(500)
  assert.is(stage.row('a').state, 'draining')
})

test('an isolate keeps its turn for as long as its load took', () => {
  const stage = new Stage({}, { name: 'a', ...whole }, { name: 'b', ...whole })
  stage.load('a')
  stage.loaded(1, { ...whole, loadMs: 5000 })
  stage.request('a')
  stage.request('b')
  stage.wait(4999)
  assert.is(stage.row('a').state, 'ready')
  stage.wait(1)
  assert.is(stage.row('a').state, 'draining')
})

test('while one starves, nobody loads into what it needs', () => {
  const stage = new Stage(
    {},
    { name: 'a', sizeBytes: 600 },
    { name: 'b', sizeBytes: 900 },
    { name: 'c', sizeBytes: 300 },
    { name: 'd', sizeBytes: 100 },
  )
  stage.resident('a', { sizeBytes: 600 })
  stage.request('a')
  stage.request('b')
  stage.wait(2000)
  assert.equal(stage.request('c'), [], 'c and b do not fit together')
  assert.equal(stage.request('d'), ['load #2 d'], 'd and b do')
})

test('two floods alternate: neither starves', () => {
  const served = flood([
    { name: 'a', ...whole, priority: 31 },
    { name: 'b', ...whole, priority: 0 },
  ])
  assert.ok(served['a']!.count > 100 && served['b']!.count > 100, JSON.stringify(served))
  // Starving after 2 s, 16 s of ageing for 31 steps of priority, and one turn: 1 s, a request, a kill and a load.
  assert.ok(served['a']!.longestMs < 19_000 && served['b']!.longestMs < 19_000, JSON.stringify(served))
})

test('many floods take turns', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const served = flood(names.map((name) => ({ name, sizeBytes: 450, memoryBytes: 10_000 })))
  for (const name of names) {
    assert.ok(served[name]!.count > 50, `${name} ${JSON.stringify(served)}`)
    // 2 s until it starves, and one turn of each other: 1 s, a request, a kill and a load.
    assert.ok(served[name]!.longestMs < 2000 + 5 * 1500, `${name} ${JSON.stringify(served)}`)
  }
})

test('a large one is not starved by small ones that come and go', () => {
  const small = ['b', 'c', 'd', 'e'].map((name) => ({
    name,
    sizeBytes: 250,
    memoryBytes: 10_000,
    keepAliveMs: 0,
    priority: 31,
  }))
  const served = flood([{ name: 'a', ...whole, priority: 0 }, ...small])
  assert.ok(served['a']!.count > 20, JSON.stringify(served))
  assert.ok(served['a']!.longestMs < 25_000, JSON.stringify(served))
})

for (const seed of Array.from({ length: 40 }, (_, at) => at + 1))
  test(`mix ${seed} of loads, requests, priorities and sizes: nobody waits longer than docs/scheduling.md says`, () => {
    const mix = mixOf(seed)
    const served = flood(mix, 60_000, seed)
    const [quiet, ...others] = mix as [Flooded, ...Flooded[]]
    const { count, longestMs } = served[quiet.name]!
    assert.ok(count > 0 && longestMs <= boundMs(quiet, others), `${longestMs} ms: ${JSON.stringify(mix)}`)
  })

test.run()

// --- internal ---

/** One who asks now and then, and one to three others, most of them floods; loads and requests of milliseconds to seconds. */
function mixOf(seed: number): Flooded[] {
  const random = new Random(seed)
  return ['quiet', 'b', 'c', 'd'].slice(0, random.integer(2, 4)).map((name, at) => ({
    name,
    sizeBytes: random.pick([300, 500, 700, 1000]),
    memoryBytes: 10_000,
    priority: random.integer(0, 31),
    keepAliveMs: random.pick([0, 500, -1]),
    concurrency: random.integer(1, 4),
    queue: { depth: 40, drop: 'newest' },
    callers: at === 0 ? 1 : random.pick([1, 16]),
    pauseMs: at === 0 ? 3000 : random.pick([0, 2000]),
    requestMs: random.magnitude(5, 3000),
    loadMs: random.magnitude(50, 6000),
  }))
}

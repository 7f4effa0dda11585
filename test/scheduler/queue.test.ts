import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Queue } from '../../runtime/scheduler/queue.ts'
import type { Link } from '../../runtime/scheduler/queue.ts'

interface Item extends Link<Item> {
  name: string
}

const test = suite('queue')

test('gives in order of arrival', () => {
  const queue = filled(['a', 1], ['b', 2], ['c', 3])
  assert.equal(names(queue), ['a', 'b', 'c'])
  assert.is(queue.size, 0)
  assert.is(queue.shift(), undefined)
})

for (const [at, left] of [
  [0, ['b', 'c']],
  [1, ['a', 'c']],
  [2, ['a', 'b']],
] as const)
  test(`one who leaves from place ${at} leaves the others in order`, () => {
    const items = [item('a', 1), item('b', 2), item('c', 3)]
    const queue = new Queue<Item>()
    for (const one of items) queue.push(one)
    queue.remove(items[at]!)
    assert.is(queue.size, 2)
    queue.push(items[at]!)
    assert.equal(names(queue), [...left, items[at]!.name])
  })

test('takes out those whose deadline has come, in order of arrival, and knows the next', () => {
  const queue = filled(['a', 30], ['b', 10], ['c', 20], ['d', Infinity])
  assert.is(queue.deadlineAt, 10)
  assert.equal(queue.takeExpired(9), [])
  assert.equal(
    queue.takeExpired(20).map((one) => one.name),
    ['b', 'c'],
  )
  assert.is(queue.deadlineAt, 30)
  assert.equal(names(queue), ['a', 'd'])
})

test('has no deadline when empty', () => {
  const queue = filled(['a', 30])
  queue.shift()
  assert.is(queue.deadlineAt, Infinity)
})

test('chained ones stand before all others, in their own order', () => {
  const queue = filled(['a', 30], ['b', 30])
  const chained = { ...item('c', 20), isChained: true }
  queue.push(chained)
  queue.push({ ...item('d', 30), isChained: true })
  queue.push(item('e', 30))
  assert.is(queue.chained, 2)
  assert.equal(
    queue.chainedOnes().map(({ name }) => name),
    ['c', 'd'],
  )
  queue.remove(chained)
  queue.push({ ...item('f', 30), isChained: true })
  const oldest = queue.oldestUnchained!
  assert.is(oldest.name, 'a')
  queue.remove(oldest)
  assert.equal(names(queue), ['d', 'f', 'b', 'e'])
  assert.is(queue.chained, 0)
  assert.is(queue.oldestUnchained, undefined)
})

test('a chained one comes into an empty queue, and goes from the end of one', () => {
  const queue = filled()
  const chained = { ...item('a', 30), isChained: true }
  queue.push(chained)
  queue.remove(chained)
  queue.push(item('b', 30))
  queue.push({ ...chained })
  assert.equal(names(queue), ['a', 'b'])
})

test.run()

// --- internal ---

function item(name: string, deadlineAt: number): Item {
  return { name, deadlineAt, isChained: false, previous: undefined, next: undefined }
}

function filled(...entries: [string, number][]): Queue<Item> {
  const queue = new Queue<Item>()
  for (const [name, deadlineAt] of entries) queue.push(item(name, deadlineAt))
  return queue
}

function names(queue: Queue<Item>): string[] {
  const taken: string[] = []
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) taken.push(one.name)
  return taken
}

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { OwnerBooks } from '../../runtime/scheduler/stalls.ts'
import { Stage } from './stage.ts'

const test = suite('stalls')

/** Events that are lost in between make every kind; what the owner knows is counted by hand. */
const cases: { title: string; found: RegExp[]; act(stage: Stage): Partial<OwnerBooks> }[] = [
  { title: 'nothing happens', found: [], act: () => ({}) },
  {
    title: 'a request is served',
    found: [],
    act(stage) {
      stage.resident('a')
      stage.request('a', { timeoutMs: 1000 })
      return { leases: 1, isolates: ready(1) }
    },
  },
  {
    title: 'a request was never heard of',
    found: [/^waiting: requests that wait: 1, by the scheduler's books 0/],
    act: () => ({ waiting: 1 }),
  },
  {
    title: 'the end of a request was never heard of',
    found: [/^leases: requests at work: 0, by the scheduler's books 1/],
    act(stage) {
      stage.resident('a')
      stage.request('a')
      return { isolates: ready(1) }
    },
  },
  {
    title: 'nobody rings at a deadline',
    found: [/^alarm 1000: /, /^late a 1000: a request for a still waits/, /^loading 1: /],
    act(stage) {
      stage.request('a', { timeoutMs: 1000 })
      stage.now = 1000
      return { waiting: 1, isolates: loading(1) }
    },
  },
  {
    title: 'a request is past its deadline and holds its place',
    found: [/^lease 1: a request to a is past its deadline/],
    act(stage) {
      stage.resident('a')
      stage.request('a', { timeoutMs: 1000 })
      stage.now = 1000
      return { leases: 1, isolates: ready(1) }
    },
  },
  {
    title: 'a process is loaded, ends, or is there, and the scheduler has not heard of it',
    found: [/^ready 1: a is loaded/, /^gone 2: the process of b is gone/, /^stray 3: /],
    act(stage) {
      stage.load('a')
      stage.load('b')
      return { isolates: new Map([...ready(1), ...ready(3)]) }
    },
  },
  {
    title: 'a load takes its time',
    found: [/^loading 1: a is being loaded/],
    act(stage) {
      stage.load('a')
      return { isolates: loading(1) }
    },
  },
  {
    title: 'a load waits at a breakpoint',
    found: [],
    act(stage) {
      stage.load('a')
      return { isolates: loading(1), isDebugged: (name) => name === 'a' }
    },
  },
  {
    title: 'a killed process does not end',
    found: [/^killed 1: the process of a was killed/],
    act(stage) {
      stage.resident('a')
      stage.unload('a')
      return { isolates: ready(1) }
    },
  },
  {
    title: 'an isolate is in doubt, and one waits for it',
    found: [/^doubt 1: a is being examined/],
    act(stage) {
      stage.resident('a')
      stage.scheduler.suspend(1)
      stage.request('a')
      return { waiting: 1, isolates: ready(1) }
    },
  },
  {
    title: 'one waits for another that is busy',
    found: [],
    act(stage) {
      stage.resident('a')
      stage.request('a')
      stage.request('big')
      return { waiting: 1, leases: 1, isolates: ready(1) }
    },
  },
  {
    title: 'one waits for another that is idle, for the time that is its own',
    found: [/^unserved big 0: big waits to be loaded/],
    act(stage) {
      stage.resident('a')
      stage.request('big')
      return { waiting: 1, isolates: ready(1) }
    },
  },
]

for (const { title, found, act } of cases)
  test(title, () => {
    const stage = new Stage({}, { name: 'a' }, { name: 'b' }, { name: 'big', sizeBytes: 950 })
    const owner = { waiting: 0, leases: 0, isolates: new Map(), isDebugged: () => false, ...act(stage) }
    const stalls = stage.scheduler.stalls(owner).map(({ key, message }) => `${key}: ${message}`)
    assert.is(stalls.length, found.length, stalls.join('\n'))
    for (const [i, stall] of stalls.entries()) assert.match(stall, found[i]!)
  })

test.run()

// --- internal ---

function ready(number: number): OwnerBooks['isolates'] {
  return new Map([[number, { isReady: true }]])
}

function loading(number: number): OwnerBooks['isolates'] {
  return new Map([[number, { isReady: false }]])
}

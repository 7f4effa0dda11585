import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { overgrown, roomFor } from '../../runtime/scheduler/eviction.ts'
import type { Demand, Resident } from '../../runtime/scheduler/eviction.ts'

const now = 100_000
const rules = { budgetBytes: 1000, minResidencyMs: 1000 }
const test = suite('eviction')

/** What is needed, what is there, and the verdict as one line: `load`, `claim 2 3`, `wait`, `wait 500` (ms from now). */
const anyone = { engine: 'cpu', beside: Infinity, isStarving: false, promisedBytes: 0 }
const table: [situation: string, demand: Partial<Demand>, residents: Partial<Resident>[], verdict: string][] = [
  ['empty memory takes it', {}, [], 'load'],
  ['what fits beside the others is loaded', {}, [{ sizeBytes: 900 }], 'load'],
  ['one byte too many evicts', { neededBytes: 101 }, [{ sizeBytes: 900 }], 'claim 1'],
  ['the longest idle goes first', { neededBytes: 400 }, [idle(300, 10), idle(300, 30), idle(300, 20)], 'claim 2'],
  [
    'a dear load outweighs a longer idle time',
    { neededBytes: 400 },
    [{ ...idle(300, 30), loadMs: 9000 }, { ...idle(300, 20), loadMs: 100 }, busy(300)],
    'claim 2',
  ],
  ['as many go as needed, and no more', { neededBytes: 700 }, [idle(300, 3), idle(300, 2), idle(300, 1)], 'claim 1 2'],
  [
    'one that a larger victim makes superfluous is spared',
    { neededBytes: 500 },
    [idle(100, 9), idle(800, 5)],
    'claim 2',
  ],
  ['busy ones are never evicted', { neededBytes: 500 }, [busy(600)], 'wait'],
  ['nor are some idle ones evicted in vain', { neededBytes: 900 }, [busy(600), idle(300, 9)], 'wait'],
  ['pinned ones are never evicted', { neededBytes: 300 }, [pinned(500), idle(300, 1)], 'claim 2'],
  ['nor loading ones', { neededBytes: 500 }, [{ sizeBytes: 600, state: 'loading', readyAt: Infinity }], 'wait'],
  ['what pinned ones hold for ever is said', { neededBytes: 600 }, [pinned(500)], 'never 500'],
  [
    'a pinned one that is leaving is in nobody’s way',
    { neededBytes: 600 },
    [{ ...pinned(500), state: 'leaving' }],
    'claim',
  ],
  ['one just ready is given its time', { neededBytes: 500 }, [young(600, 400)], 'wait 600'],
  ['an older one goes before it', { neededBytes: 500 }, [young(300, 400), idle(300, 2)], 'claim 2'],
  ['memory that is coming back is waited for', { neededBytes: 500 }, [{ sizeBytes: 900, state: 'leaving' }], 'claim'],
  [
    'and nobody else is evicted for it',
    { neededBytes: 500 },
    [{ sizeBytes: 500, state: 'leaving' }, idle(500, 9)],
    'claim',
  ],
  ['what is promised to others is not free', { promisedBytes: 600, neededBytes: 500 }, [], 'wait'],
  ['what is left beside promises is', { promisedBytes: 500, neededBytes: 500 }, [], 'load'],
  ['larger than the budget: alone', { neededBytes: 1200 }, [], 'load'],
  ['larger than the budget: all idle ones go', { neededBytes: 1200 }, [idle(100, 9), idle(100, 8)], 'claim 1 2'],
  ['larger than the budget: busy ones are waited for', { neededBytes: 1200 }, [idle(100, 9), busy(100)], 'wait'],
  ['larger than the budget: never beside pinned ones', { neededBytes: 1200 }, [pinned(100)], 'never 100'],
  ['a full engine: pinned ones stay beside it', { beside: 0 }, [pinned(100)], 'load'],
  ['a full engine: even one that would fit goes', { beside: 0 }, [idle(100, 5)], 'claim 1'],
  ['a full engine: even one of no size goes', { beside: 0 }, [idle(0, 5)], 'claim 1'],
  ['a full engine: others are no part of it', { beside: 0 }, [onNpu(idle(100, 9)), onNpu(busy(100))], 'load'],
  ['a full engine: only as many go as must', { beside: 1 }, [idle(100, 5), idle(100, 9), idle(100, 7)], 'claim 2 3'],
  ['a full engine: one that is dying still has its room', { beside: 0 }, [{ state: 'leaving' }], 'claim'],
  ['a full engine: the young are waited for', { beside: 0 }, [young(100, 400)], 'wait 600'],
  ['a full engine: the busy are waited for', { beside: 1 }, [busy(100), busy(100)], 'wait'],
  [
    'a full engine: starving, no more busy ones than must',
    { beside: 1, isStarving: true },
    [busy(9), busy(9)],
    'claim 1',
  ],
  [
    'a full engine and too little memory: its own goes for both, others for what is missing then',
    { beside: 0, neededBytes: 500 },
    [onNpu(idle(300, 9)), idle(300, 1), onNpu(idle(300, 8))],
    'claim 2 1',
  ],
  [
    'a full engine and too little memory: waits while only one of both can be had',
    { beside: 0, neededBytes: 500 },
    [onNpu(idle(600, 9)), busy(300)],
    'wait',
  ],
  ['starving: a busy one is closed', { isStarving: true, neededBytes: 500 }, [busy(600)], 'claim 1'],
  ['starving: idle ones still go first', { isStarving: true, neededBytes: 500 }, [busy(500), idle(500, 1)], 'claim 2'],
  [
    'starving: the lowest priority is closed first',
    { isStarving: true, neededBytes: 500 },
    [
      { ...busy(500), priority: 20 },
      { ...busy(500), priority: 3 },
    ],
    'claim 2',
  ],
  [
    'starving: of equals, the one that had the longest turn for its load',
    { isStarving: true, neededBytes: 500 },
    [
      { ...busy(500), readyAt: now - 9000 },
      { ...busy(500), readyAt: now - 90_000 },
    ],
    'claim 2',
  ],
  [
    'starving: one with a dear load keeps its turn for as long as that took',
    { isStarving: true, neededBytes: 500 },
    [{ ...busy(600), readyAt: now - 5000, loadMs: 8000 }],
    'claim wake 3000',
  ],
  [
    'starving: loading ones get their turn',
    { isStarving: true, neededBytes: 500 },
    [{ sizeBytes: 600, state: 'loading', readyAt: Infinity }],
    'claim',
  ],
  [
    'starving: pinned busy ones stay',
    { isStarving: true, neededBytes: 500 },
    [{ ...pinned(500), state: 'busy' }, busy(500)],
    'claim 2',
  ],
  [
    'starving, but promised to others: nobody passes',
    { isStarving: true, promisedBytes: 600, neededBytes: 500 },
    [],
    'hold',
  ],
  [
    'held ones are closed for nobody',
    { isStarving: true, neededBytes: 400 },
    [{ ...busy(600), isHeld: true }, busy(300)],
    'claim 2',
  ],
  [
    'what held ones leave is too little for now: others pass',
    { isStarving: true, neededBytes: 500 },
    [{ ...busy(600), isHeld: true }, idle(300, 9)],
    'blocked',
  ],
  [
    'held ones that are leaving stay',
    { isStarving: true, neededBytes: 500 },
    [{ sizeBytes: 600, state: 'leaving', isHeld: true }],
    'blocked',
  ],
  [
    'a held one in the way of one that needs the engine alone',
    { beside: 0 },
    [{ ...busy(10), isHeld: true }],
    'blocked',
  ],
  ['a held one on another engine is in no way', { beside: 0 }, [onNpu({ ...busy(10), isHeld: true })], 'load'],
]

for (const [situation, demand, residents, verdict] of table)
  test(situation, () => {
    const all = residents.map(toResident)
    const full = { ...anyone, neededBytes: 100, ...demand }
    assert.is(toLine(roomFor(full, all, rules, now)), verdict)
  })

test('memory without a bound takes everything', () => {
  const free = { budgetBytes: Infinity, minResidencyMs: 1000 }
  const demand = { ...anyone, neededBytes: 1e12, promisedBytes: 1e12 }
  assert.is(roomFor(demand, [toResident(pinned(1e12), 0)], free, now).act, 'load')
})

const grown: [situation: string, residents: Partial<Resident>[], victims: number[]][] = [
  ['within the budget nobody goes', [idle(500, 9), idle(500, 9)], []],
  ['beyond it idle ones go', [{ ...busy(700) }, idle(200, 2), idle(200, 9)], [3]],
  ['busy, pinned and young ones stay', [busy(700), pinned(700), young(700, 10)], []],
  ['one that is too large by itself stays, as nobody gains by its going', [idle(2000, 9)], []],
]
for (const [situation, residents, victims] of grown)
  test(`outgrown: ${situation}`, () => {
    assert.equal(
      overgrown(residents.map(toResident), rules, now).map((resident) => resident.isolate),
      victims,
    )
  })

test.run()

// --- internal ---

function idle(sizeBytes: number, seconds: number): Partial<Resident> {
  return { sizeBytes, idleSince: now - seconds * 1000 }
}

function busy(sizeBytes: number): Partial<Resident> {
  return { sizeBytes, state: 'busy' }
}

function pinned(sizeBytes: number): Partial<Resident> {
  return { sizeBytes, isPinned: true }
}

function onNpu(resident: Partial<Resident>): Partial<Resident> {
  return { ...resident, engine: 'npu' }
}

function young(sizeBytes: number, ageMs: number): Partial<Resident> {
  return { sizeBytes, readyAt: now - ageMs, idleSince: now - ageMs }
}

function toResident(given: Partial<Resident>, at: number): Resident {
  const base = {
    engine: 'cpu',
    state: 'idle',
    isHeld: false,
    sizeBytes: 100,
    loadMs: 100,
    readyAt: 0,
    idleSince: now - 5000,
    isPinned: false,
    priority: 16,
  }
  return { ...base, isolate: at + 1, ...given } as Resident
}

function toLine(verdict: ReturnType<typeof roomFor>): string {
  const wakeAt = 'wakeAt' in verdict && verdict.wakeAt < Infinity ? [String(verdict.wakeAt - now)] : []
  if (verdict.act === 'claim')
    return [
      'claim',
      ...verdict.victims.map((victim) => victim.isolate),
      ...(wakeAt.length > 0 ? ['wake', ...wakeAt] : []),
    ].join(' ')
  if (verdict.act === 'never') return `never ${verdict.pinnedBytes}`
  return [verdict.act, ...wakeAt].join(' ')
}

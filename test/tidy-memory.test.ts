import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createMemoryWatch } from '../runtime/tidy-memory.ts'

const test = suite('memory of main while isolates stay')
const megabyte = 2 ** 20

/** A process of 70 MB at the start, and how often it was tidied; what is in use beyond that stays. */
function processWith({ inUseMb = 0 }) {
  const state = { nowMs: 0, busyShare: 0, mb: 70, tidied: 0 }
  const look = createMemoryWatch({
    now: () => state.nowMs,
    residentBytes: () => state.mb * megabyte,
    busyShare: () => state.busyShare,
    tidy: () => {
      state.tidied++
      state.mb = 70 + inUseMb
    },
  })
  return { state, look }
}

test('garbage is given back once it is quiet, and what is little is left', () => {
  const { state, look } = processWith({})
  state.mb = 79
  look()
  assert.is(state.tidied, 0)
  state.mb = 95
  state.busyShare = 0.3
  look()
  assert.is(state.tidied, 0)
  state.busyShare = 0.001
  look()
  look()
  assert.equal([state.tidied, state.mb], [1, 70])
})

test('what is in use is looked at again a minute later, not before', () => {
  const { state, look } = processWith({ inUseMb: 40 })
  state.mb = 130
  for (state.nowMs = 0; state.nowMs < 120_000; state.nowMs += 5000) look()
  assert.is(state.tidied, 2)
})

test.run()

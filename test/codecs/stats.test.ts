import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mapStats, percentilesOf } from '../../runtime/codecs/stats.ts'

const stats = suite('stats')

stats('are over the values at or below the 95th percentile, which is a value of the map', () => {
  const oneToHundred = Float32Array.from({ length: 100 }, (_, i) => 100 - i)
  // Rank floor(0.95 * 99) = 94, counted from 0.
  assert.equal(mapStats(oneToHundred), { min: 1, max: 95, mean: 48, p95: 95 })
  assert.equal(mapStats(Float32Array.of(7)), { min: 7, max: 7, mean: 7, p95: 7 })
  assert.equal(mapStats(Float32Array.of(4, -2)), { min: -2, max: -2, mean: -2, p95: -2 })
})

stats('agree with sorting, for values of every kind', () => {
  for (const [name, value] of Object.entries(generators)) {
    for (const length of [1, 2, 3, 20, 21, 1000, 40_001]) {
      const random = noise(length)
      const data = Float32Array.from({ length }, () => value(random()))
      assert.equal(mapStats(data).p95, bySorting(data).p95, `${name} ${length}`)
      const found = mapStats(data)
      const expected = bySorting(data)
      assert.ok(Math.abs(found.mean - expected.mean) <= 1e-9 * (1 + Math.abs(expected.mean)), `${name} ${length} mean`)
      assert.is(found.min, expected.min, `${name} ${length} min`)
      assert.is(found.max, expected.max, `${name} ${length} max`)
      assert.ok(found.min <= found.mean && found.mean <= found.p95 && found.p95 <= found.max, `${name} ${length} order`)
    }
  }
})

stats('the mean of equal values is that value', () => {
  const value = Math.fround(0.1)
  assert.equal(mapStats(new Float32Array(307_201).fill(value)), { min: value, max: value, mean: value, p95: value })
})

stats('leave out NaN and infinities', () => {
  const data = Float32Array.of(NaN, 1, Infinity, 2, -Infinity, 3, NaN)
  assert.equal(mapStats(data), { min: 1, max: 2, mean: 1.5, p95: 2 })
  assert.equal(percentilesOf(data, [0, 50, 100]), [1, 2, 3])
  for (const none of [new Float32Array(0), Float32Array.of(NaN, Infinity, -Infinity)]) {
    assert.ok(Object.values(mapStats(none)).every(Number.isNaN))
    assert.equal(percentilesOf(none, [0, 95]), [NaN, NaN])
  }
})

stats('percentiles are values of the map, of lower rank', () => {
  const random = noise(3)
  const data = Float32Array.from({ length: 5003 }, () => random() * 20 - 10)
  const sorted = data.toSorted()
  const percentiles = [0, 0.1, 1, 25, 50, 75, 99, 99.99, 100]
  assert.equal(
    percentilesOf(data, percentiles),
    percentiles.map((percentile) => sorted[Math.floor((percentile / 100) * 5002)]),
  )
})

stats('read a map that is a part of other memory', () => {
  const whole = Float32Array.of(99, 99, 1, 2, 3, 99)
  assert.equal(percentilesOf(whole.subarray(2, 5), [0, 100]), [1, 3])
})

stats.run()

// --- internal ---

/** Values from a number between 0 and 1. */
const generators: Record<string, (random: number) => number> = {
  'between 0 and 1': (random) => random,
  'of both signs': (random) => random * 2 - 1,
  negative: (random) => -random * 1000,
  'of few levels': (random) => Math.floor(random * 5) - 2,
  'zeros of both signs': (random) => (random < 0.5 ? -0 : random < 0.9 ? 0 : 1e-42),
  'over all magnitudes': (random) => (random < 0.5 ? -1 : 1) * 10 ** (((random * 7919) % 70) - 35),
  'beside each other in their last bits': (random) => 1 + Math.floor(random * 100) * 2 ** -23,
}

function noise(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
}

function bySorting(data: Float32Array) {
  const p95 = data.toSorted()[Math.floor(0.95 * (data.length - 1))]!
  const kept = data.filter((value) => value <= p95)
  const mean = kept.reduce((sum, value) => sum + value, 0) / kept.length
  return { min: kept.reduce((a, b) => Math.min(a, b)), max: p95, mean, p95 }
}

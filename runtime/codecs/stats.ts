import type { ValueRange } from './map.ts'

/** `mean <= p95 = max`: all four are over the values at or below the 95th percentile. */
export interface MapStats {
  min: number
  max: number
  mean: number
  p95: number
}

/**
 * Statistics over the values at or below the 95th percentile, which is a value of the map itself (lower rank, numpy's
 * `percentile(map, 95, method='lower')`). NaN and infinities are left out; with no finite value all four are NaN.
 */
export function mapStats(data: Float32Array): MapStats {
  const [p95 = NaN] = percentilesOf(data, [95])
  let sum = 0
  let count = 0
  let min = p95
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (!(value <= p95) || value === -Infinity) continue
    sum += value
    count++
    if (value < min) min = value
  }
  // The rounding of the sum must not lift the mean of equal values above them.
  return { min, max: p95, mean: Math.min(Math.max(sum / count, min), p95), p95 }
}

/**
 * The values at the given percentiles (0 to 100), lower rank: values of the map itself. NaN and infinities are left out;
 * NaN where no value is finite. Two passes over the values for one percentile, nothing is sorted.
 */
export function percentilesOf(data: Float32Array, percentiles: readonly number[]): number[] {
  const histogram = histogramOf(data)
  const bits = bitsOf(data)
  return percentiles.map((percentile) => {
    const at = locate(histogram, percentile)
    if (!at) return NaN
    const low = new Uint32Array(buckets)
    for (let i = 0; i < bits.length; i++) if (bits[i]! >>> 16 === at.bucket) low[bits[i]! & 0xffff]!++
    let count = at.below
    for (const suffix of suffixesOf(at.bucket)) {
      count += low[suffix]!
      if (count > at.rank) return valueOf(at.bucket, suffix)
    }
    return NaN
  })
}

/** The smallest and the largest value; NaN is left out. `min > max` where there is none. */
export function rangeOf(data: Float32Array): ValueRange {
  let min = Infinity
  let max = -Infinity
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}

// --- internal ---

/**
 * Order statistics by the values' own bits: a bucket is the upper half of a float32. Within one sign these order as the
 * values do; negative ones order backwards and come first.
 */
const buckets = 0x10000

function bitsOf(data: Float32Array): Uint32Array {
  return new Uint32Array(data.buffer, data.byteOffset, data.length)
}

function histogramOf(data: Float32Array): Uint32Array {
  const histogram = new Uint32Array(buckets)
  const bits = bitsOf(data)
  for (let i = 0; i < bits.length; i++) histogram[bits[i]! >>> 16]!++
  return histogram
}

/** Exponents of all ones, at both ends, are NaN and the infinities. */
const firstPlace = 0x80
const endPlace = 0xff80

/** The bucket at a place in rising order of value. */
function bucketAt(place: number): number {
  return place < 0x8000 ? 0xffff - place : place - 0x8000
}

/** The bucket in which the percentile lies, its rank among the finite values, and how many lie below the bucket. */
function locate(histogram: Uint32Array, percentile: number) {
  let total = 0
  for (let place = firstPlace; place < endPlace; place++) total += histogram[bucketAt(place)]!
  if (total === 0) return undefined
  const rank = Math.floor((percentile / 100) * (total - 1))
  let below = 0
  for (let place = firstPlace; place < endPlace; place++) {
    const bucket = bucketAt(place)
    if (below + histogram[bucket]! > rank) return { bucket, rank, below }
    below += histogram[bucket]!
  }
  return undefined
}

function* suffixesOf(bucket: number): Generator<number> {
  if (bucket >= 0x8000) for (let suffix = 0xffff; suffix >= 0; suffix--) yield suffix
  else for (let suffix = 0; suffix <= 0xffff; suffix++) yield suffix
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

function valueOf(bucket: number, suffix: number): number {
  word[0] = bucket * buckets + suffix
  return float[0]!
}

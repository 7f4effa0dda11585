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
  const bits = bitsOf(data)
  const bucket = findBucket(histogramOf(bits), 95)
  if (!bucket) return { min: NaN, max: NaN, mean: NaN, p95: NaN }
  const { upper, size, below, rank } = bucket
  const inside = new Uint16Array(size)
  let found = 0
  let sum = 0
  let min = Infinity
  for (let i = 0; i < bits.length; i++) {
    const place = placeOf(bits[i]!)
    if (place === upper) inside[found++] = lowerOf(bits[i]!)
    else if (place < upper && place >= firstFinite) {
      const value = data[i]!
      sum += value
      if (value < min) min = value
    }
  }
  const last = lowerAt(inside, rank)
  let count = below
  for (let i = 0; i < size; i++) {
    if (inside[i]! > last) continue
    const value = valueOf(upper, inside[i]!)
    sum += value
    count++
    if (value < min) min = value
  }
  const p95 = valueOf(upper, last)
  // The rounding of the sum must not lift the mean of equal values above them.
  return { min, max: p95, mean: Math.min(Math.max(sum / count, min), p95), p95 }
}

/**
 * The values at the given percentiles (0 to 100), lower rank: values of the map itself. NaN and infinities are left out;
 * NaN where no value is finite. One pass over the values and one more for each percentile; nothing is sorted.
 */
export function percentilesOf(data: Float32Array, percentiles: readonly number[]): number[] {
  const bits = bitsOf(data)
  const histogram = histogramOf(bits)
  return percentiles.map((percentile) => {
    const bucket = findBucket(histogram, percentile)
    if (!bucket) return NaN
    const { upper, size, rank } = bucket
    const inside = new Uint16Array(size)
    for (let i = 0, found = 0; found < size; i++) if (placeOf(bits[i]!) === upper) inside[found++] = lowerOf(bits[i]!)
    return valueOf(upper, lowerAt(inside, rank))
  })
}

// --- internal ---

/*
 * Order statistics by counting. The bits of a float32, all turned over where it is negative, else only the sign, rise as
 * the value does. Their upper half is a value's place among 65,536; their lower half orders values of one place.
 */
const places = 0x10000
/** NaN and the infinities lie below and above these. */
const firstFinite = 0x80
const endFinite = 0xff80

function bitsOf(data: Float32Array): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, data.length)
}

function placeOf(bits: number): number {
  return (bits ^ ((bits >> 31) | 0x80000000)) >>> 16
}

function lowerOf(bits: number): number {
  return (bits ^ (bits >> 31)) & 0xffff
}

const word = new Int32Array(1)
const float = new Float32Array(word.buffer)

function valueOf(place: number, lower: number): number {
  word[0] = place < 0x8000 ? ~((place << 16) | lower) : ((place - 0x8000) << 16) | lower
  return float[0]!
}

function histogramOf(bits: Int32Array): Uint32Array {
  const histogram = new Uint32Array(places)
  // Neighbours often share a place: counting four of them a turn costs a third less.
  const whole = bits.length - (bits.length % 4)
  for (let i = 0; i < whole; i += 4) {
    histogram[placeOf(bits[i]!)]!++
    histogram[placeOf(bits[i + 1]!)]!++
    histogram[placeOf(bits[i + 2]!)]!++
    histogram[placeOf(bits[i + 3]!)]!++
  }
  for (let i = whole; i < bits.length; i++) histogram[placeOf(bits[i]!)]!++
  return histogram
}

/** The place of a percentile, how many values it has and how many lie below, and the rank of the percentile in it. */
function findBucket(histogram: Uint32Array, percentile: number) {
  let total = 0
  for (let place = firstFinite; place < endFinite; place++) total += histogram[place]!
  if (total === 0) return undefined
  const rank = Math.floor((percentile / 100) * (total - 1))
  let below = 0
  let upper = firstFinite
  while (below + histogram[upper]! <= rank) below += histogram[upper++]!
  return { upper, size: histogram[upper]!, below, rank: rank - below }
}

/** The lower half at a rank. */
function lowerAt(lowers: Uint16Array, rank: number): number {
  const counts = new Uint32Array(places)
  for (let i = 0; i < lowers.length; i++) counts[lowers[i]!]!++
  let lower = 0
  for (let count = counts[0]!; count <= rank; count += counts[lower]!) lower++
  return lower
}

/** One float32 value for each pixel, row-major: `data.length === width * height`. */
export interface FloatMap {
  data: Float32Array
  width: number
  height: number
}

/** A part of a map in its own pixels; may be fractional and may reach beyond the edges, whose values are then repeated. */
export interface MapRegion {
  left: number
  top: number
  width: number
  height: number
}

/** A lower and an upper bound of values. */
export interface ValueRange {
  min: number
  max: number
}

/**
 * Bilinear resize on float32: half-pixel centres, edges repeated, no anti-aliasing, which is cv2.resize with
 * INTER_LINEAR (the last bit of a value may differ). No value leaves the range of its neighbours, so a constant map stays
 * constant. The map given is never changed, and never returned.
 * @param region what to show of the map; default all of it
 * @returns the map, and the range of its values: measured on the way, a pass of its own costs five times as much
 */
export function resizeMap(
  map: FloatMap,
  width: number,
  height: number,
  region: MapRegion = { left: 0, top: 0, width: map.width, height: map.height },
): FloatMap & { range: ValueRange } {
  const data = new Float32Array(width * height)
  const columns = tapsOf(region.left, region.width, map.width, width)
  const rows = tapsOf(region.top, region.height, map.height, height)
  let min = Infinity
  let max = -Infinity
  // Enlarging meets the same two source rows many times: each is stretched to the new width once.
  let upper = new Float32Array(width)
  let lower = new Float32Array(width)
  let upperRow = -1
  let lowerRow = -1
  for (let y = 0; y < height; y++) {
    const near = rows.near[y]!
    const far = rows.far[y]!
    if (near === lowerRow) {
      ;[upper, lower] = [lower, upper]
      ;[upperRow, lowerRow] = [lowerRow, upperRow]
    }
    if (near !== upperRow) stretchRow(map, (upperRow = near), columns, upper)
    if (far !== lowerRow) stretchRow(map, (lowerRow = far), columns, lower)
    const weight = rows.weight[y]!
    const start = y * width
    for (let x = 0; x < width; x++) {
      const top = upper[x]!
      const value = top + (lower[x]! - top) * weight
      data[start + x] = value
      if (value < min) min = value
      if (value > max) max = value
    }
  }
  // Values are measured before they are rounded to float32.
  return { data, width, height, range: { min: Math.fround(min), max: Math.fround(max) } }
}

/** Brings values into 0 to 1 in place: `min` and below become 0, `max` and above 1; all become 0 where min = max. */
export function normalizeMap(map: FloatMap, { min, max }: ValueRange): void {
  const { data } = map
  const factor = max > min ? 1 / (max - min) : 0
  for (let i = 0; i < data.length; i++) {
    const value = (data[i]! - min) * factor
    data[i] = value > 0 ? (value < 1 ? value : 1) : 0
  }
}

/** Values as 16-bit integers: `min` becomes 0, `max` 65535, rounded to the nearest; all become 0 where min = max. */
export function quantizeMap(map: FloatMap, { min, max }: ValueRange = { min: 0, max: 1 }): Uint16Array {
  const { data } = map
  const quantized = new Uint16Array(data.length)
  const factor = max > min ? 65_535 / (max - min) : 0
  for (let i = 0; i < data.length; i++) {
    const value = (data[i]! - min) * factor
    quantized[i] = value > 0 ? (value < 65_535 ? value + 0.5 : 65_535) : 0
  }
  return quantized
}

// --- internal ---

interface Taps {
  near: Int32Array
  far: Int32Array
  weight: Float32Array
}

function stretchRow({ data, width }: FloatMap, row: number, { near, far, weight }: Taps, into: Float32Array): void {
  const start = row * width
  for (let x = 0; x < into.length; x++) {
    const left = data[start + near[x]!]!
    into[x] = left + (data[start + far[x]!]! - left) * weight[x]!
  }
}

/** The two source pixels around each target pixel's centre, and the weight of the far one. */
function tapsOf(start: number, length: number, size: number, count: number): Taps {
  const near = new Int32Array(count)
  const far = new Int32Array(count)
  const weight = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const at = Math.min(Math.max(start + ((i + 0.5) * length) / count - 0.5, 0), size - 1)
    near[i] = Math.floor(at)
    far[i] = Math.min(near[i]! + 1, size - 1)
    weight[i] = at - near[i]!
  }
  return { near, far, weight }
}

import { crc32, inflateRawSync } from 'node:zlib'
import * as assert from 'uvu/assert'

/** A map as an answer carries it. */
export interface ReadMap {
  name: string
  height: number
  width: number
  data: Float32Array
}

/**
 * Reads an NPZ with one float32 array of two dimensions by the formats' own papers (PKWARE APPNOTE 6.3, NumPy NEP 1),
 * from the central directory on, as numpy.load does; checksums are checked.
 */
export function readNpz(npz: Buffer): ReadMap {
  const end = npz.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  assert.is(npz.readUInt16LE(end + 10), 1, 'one entry')
  const entry = npz.readUInt32LE(end + 16)
  const local = npz.readUInt32LE(entry + 42)
  const start = local + 30 + npz.readUInt16LE(local + 26) + npz.readUInt16LE(local + 28)
  const npy = inflateRawSync(npz.subarray(start, start + npz.readUInt32LE(entry + 20)))
  assert.is(npy.length, npz.readUInt32LE(entry + 24), 'length of the array file')
  assert.is(crc32(npy), npz.readUInt32LE(entry + 16), 'checksum of the array file')
  const file = npz.toString('utf8', entry + 46, entry + 46 + npz.readUInt16LE(entry + 28))

  const begin = 10 + npy.readUInt16LE(8)
  const header = npy.toString('latin1', 10, begin)
  assert.match(header, /'descr': '<f4', 'fortran_order': False/)
  const [height = 0, width = 0] = /'shape': \((\d+), (\d+)\)/.exec(header)!.slice(1).map(Number)
  const data = new Float32Array(Uint8Array.from(npy.subarray(begin)).buffer)
  assert.is(data.length, width * height, 'values of the array')
  return { name: file.replace(/\.npy$/, ''), height, width, data }
}

/** The greatest absolute deviation of two lists of one length. NaN where a value is NaN. */
export function deviation(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.is(found.length, expected.length, 'number of values')
  let worst = 0
  for (let i = 0; i < found.length; i++) {
    const by = Math.abs(found[i]! - expected[i]!)
    if (!(by <= worst)) worst = by
    if (Number.isNaN(by)) return NaN
  }
  return worst
}

export function assertNear(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  where: string,
): void {
  const worst = deviation(found, expected)
  assert.ok(worst <= tolerance, `${where}: expected a deviation of at most ${tolerance}, found ${worst}`)
}

/** Each value within a part of the expected one. */
export function assertRatio(found: readonly number[], expected: readonly number[], part: number, where: string): void {
  const ratios = found.map((value, i) => value / expected[i]!)
  assertNear(
    ratios,
    expected.map(() => 1),
    part,
    `${where} over the expected`,
  )
}

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

/** Percentiles as numpy gives them, linear between ranks. */
export function percentilesOf(values: Float32Array, percentiles: readonly number[]): number[] {
  const sorted = values.slice().sort()
  return percentiles.map((percentile) => {
    const at = ((sorted.length - 1) * percentile) / 100
    const floor = Math.floor(at)
    const upper = Math.min(floor + 1, sorted.length - 1)
    return sorted[floor]! + (sorted[upper]! - sorted[floor]!) * (at - floor)
  })
}

/** Means of `rows` x `columns` parts of equal size, row-major; a value belongs to the part that its centre lies in. */
export function gridMeans({ data, width, height }: ReadMap, rows: number, columns: number): number[] {
  const sums = new Float64Array(rows * columns)
  const counts = new Uint32Array(rows * columns)
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * rows) / height) * columns
    for (let x = 0; x < width; x++) {
      const part = row + Math.floor(((x + 0.5) * columns) / width)
      sums[part]! += data[y * width + x]!
      counts[part]!++
    }
  }
  return Array.from(sums, (sum, part) => sum / counts[part]!)
}

import { roundHalfEven } from './float16.ts'
import type { Raster } from './raster.ts'

/**
 * Bilinear sampling at pixel centres, edges repeated, no anti-aliasing: what cv2.resize(INTER_LINEAR) does to 8-bit
 * pictures, with its 11-bit weights and its rounding (OpenCV, modules/imgproc/src/resize.cpp: HResizeLinear,
 * VResizeLinear), so that models see the same values.
 */
export function sampleLinear(target: Raster, source: Raster): void {
  if (target.width === source.width && target.height === source.height) return copyInto(target, source)
  const [across, down] = [source.width / target.width, source.height / target.height]
  // A pixel of each three, five ... is at the new one's centre, its neighbours weigh nothing: cameras of 1920 x 1080.
  if (across % 2 === 1 && down % 2 === 1) return sampleNearest(target, source)
  if (across === 2 && down === 2) return halve(target, source)
  const columns = linearTaps(source.width, target.width, source.xStep, false)
  const rows = linearTaps(source.height, target.height, source.yStep, true)
  for (let y = 0; y < target.height; y++) {
    const upper = source.offset + rows.near[y]!
    const lower = source.offset + rows.far[y]!
    const to = target.offset + y * target.yStep
    sampleRow(target.data, to, source.data, upper, lower, rows.nearWeight[y]!, rows.farWeight[y]!, columns)
  }
}

/** The source pixel that covers each target pixel's centre. */
export function sampleNearest(target: Raster, source: Raster): void {
  const columns = nearestTaps(source.width, target.width).map((x) => x * source.xStep)
  const rows = nearestTaps(source.height, target.height)
  for (let y = 0; y < target.height; y++) {
    const start = source.offset + rows[y]! * source.yStep
    let at = target.offset + y * target.yStep
    for (let x = 0; x < target.width; x++, at += 3) {
      const from = start + columns[x]!
      target.data[at] = source.data[from]!
      target.data[at + 1] = source.data[from + 1]!
      target.data[at + 2] = source.data[from + 2]!
    }
  }
}

/** Copies pixels one to one. Targets are packed along x. */
export function copyInto(target: Raster, source: Raster): void {
  if (source.xStep !== 3) return sampleNearest(target, source)
  const length = source.width * 3
  if (source.yStep === length && target.yStep === length) {
    target.data.set(source.data.subarray(source.offset, source.offset + length * source.height), target.offset)
    return
  }
  for (let y = 0; y < target.height; y++) {
    const from = source.offset + y * source.yStep
    target.data.set(source.data.subarray(from, from + length), target.offset + y * target.yStep)
  }
}

// --- internal ---

/** For each target column or row: where its two neighbours start, and their weights out of 2048. */
interface Taps {
  near: Int32Array
  far: Int32Array
  nearWeight: Int32Array
  farWeight: Int32Array
}

/** At the edges, where both neighbours are the same pixel, OpenCV splits the weight between rows but not between columns. */
function linearTaps(from: number, to: number, step: number, splitsEdges: boolean): Taps {
  const near = new Int32Array(to)
  const far = new Int32Array(to)
  const nearWeight = new Int32Array(to)
  const farWeight = new Int32Array(to)
  for (let i = 0; i < to; i++) {
    const at = Math.fround((i + 0.5) * (from / to) - 0.5)
    const floor = Math.floor(at)
    const isInside = floor >= 0 && floor < from - 1
    const part = isInside || splitsEdges ? Math.fround(at - floor) : 0
    near[i] = Math.min(Math.max(floor, 0), from - 1) * step
    far[i] = Math.min(floor + 1, from - 1) * step
    nearWeight[i] = roundHalfEven(Math.fround(1 - part) * 2048)
    farWeight[i] = roundHalfEven(part * 2048)
  }
  return { near, far, nearWeight, farWeight }
}

/** The time of every request goes here: one function of plain integers, which V8 compiles without checks for overflow. */
function sampleRow(
  target: Uint8Array,
  start: number,
  source: Uint8Array,
  upper: number,
  lower: number,
  upperWeight: number,
  lowerWeight: number,
  { near, far, nearWeight, farWeight }: Taps,
): void {
  const { imul } = Math
  const width = near.length
  for (let x = 0, to = start; x < width; x++, to += 3) {
    const n = nearWeight[x]!
    const f = farWeight[x]!
    const a = (upper + near[x]!) | 0
    const b = (upper + far[x]!) | 0
    const c = (lower + near[x]!) | 0
    const d = (lower + far[x]!) | 0
    let top = (imul(source[a]!, n) + imul(source[b]!, f)) >> 4
    let bottom = (imul(source[c]!, n) + imul(source[d]!, f)) >> 4
    target[to] = ((imul(top, upperWeight) >> 16) + (imul(bottom, lowerWeight) >> 16) + 2) >> 2
    top = (imul(source[a + 1]!, n) + imul(source[b + 1]!, f)) >> 4
    bottom = (imul(source[c + 1]!, n) + imul(source[d + 1]!, f)) >> 4
    target[to + 1] = ((imul(top, upperWeight) >> 16) + (imul(bottom, lowerWeight) >> 16) + 2) >> 2
    top = (imul(source[a + 2]!, n) + imul(source[b + 2]!, f)) >> 4
    bottom = (imul(source[c + 2]!, n) + imul(source[d + 2]!, f)) >> 4
    target[to + 2] = ((imul(top, upperWeight) >> 16) + (imul(bottom, lowerWeight) >> 16) + 2) >> 2
  }
}

/** The mean of each four pixels, halves up: what the weights of 1024 come to, in half the time: cameras of 1280 x 720. */
function halve(target: Raster, source: Raster): void {
  for (let y = 0; y < target.height; y++) {
    const upper = source.offset + 2 * y * source.yStep
    halveRow(
      target.data,
      target.offset + y * target.yStep,
      target.width,
      source.data,
      upper,
      source.xStep,
      source.yStep,
    )
  }
}

function halveRow(
  target: Uint8Array,
  start: number,
  width: number,
  source: Uint8Array,
  upper: number,
  xStep: number,
  yStep: number,
): void {
  for (let x = 0, to = start, a = upper; x < width; x++, to += 3, a += 2 * xStep) {
    const b = a + xStep
    const c = a + yStep
    const d = b + yStep
    target[to] = (source[a]! + source[b]! + source[c]! + source[d]! + 2) >> 2
    target[to + 1] = (source[a + 1]! + source[b + 1]! + source[c + 1]! + source[d + 1]! + 2) >> 2
    target[to + 2] = (source[a + 2]! + source[b + 2]! + source[c + 2]! + source[d + 2]! + 2) >> 2
  }
}

function nearestTaps(from: number, to: number): Int32Array {
  return Int32Array.from({ length: to }, (_, i) => Math.min(Math.floor(((i + 0.5) * from) / to), from - 1))
}

import { roundHalfEven } from './float16.ts'
import type { Pixels, Rgb } from './picture.ts'

/**
 * A view of interleaved RGB pixels: pixel (x, y) starts at `offset + x * xStep + y * yStep`. Cropping and turning make
 * another view of the same bytes.
 */
export interface Raster {
  data: Uint8Array
  width: number
  height: number
  offset: number
  xStep: number
  yStep: number
}

/** A raster's place in a larger picture, the rest of which is background. */
export interface Placed {
  raster: Raster
  /** The picture's size, and where the raster begins in it. */
  width: number
  height: number
  left: number
  top: number
  background: Rgb
}

export function rasterOf({ data, width, height }: Pixels): Raster {
  return { data, width, height, offset: 0, xStep: 3, yStep: width * 3 }
}

export function cropRaster(raster: Raster, left: number, top: number, width: number, height: number): Raster {
  return { ...raster, width, height, offset: raster.offset + left * raster.xStep + top * raster.yStep }
}

/** The raster as the whole of a picture. */
export function placedOf(raster: Raster): Placed {
  return { raster, width: raster.width, height: raster.height, left: 0, top: 0, background: [0, 0, 0] }
}

/** Puts the raster onto its background; a raster that fills the picture stays what it is. */
export function flatten({ raster, width, height, left, top, background }: Placed): Raster {
  if (raster.width === width && raster.height === height) return raster
  const result = rasterOf({ data: new Uint8Array(width * height * 3), width, height })
  const [red, green, blue] = background
  if (red === green && green === blue) {
    if (red !== 0) result.data.fill(red)
  } else for (let i = 0; i < result.data.length; i += 3) result.data.set(background, i)
  copyInto(cropRaster(result, left, top, raster.width, raster.height), raster)
  return result
}

/** Turns stored pixels the way that EXIF orientation 1 to 8 shows them (EXIF 2.32, tag 0x0112). */
export function orientRaster(raster: Raster, orientation: number): Raster {
  const { data, width, height, offset, xStep, yStep } = raster
  const right = offset + (width - 1) * xStep
  const bottom = offset + (height - 1) * yStep
  const far = right + (height - 1) * yStep
  const upright = (at: number, x: number, y: number): Raster => ({
    data,
    width,
    height,
    offset: at,
    xStep: x,
    yStep: y,
  })
  const turned = (at: number, x: number, y: number): Raster => ({
    data,
    width: height,
    height: width,
    offset: at,
    xStep: x,
    yStep: y,
  })
  if (orientation === 2) return upright(right, -xStep, yStep)
  if (orientation === 3) return upright(far, -xStep, -yStep)
  if (orientation === 4) return upright(bottom, xStep, -yStep)
  if (orientation === 5) return turned(offset, yStep, xStep)
  if (orientation === 6) return turned(bottom, -yStep, xStep)
  if (orientation === 7) return turned(far, -yStep, -xStep)
  if (orientation === 8) return turned(right, yStep, -xStep)
  return raster
}

/** The view's pixels packed; the very bytes where they are packed already. */
export function packRaster(raster: Raster): Pixels {
  const { data, width, height } = raster
  if (raster.offset === 0 && raster.xStep === 3 && raster.yStep === width * 3 && data.length === width * height * 3)
    return { data, width, height }
  return copyRaster(raster)
}

/** The view's pixels packed, in memory of their own. */
export function copyRaster(raster: Raster): Pixels {
  const { width, height } = raster
  const pixels = { data: new Uint8Array(width * height * 3), width, height }
  copyInto(rasterOf(pixels), raster)
  return pixels
}

/**
 * Bilinear sampling at pixel centres, edges repeated, no anti-aliasing: what cv2.resize(INTER_LINEAR) does to 8-bit
 * pictures, with its 11-bit weights and its rounding (OpenCV, modules/imgproc/src/resize.cpp: HResizeLinear,
 * VResizeLinear), so that models see the same values.
 */
export function sampleLinear(target: Raster, source: Raster): void {
  if (target.width === source.width && target.height === source.height) return copyInto(target, source)
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

function nearestTaps(from: number, to: number): Int32Array {
  return Int32Array.from({ length: to }, (_, i) => Math.min(Math.floor(((i + 0.5) * from) / to), from - 1))
}

import type { Pixels } from './picture.ts'

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

export function rasterOf({ data, width, height }: Pixels): Raster {
  return { data, width, height, offset: 0, xStep: 3, yStep: width * 3 }
}

export function cropRaster(raster: Raster, left: number, top: number, width: number, height: number): Raster {
  return { ...raster, width, height, offset: raster.offset + left * raster.xStep + top * raster.yStep }
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
  const packed = new Uint8Array(width * height * 3)
  copyInto({ data: packed, width, height, offset: 0, xStep: 3, yStep: width * 3 }, raster)
  return { data: packed, width, height }
}

/**
 * Bilinear sampling at pixel centres, edges repeated, no anti-aliasing: what cv2.resize(INTER_LINEAR) does to 8-bit
 * pictures, with its 11-bit weights and its rounding (OpenCV, modules/imgproc/src/resize.cpp: HResizeLinear,
 * VResizeLinear), so that models see the same values.
 */
export function sampleLinear(target: Raster, source: Raster): void {
  if (target.width === source.width && target.height === source.height) return copyInto(target, source)
  const { width, height } = target
  const { data } = source
  const columns = linearTaps(source.width, width, false)
  const rows = linearTaps(source.height, height, true)
  const lefts = columns.near.map((x) => x * source.xStep)
  const rights = columns.far.map((x) => x * source.xStep)

  function sampleRow(row: number, into: Int32Array): void {
    const start = source.offset + row * source.yStep
    for (let x = 0, i = 0; x < width; x++, i += 3) {
      const left = start + lefts[x]!
      const right = start + rights[x]!
      const far = columns.weight[x]!
      const near = 2048 - far
      into[i] = (data[left]! * near + data[right]! * far) >> 4
      into[i + 1] = (data[left + 1]! * near + data[right + 1]! * far) >> 4
      into[i + 2] = (data[left + 2]! * near + data[right + 2]! * far) >> 4
    }
  }

  let upper = new Int32Array(width * 3)
  let lower = new Int32Array(width * 3)
  let upperRow = -1
  let lowerRow = -1
  for (let y = 0; y < height; y++) {
    const near = rows.near[y]!
    const far = rows.far[y]!
    if (near === lowerRow) {
      ;[upper, lower] = [lower, upper]
      ;[upperRow, lowerRow] = [lowerRow, upperRow]
    }
    if (near !== upperRow) sampleRow((upperRow = near), upper)
    if (far !== lowerRow) sampleRow((lowerRow = far), lower)
    const farWeight = rows.weight[y]!
    const nearWeight = 2048 - farWeight
    let at = target.offset + y * target.yStep
    for (let i = 0; i < width * 3; i++, at++)
      target.data[at] = (((upper[i]! * nearWeight) >> 16) + ((lower[i]! * farWeight) >> 16) + 2) >> 2
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
  for (let y = 0; y < target.height; y++) {
    const from = source.offset + y * source.yStep
    target.data.set(source.data.subarray(from, from + source.width * 3), target.offset + y * target.yStep)
  }
}

// --- internal ---

/**
 * The two neighbours of each target pixel's centre, and the far one's weight out of 2048. At the edges, where both are
 * the same pixel, OpenCV keeps the weight between rows and drops it between columns, which shows in the rounding.
 */
function linearTaps(from: number, to: number, keepEdgeWeights: boolean) {
  const near = new Int32Array(to)
  const far = new Int32Array(to)
  const weight = new Int32Array(to)
  for (let i = 0; i < to; i++) {
    const at = Math.fround(((i + 0.5) * from) / to - 0.5)
    const floor = Math.floor(at)
    near[i] = Math.min(Math.max(floor, 0), from - 1)
    far[i] = Math.min(floor + 1, from - 1)
    const inside = floor >= 0 && floor < from - 1
    weight[i] = inside || keepEdgeWeights ? Math.round(Math.fround(at - floor) * 2048) : 0
  }
  return { near, far, weight }
}

function nearestTaps(from: number, to: number): Int32Array {
  return Int32Array.from({ length: to }, (_, i) => Math.min(Math.floor(((i + 0.5) * from) / to), from - 1))
}

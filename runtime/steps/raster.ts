import type { Pixels, Rgb } from './picture.ts'
import { copyInto } from './sample.ts'

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
export function flatten(placed: Placed): Raster {
  const { raster, width, height } = placed
  if (raster.width === width && raster.height === height) return raster
  const data = new Uint8Array(width * height * 3)
  writePlaced(placed, data)
  return rasterOf({ data, width, height })
}

/** Writes the raster and the background around it as packed pixels: all of `data`. */
export function writePlaced({ raster, width, height, left, top, background }: Placed, data: Uint8Array): void {
  const [red, green, blue] = background
  if (raster.width < width || raster.height < height) {
    if (red === green && green === blue) data.fill(red)
    else for (let i = 0; i < data.length; i += 3) data.set(background, i)
  }
  copyInto(cropRaster(rasterOf({ data, width, height }), left, top, raster.width, raster.height), raster)
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
  return isPacked(raster) ? { data, width, height } : copyRaster(raster)
}

/** Whether its bytes are its pixels, row by row, and nothing else. */
export function isPacked({ data, width, height, offset, xStep, yStep }: Raster): boolean {
  return offset === 0 && xStep === 3 && yStep === width * 3 && data.length === width * height * 3
}

/** The view's pixels packed, in memory of their own. */
export function copyRaster(raster: Raster): Pixels {
  const { width, height } = raster
  const pixels = { data: new Uint8Array(width * height * 3), width, height }
  copyInto(rasterOf(pixels), raster)
  return pixels
}

import { PelletError } from '../errors.ts'
import { decode, decodeResized, expectPixels, resample, type Header, type LibvipsKernel } from './decode.ts'
import type { Picture, Pixels } from './picture.ts'
import { copyRaster, rasterOf, type Raster } from './raster.ts'

/** Where a picture's pixels come from: encoded bytes, or pixels as they are. Sizes are as shown. */
export interface PictureSource {
  readonly width: number
  readonly height: number
  readonly format: Picture['format']
  readonly bytes: Uint8Array
  /** libvips weighs colours by alpha when it makes a picture smaller. */
  readonly hasAlpha: boolean
  /** The whole picture, shared by all who ask: to be read, never changed. */
  read(): Promise<Raster>
  /** The whole picture, the caller's own. */
  take(): Promise<Raster>
  /** The picture made smaller by libvips while it is decoded. */
  readShrunk(width: number, height: number): Promise<Raster>
  /** The picture resized with a kernel of libvips. */
  readResized(width: number, height: number, kernel: LibvipsKernel): Promise<Raster>
}

/**
 * Decodes when pixels are asked for. What was decoded is found again as long as the memory is not needed for something
 * else, so that crops and drawings after a detection mostly cost no second decoding.
 */
export function encodedSource(header: Header): PictureSource {
  const { width, height, format, bytes, hasAlpha } = header
  let decoded: WeakRef<Raster> | undefined
  return {
    width,
    height,
    format,
    bytes,
    hasAlpha,
    async read() {
      const known = decoded?.deref()
      if (known) return known
      const raster = await decode(header)
      decoded = new WeakRef(raster)
      return raster
    },
    async take() {
      const known = decoded?.deref()
      return known ? rasterOf(copyRaster(known)) : decode(header)
    },
    readShrunk: (toWidth, toHeight) => decode(header, { width: toWidth, height: toHeight }),
    readResized: (toWidth, toHeight, kernel) => decodeResized(header, toWidth, toHeight, kernel),
  }
}

/**
 * Pixels as they are.
 * @throws PelletError `invalid_image` where they do not fit their size, or `image_too_large` above `limitPixels`
 */
export function rawSource(pixels: Pixels, limitPixels: number): PictureSource {
  const { data, width, height } = pixels
  const isSize = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0
  if (!isSize || !(data instanceof Uint8Array) || data.length !== width * height * 3)
    throw new PelletError(
      'invalid_image',
      `image.decode: expected pixels as a Uint8Array of width x height x 3 bytes, found ${describe(pixels)}`,
    )
  expectPixels(width, height, limitPixels)
  const raster = rasterOf(pixels)
  return {
    width,
    height,
    format: 'rgb',
    bytes: data,
    hasAlpha: false,
    read: () => Promise.resolve(raster),
    take: () => Promise.resolve(rasterOf(copyRaster(raster))),
    readShrunk: (toWidth, toHeight) => resample(raster, toWidth, toHeight, 'linear'),
    readResized: (toWidth, toHeight, kernel) => resample(raster, toWidth, toHeight, kernel),
  }
}

// --- internal ---

function describe({ data, width, height }: Pixels): string {
  const found = data instanceof Uint8Array ? `${data.length} bytes` : Object.prototype.toString.call(data)
  return `${found} for ${width} x ${height}`
}

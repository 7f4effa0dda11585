import type { Metadata, SharpOptions } from 'sharp'
import { messageOf, PelletError } from '../errors.ts'
import { enlarge } from './cubic.ts'
import { readJpegHeader } from './jpeg-header.ts'
import type { PictureFormat, Pixels, ResizeOptions } from './picture.ts'
import { orientRaster, packRaster, rasterOf, type Raster } from './raster.ts'
import { loadSharp } from './sharp.ts'
import { readableFormats, signatureOf } from './signature.ts'

/** What a picture's header says. */
export interface Header {
  bytes: Uint8Array
  format: PictureFormat
  /** Size in pixels as shown. */
  width: number
  height: number
  /** EXIF orientation, 1 to 8; 5 to 8 swap the axes. */
  orientation: number
  hasAlpha: boolean
  /** Whether the embedded colour profile is needed to make RGB of it. */
  isCmyk: boolean
}

export type LibvipsKernel = Exclude<NonNullable<ResizeOptions['kernel']>, 'nearest' | 'linear'>

/**
 * Reads the header and refuses what is not to be decoded.
 * @throws PelletError `invalid_image`, `unsupported_media_type`, or `image_too_large` above `limitPixels`
 */
export async function readHeader(bytes: Uint8Array, limitPixels: number): Promise<Header> {
  const expected = `image.decode: expected a ${readableFormats} picture`
  if (bytes.length === 0) throw new PelletError('invalid_image', `${expected}, found 0 bytes`)
  const signature = signatureOf(bytes)
  if (!signature)
    throw new PelletError('invalid_image', `${expected}, found ${bytes.length} bytes that begin like none of them`)
  if ('other' in signature) throw new PelletError('unsupported_media_type', `${expected}, found ${signature.other}`)

  const { format } = signature
  const plain = format === 'jpeg' ? readJpegHeader(bytes) : undefined
  const { orientation, ...found } = plain
    ? { ...plain, hasAlpha: false, isCmyk: false }
    : await askLibvips(bytes, format)
  expectPixels(found.width, found.height, limitPixels)
  const isTurned = orientation >= 5
  const width = isTurned ? found.height : found.width
  const height = isTurned ? found.width : found.height
  return { ...found, bytes, format, width, height, orientation }
}

/**
 * Decodes to RGB, 8 bit, turned as shown. With `size`, libvips may make the picture smaller while it decodes, but never
 * smaller than that.
 * @throws PelletError `invalid_image`
 */
export async function decode(header: Header, size?: { width: number; height: number }): Promise<Raster> {
  const turned = header.orientation >= 5
  const stored = size && (turned ? { width: size.height, height: size.width } : size)
  const pixels = await run(header, false, stored, 'linear')
  return orientRaster(rasterOf(pixels), header.orientation)
}

/**
 * Decodes and resizes in one pass with a kernel of libvips, which shrinks JPEG and WebP while it decodes.
 * @throws PelletError `invalid_image`
 */
export async function decodeResized(
  header: Header,
  width: number,
  height: number,
  kernel: LibvipsKernel,
): Promise<Raster> {
  // libvips weighs colours by their alpha when it resizes; alpha is to be dropped, so it goes first.
  if (header.hasAlpha) return resample(await decode(header), width, height, kernel)
  const size = { width: Math.min(width, header.width), height: Math.min(height, header.height) }
  return resample(rasterOf(await run(header, true, size, kernel)), width, height, kernel)
}

/** Resizes decoded pixels: libvips reduces, `enlarge` enlarges. */
export async function resample(
  raster: Raster,
  width: number,
  height: number,
  kernel: LibvipsKernel | 'linear',
): Promise<Raster> {
  const size = { width: Math.min(width, raster.width), height: Math.min(height, raster.height) }
  let reduced = raster
  if (size.width < raster.width || size.height < raster.height) {
    const sharp = await loadSharp()
    const packed = packRaster(raster)
    const raw = { width: packed.width, height: packed.height, channels: 3 as const }
    const pipeline = sharp(packed.data, { raw, limitInputPixels: false })
    const data = await pipeline.resize(size.width, size.height, { fit: 'fill', kernel }).raw().toBuffer()
    reduced = rasterOf({ data: new Uint8Array(data.buffer, data.byteOffset, data.length), ...size })
  }
  return size.width < width || size.height < height ? enlarge(reduced, width, height) : reduced
}

/** @throws PelletError `image_too_large` */
export function expectPixels(width: number, height: number, limitPixels: number): void {
  if (width * height <= limitPixels) return
  throw new PelletError(
    'image_too_large',
    `image.decode: expected at most ${limitPixels} pixels (limits.pixels), found ${width} x ${height} = ${width * height}; send a smaller picture`,
  )
}

// --- internal ---

/**
 * Truncated files are refused, as PIL does. Colour profiles of RGB and grey pictures are left unapplied, as PIL and
 * OpenCV do: models were trained on such values. Applying Display P3 shifted PyDNet++'s mean depth by 3.4 %.
 */
const shared = { failOn: 'error', ignoreIcc: true } satisfies SharpOptions

async function askLibvips(bytes: Uint8Array, format: PictureFormat) {
  const sharp = await loadSharp()
  let metadata: Metadata
  try {
    metadata = await sharp(bytes, { ...shared, limitInputPixels: false }).metadata()
  } catch (error) {
    throw damaged(format, error)
  }
  return {
    width: metadata.width,
    height: metadata.pageHeight ?? metadata.height,
    orientation: metadata.orientation ?? 1,
    hasAlpha: metadata.hasAlpha,
    isCmyk: metadata.space === 'cmyk',
  }
}

async function run(
  header: Header,
  autoOrient: boolean,
  size: { width: number; height: number } | undefined,
  kernel: LibvipsKernel | 'linear',
): Promise<Pixels> {
  const sharp = await loadSharp()
  // Only the limit that `readHeader` applied counts; CMYK has no meaning without a profile, its own or libvips's.
  const pipeline = sharp(header.bytes, { ...shared, autoOrient, ignoreIcc: !header.isCmyk, limitInputPixels: false })
  if (size) pipeline.resize(size.width, size.height, { fit: 'fill', kernel })
  try {
    // Alpha is dropped, not blended: the same values as PIL's convert('RGB') and cv2.imread.
    const { data, info } = await pipeline
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== 3) throw new Error(`it decodes to ${info.channels} channels, not 3`)
    // Not a Buffer: its `slice` copies nothing.
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length)
    return { data: bytes, width: info.width, height: info.height }
  } catch (error) {
    throw damaged(header.format, error)
  }
}

/** sharp's errors carry no codes; whatever it says about a client's bytes means that they are damaged. */
function damaged(format: PictureFormat, cause: unknown): PelletError {
  const lines = messageOf(cause)
    .replace(/^Input (buffer|file) (has corrupt header: )?/, '')
    .split('\n')
    .map((line) => line.replace(/^(\w+: )?Vips\w+: /, '').trim())
  const reason = [...new Set(lines)].filter(Boolean).join('; ')
  const name = format === 'webp' ? 'WebP' : format.toUpperCase()
  return new PelletError(
    'invalid_image',
    `image.decode: expected a whole ${name} picture, found a damaged one: ${reason}`,
    {
      cause,
    },
  )
}

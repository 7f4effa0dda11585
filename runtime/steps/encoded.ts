import { decode, decodeResized, readHeader, resample, type Header } from './decode.ts'
import { identity, mapPoint, scaled, shifted, type Geometry } from './geometry.ts'
import type { LetterboxOptions, Picture, PictureFormat, Pixels, ResizeOptions, Rgb } from './picture.ts'
import { copyInto, cropRaster, packRaster, sampleLinear, sampleNearest, type Raster } from './raster.ts'

/**
 * Reads a picture's header; pixels are decoded when `pixels()` asks.
 * @throws PelletError `invalid_image`, `unsupported_media_type`, or `image_too_large` above `limitPixels`
 */
export async function openPicture(bytes: Uint8Array, limitPixels: number): Promise<Picture> {
  const header = await readHeader(bytes, limitPixels)
  return new EncodedPicture(header, header, [], identity)
}

// --- internal ---

type Kernel = NonNullable<ResizeOptions['kernel']>

interface Crop {
  kind: 'crop'
  left: number
  top: number
  width: number
  height: number
}

interface Scale {
  kind: 'scale'
  width: number
  height: number
  kernel: Kernel
  /** What is around the scaled picture, where it does not fill the result. */
  canvas?: { width: number; height: number; left: number; top: number; background: Rgb }
}

class EncodedPicture implements Picture {
  readonly width: number
  readonly height: number
  readonly source: Picture
  readonly #header: Header
  readonly #work: readonly (Crop | Scale)[]
  readonly #geometry: Geometry

  constructor(
    header: Header,
    size: { width: number; height: number },
    work: readonly (Crop | Scale)[],
    geometry: Geometry,
    source?: Picture,
  ) {
    this.width = size.width
    this.height = size.height
    this.source = source ?? this
    this.#header = header
    this.#work = work
    this.#geometry = geometry
  }

  get format(): PictureFormat {
    return this.#header.format
  }

  get bytes(): Uint8Array {
    return this.#header.bytes
  }

  resize(width: number, height: number, { kernel = 'linear' }: ResizeOptions = {}): Picture {
    expectSize('resize', width, height)
    const geometry = scaled(this.#geometry, width / this.width, height / this.height)
    return this.#then({ kind: 'scale', width, height, kernel }, { width, height }, geometry)
  }

  letterbox(width: number, height: number, options: LetterboxOptions = {}): Picture {
    expectSize('letterbox', width, height)
    const { kernel = 'linear', position = 'center', background = 0 } = options
    const inner = fit(this, width, height)
    const left = position === 'center' ? Math.floor((width - inner.width) / 2) : 0
    const top = position === 'center' ? Math.floor((height - inner.height) / 2) : 0
    const rgb: Rgb = typeof background === 'number' ? [background, background, background] : background
    const geometry = scaled(this.#geometry, inner.width / this.width, inner.height / this.height)
    const canvas = { width, height, left, top, background: rgb }
    return this.#then({ kind: 'scale', ...inner, kernel, canvas }, canvas, shifted(geometry, -left, -top))
  }

  crop(left: number, top: number, width: number, height: number): Picture {
    expectSize('crop', width, height)
    const inside = left >= 0 && top >= 0 && left + width <= this.width && top + height <= this.height
    if (!inside || !Number.isInteger(left) || !Number.isInteger(top))
      throw new RangeError(
        `crop: expected a part of the picture of ${this.width} x ${this.height} pixels, found ${width} x ${height} at (${left}, ${top})`,
      )
    const geometry = shifted(this.#geometry, left, top)
    return this.#then({ kind: 'crop', left, top, width, height }, { width, height }, geometry)
  }

  readonly toSource = (x: number, y: number): [x: number, y: number] => mapPoint(this.#geometry, x, y)

  async pixels(): Promise<Pixels> {
    const [first, ...others] = this.#work
    let raster: Raster
    let rest = this.#work
    if (first?.kind === 'scale' && isLibvips(first.kernel)) {
      raster = place(first, await decodeResized(this.#header, first.width, first.height, first.kernel))
      rest = others
    } else raster = await decode(this.#header, first?.kind === 'scale' ? shrunk(this.#header, first) : undefined)
    for (const work of rest) raster = await apply(work, raster)
    return packRaster(raster)
  }

  #then(work: Crop | Scale, size: { width: number; height: number }, geometry: Geometry): Picture {
    return new EncodedPicture(this.#header, size, [...this.#work, work], geometry, this.source)
  }
}

async function apply(work: Crop | Scale, raster: Raster): Promise<Raster> {
  if (work.kind === 'crop') return cropRaster(raster, work.left, work.top, work.width, work.height)
  const { width, height, kernel } = work
  if (isLibvips(kernel)) return place(work, await resample(raster, width, height, kernel))
  const result = blank(work)
  const sample = kernel === 'nearest' ? sampleNearest : sampleLinear
  sample(cropRaster(result, work.canvas?.left ?? 0, work.canvas?.top ?? 0, width, height), raster)
  return result
}

/** Puts what was scaled onto its canvas. */
function place(work: Scale, scaled: Raster): Raster {
  if (!work.canvas) return scaled
  const result = blank(work)
  copyInto(cropRaster(result, work.canvas.left, work.canvas.top, work.width, work.height), scaled)
  return result
}

/** The pixels that a scaling gives, filled with the background where the picture will not cover them. */
function blank(work: Scale): Raster {
  const { width, height } = work.canvas ?? work
  const data = new Uint8Array(width * height * 3)
  const [red, green, blue] = work.canvas?.background ?? [0, 0, 0]
  if (red === green && green === blue) data.fill(red)
  else for (let i = 0; i < data.length; i += 3) data.set([red, green, blue], i)
  return { data, width, height, offset: 0, xStep: 3, yStep: width * 3 }
}

function isLibvips(kernel: Kernel): kernel is Exclude<Kernel, 'nearest' | 'linear'> {
  return kernel !== 'nearest' && kernel !== 'linear'
}

/** The largest size of the picture's aspect that fits; rounded down, as InsightFace and YOLOX do. */
function fit(picture: { width: number; height: number }, width: number, height: number) {
  const byWidth = picture.width * height > picture.height * width
  if (byWidth) return { width, height: Math.max(1, Math.floor((picture.height * width) / picture.width)) }
  return { width: Math.max(1, Math.floor((picture.width * height) / picture.height)), height }
}

/**
 * How far libvips may shrink while decoding, before the bilinear sampling: by 3, 5 or 9 (libvips then has JPEG decode at
 * 1/2, 1/4 or 1/8), as long as 3 times the size asked for remains, or 2 times for pictures above 16 million pixels. Below
 * that the whole picture is sampled, see `ResizeOptions.kernel`.
 */
function shrunk(header: Header, { width, height, kernel }: Scale): { width: number; height: number } | undefined {
  // Nearest takes the picture's own pixels; alpha would weigh the colours.
  if (kernel === 'nearest' || header.hasAlpha) return undefined
  const remain = header.width * header.height > 16e6 ? 2 : 3
  const ratio = Math.min(header.width / width, header.height / height) / remain
  const factor = [9, 5, 3].find((by) => ratio >= by)
  if (!factor) return undefined
  return { width: Math.floor(header.width / factor), height: Math.floor(header.height / factor) }
}

function expectSize(what: string, width: number, height: number): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1)
    throw new RangeError(`${what}: expected a size of whole pixels, 1 x 1 or more, found ${width} x ${height}`)
}

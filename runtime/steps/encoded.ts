import { readHeader, resample } from './decode.ts'
import { identity, mapPoint, scaled, shifted, type Geometry } from './geometry.ts'
import type { LetterboxOptions, Picture, Pixels, ResizeOptions, Rgb } from './picture.ts'
import { copyRaster, cropRaster, flatten, packRaster, placedOf, rasterOf, type Placed, type Raster } from './raster.ts'
import { sampleLinear, sampleNearest } from './sample.ts'
import { encodedSource, rawSource, type PictureSource } from './source.ts'

/**
 * Reads a picture's header; pixels are decoded when `pixels()` asks.
 * @throws PelletError `invalid_image`, `unsupported_media_type`, or `image_too_large` above `limitPixels`
 */
export async function openPicture(bytes: Uint8Array, limitPixels: number): Promise<Picture> {
  return openSource(encodedSource(await readHeader(bytes, limitPixels)))
}

/**
 * A picture of pixels that need no decoding. They are read when needed and never changed; the caller leaves them alone.
 * @throws PelletError `invalid_image` where they do not fit their size, or `image_too_large` above `limitPixels`
 */
export function openPixels(pixels: Pixels, limitPixels: number): Picture {
  return openSource(rawSource(pixels, limitPixels))
}

/**
 * The picture's pixels before they are put onto the background of a letterbox, so that a model's input is made of them
 * without that picture in between. Not to be changed where it is shared.
 * @throws PelletError `invalid_image`
 */
export async function composePicture(picture: Picture): Promise<Composed> {
  if (picture instanceof LazyPicture) return picture.compose()
  return { ...placedOf(rasterOf(await picture.pixels())), isShared: false }
}

export interface Composed extends Placed {
  /** Others read the same memory. */
  isShared: boolean
}

// --- internal ---

function openSource(source: PictureSource): Picture {
  return new LazyPicture(source, source, [], identity)
}

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

class LazyPicture implements Picture {
  readonly width: number
  readonly height: number
  readonly source: Picture
  readonly #source: PictureSource
  readonly #work: readonly (Crop | Scale)[]
  readonly #geometry: Geometry

  constructor(
    from: PictureSource,
    size: { width: number; height: number },
    work: readonly (Crop | Scale)[],
    geometry: Geometry,
    source?: Picture,
  ) {
    this.width = size.width
    this.height = size.height
    this.source = source ?? this
    this.#source = from
    this.#work = work
    this.#geometry = geometry
  }

  get format(): Picture['format'] {
    return this.#source.format
  }

  get bytes(): Uint8Array {
    return this.#source.bytes
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
    if (this.#work.length === 0) return packRaster(await this.#source.take())
    const { placed, shared } = await this.#run()
    const pixels = packRaster(flatten(placed))
    return pixels.data === shared ? copyRaster(rasterOf(pixels)) : pixels
  }

  async compose(): Promise<Composed> {
    const { placed, shared } = await this.#run()
    return { ...placed, isShared: placed.raster.data === shared }
  }

  /** Does the work; `shared` is memory that others read as well. */
  async #run(): Promise<{ placed: Placed; shared?: Uint8Array }> {
    const [first, ...others] = this.#work
    if (first?.kind === 'scale' && isLibvips(first.kernel)) {
      const raster = await this.#source.readResized(first.width, first.height, first.kernel)
      return { placed: await applyAll(others, place(first, raster)) }
    }
    const size = first?.kind === 'scale' ? shrunk(this.#source, first) : undefined
    if (size) {
      const raster = await this.#source.readShrunk(size.width, size.height)
      return { placed: await applyAll(this.#work, placedOf(raster)) }
    }
    const raster = await this.#source.read()
    return { placed: await applyAll(this.#work, placedOf(raster)), shared: raster.data }
  }

  #then(work: Crop | Scale, size: { width: number; height: number }, geometry: Geometry): Picture {
    return new LazyPicture(this.#source, size, [...this.#work, work], geometry, this.source)
  }
}

async function applyAll(works: readonly (Crop | Scale)[], start: Placed): Promise<Placed> {
  let placed = start
  for (const work of works) placed = await apply(work, flatten(placed))
  return placed
}

async function apply(work: Crop | Scale, raster: Raster): Promise<Placed> {
  if (work.kind === 'crop') return placedOf(cropRaster(raster, work.left, work.top, work.width, work.height))
  const { width, height, kernel } = work
  if (width === raster.width && height === raster.height) return place(work, raster)
  if (isLibvips(kernel)) return place(work, await resample(raster, width, height, kernel))
  const result = rasterOf({ data: new Uint8Array(width * height * 3), width, height })
  const sample = kernel === 'nearest' ? sampleNearest : sampleLinear
  sample(result, raster)
  return place(work, result)
}

/** Where a scaled picture goes. */
function place({ canvas }: Scale, scaled: Raster): Placed {
  return canvas ? { raster: scaled, ...canvas } : placedOf(scaled)
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
function shrunk(
  source: PictureSource,
  { width, height, kernel }: Scale,
): { width: number; height: number } | undefined {
  // Nearest takes the picture's own pixels; alpha would weigh the colours.
  if (kernel === 'nearest' || source.hasAlpha) return undefined
  const remain = source.width * source.height > 16e6 ? 2 : 3
  const ratio = Math.min(source.width / width, source.height / height) / remain
  const factor = [9, 5, 3].find((by) => ratio >= by)
  if (!factor) return undefined
  return { width: Math.floor(source.width / factor), height: Math.floor(source.height / factor) }
}

function expectSize(what: string, width: number, height: number): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1)
    throw new RangeError(`${what}: expected a size of whole pixels, 1 x 1 or more, found ${width} x ${height}`)
}

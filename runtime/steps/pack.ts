import { lendArray } from '../buffers.ts'
import { PelletError } from '../errors.ts'
import type { ModelEntry } from '../manifest/manifest.ts'
import { arrayOf, toElement, type Elements } from './elements.ts'
import { composePicture } from './encoded.ts'
import type { ImageInput } from './image-input.ts'
import type { Picture } from './picture.ts'
import { isPacked, writePlaced, type Placed, type Raster } from './raster.ts'
import { copyInto } from './sample.ts'

/**
 * Makes the function that turns a picture's pixels into a model's input: (value - mean) / std, values 0 to 255, in the input's type and
 * layout. Integer types take the result rounded (halves to even, as numpy does) and clamped to their range; one channel
 * takes the luma. `mean` and `std` lists are in the order of the model's own channels. A quantised input (HEF) takes pixels as
 * they are, since its network does the rest; where the entry has a `mean` or `std` of its own, the result is quantised for it.
 * Everything that depends on the model alone is worked out here, once: a table of 256 elements for each channel.
 * @throws PelletError `invalid_manifest` where type, mean or std do not fit
 */
export function createPacker(input: ImageInput, entry: ModelEntry): (picture: Picture) => Promise<Elements> {
  const ArrayOf = arrayOf('tensor', input)
  const means = perChannel('mean', entry.mean ?? 0, input.channels)
  const stds = perChannel('std', entry.std ?? 1, input.channels)
  if (stds.includes(0))
    throw new PelletError('invalid_manifest', "tensor: expected std other than 0 in the model's entry, found 0")

  const isScaled = entry.mean !== undefined || entry.std !== undefined
  const toStored = toElement(input.type, isScaled ? input.quant : undefined)
  const tables = means.map((mean, channel) => {
    const table = new ArrayOf(256)
    for (let level = 0; level < 256; level++) table[level] = toStored((level - mean) / stds[channel]!, channel)
    return table
  })
  if (input.channels === 1)
    return async (picture) => {
      const placed = await composePicture(picture)
      return packLuma(placed, lendArray(ArrayOf, placed.width * placed.height), tables[0]!)
    }

  const order = entry.channels === 'bgr' ? [2, 1, 0] : [0, 1, 2]
  const isUnchanged = tables.every((table) => table.every((value, level) => value === level))
  if (isUnchanged && input.type === 'uint8' && input.layout === 'nhwc' && order[0] === 0)
    return async (picture) => {
      const placed = await composePicture(picture)
      const { raster, width, height, isShared } = placed
      if (!isShared && raster.width === width && raster.height === height && isPacked(raster)) return raster.data
      const data = lendArray(Uint8Array, width * height * 3)
      writePlaced(placed, data)
      return data
    }

  return async (picture) => {
    const placed = await composePicture(picture)
    const count = placed.width * placed.height
    const packed = lendArray(ArrayOf, count * 3)
    const planes = order.map((channel) => ({
      values:
        input.layout === 'nchw' ? packed.subarray(channel * count, (channel + 1) * count) : packed.subarray(channel),
      table: tables[channel]!,
    }))
    packColors(placed, planes, input.layout === 'nchw' ? 1 : 3)
    return packed
  }
}

// --- internal ---

function perChannel(key: string, value: number | number[], channels: number): number[] {
  if (typeof value === 'number') return Array.from({ length: channels }, () => value)
  if (value.length === channels) return value
  throw new PelletError(
    'invalid_manifest',
    `tensor: expected ${key} in the model's entry as one number or ${channels}, found ${value.length}`,
  )
}

/** Luma by the weights of ITU-R BT.601 in 16 bits, as PIL's convert('L') has it; grey pixels stay what they are. */
function packLuma({ raster, width, left, top, background }: Placed, packed: Elements, table: Elements): Elements {
  const { data, offset, xStep, yStep } = raster
  const luma = (r: number, g: number, b: number) => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >>> 16
  packed.fill(table[luma(...background)]!)
  for (let y = 0; y < raster.height; y++) {
    const end = (top + y) * width + left + raster.width
    for (let at = offset + y * yStep, to = end - raster.width; to < end; at += xStep, to++)
      packed[to] = table[luma(data[at]!, data[at + 1]!, data[at + 2]!)]!
  }
  return packed
}

interface Plane {
  values: Elements
  /** The element that each level becomes. */
  table: Elements
}

/** `step` is how far apart the elements of neighbouring pixels are. */
function packColors(placed: Placed, planes: Plane[], step: number): void {
  const { width, height, left, top, background } = placed
  const { data, offset, yStep, ...size } = aligned(placed.raster)
  if (size.width < width || size.height < height) {
    for (const [channel, { values, table }] of planes.entries()) {
      const value = table[background[channel]!]!
      if (step === 1) values.fill(value)
      else for (let i = 0; i < width * height * step; i += step) values[i] = value
    }
  }
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)
  const [r, g, b] = planes as [Plane, Plane, Plane]
  const quads = size.width >> 2
  for (let y = 0; y < size.height; y++) {
    const from = offset + y * yStep
    const to = ((top + y) * width + left) * step
    packQuads(words, from >> 2, quads, r.values, g.values, b.values, r.table, g.table, b.table, to, step)
    for (let x = quads * 4; x < size.width; x++) {
      r.values[to + x * step] = r.table[data[from + x * 3]!]!
      g.values[to + x * step] = g.table[data[from + x * 3 + 1]!]!
      b.values[to + x * step] = b.table[data[from + x * 3 + 2]!]!
    }
  }
}

/** The raster, or a copy of it, with packed rows that begin at whole words. */
function aligned(raster: Raster): Raster {
  const { data, width, height, offset, xStep, yStep } = raster
  if (xStep === 3 && [data.byteOffset, offset, yStep].every((at) => at % 4 === 0)) return raster
  const stride = Math.ceil((width * 3) / 4) * 4
  const copy = { data: new Uint8Array(stride * height), width, height, offset: 0, xStep: 3, yStep: stride }
  copyInto(copy, raster)
  return copy
}

/**
 * Reads four pixels as three words, and writes each plane's four together: 1 ms for 640 x 640 to float32, where a loop over
 * bytes takes more than three times that. Every platform that Pellet runs on is little-endian.
 */
function packQuads(
  words: Uint32Array,
  start: number,
  quads: number,
  red: Elements,
  green: Elements,
  blue: Elements,
  redOf: Elements,
  greenOf: Elements,
  blueOf: Elements,
  to: number,
  step: number,
): void {
  const end = start + quads * 3
  for (let i = start, a = to; i < end; i += 3, a += 4 * step) {
    const first = words[i]!
    const second = words[i + 1]!
    const third = words[i + 2]!
    const b = a + step
    const c = b + step
    const d = c + step
    red[a] = redOf[first & 255]!
    red[b] = redOf[first >>> 24]!
    red[c] = redOf[(second >>> 16) & 255]!
    red[d] = redOf[(third >>> 8) & 255]!
    green[a] = greenOf[(first >>> 8) & 255]!
    green[b] = greenOf[second & 255]!
    green[c] = greenOf[second >>> 24]!
    green[d] = greenOf[(third >>> 16) & 255]!
    blue[a] = blueOf[(first >>> 16) & 255]!
    blue[b] = blueOf[(second >>> 8) & 255]!
    blue[c] = blueOf[third & 255]!
    blue[d] = blueOf[third >>> 24]!
  }
}

import { crc32, deflateSync } from 'node:zlib'
import type { Random } from '../support/random.ts'

/** Small files that say they are huge, or become it. Built once for each size and kept, as some take a while. */
export function bomb(random: Random): Buffer {
  const name = random.pick(Object.keys(bombs))
  let built = known.get(name)
  if (!built) known.set(name, (built = bombs[name]!()))
  return built
}

// --- internal ---

const known = new Map<string, Buffer>()

const bombs: Record<string, () => Buffer> = {
  'png of 10 gigapixels': () => png(100_000, 100_000, deflateSync(Buffer.alloc(2_000_000), { level: 9 })),
  'png of 2^31 by 2^31': () => png(2 ** 31 - 1, 2 ** 31 - 1, deflateSync(Buffer.alloc(9))),
  'png of no size': () => png(0, 0, deflateSync(Buffer.alloc(9))),
  // One bit a pixel: 49 megapixels, below the limit, in 6 KB.
  'png of 49 megapixels': () => png(7000, 7000, deflateSync(Buffer.alloc(876 * 7000), { level: 9 })),
  'png with more data than pixels': () => png(8, 8, deflateSync(Buffer.alloc(60_000_000), { level: 9 })),
  'png with 60 MB of text': () =>
    png(
      8,
      8,
      deflateSync(Buffer.alloc(16)),
      chunk('zTXt', Buffer.concat([Buffer.from('a\0\0'), deflateSync(Buffer.alloc(60_000_000, 97))])),
    ),
  'png with a profile of 60 MB': () =>
    png(
      8,
      8,
      deflateSync(Buffer.alloc(16)),
      chunk('iCCP', Buffer.concat([Buffer.from('a\0\0'), deflateSync(Buffer.alloc(60_000_000))])),
    ),
  'png with 20,000 texts': () =>
    png(
      8,
      8,
      deflateSync(Buffer.alloc(16)),
      Buffer.concat(Array.from({ length: 20_000 }, (_, i) => chunk('tEXt', Buffer.from(`k${i}\0v`)))),
    ),
  'gif of 4 gigapixels': () => gif(65_535, 65_535, 1),
  'gif of 49 megapixels': () => gif(7000, 7000, 1),
  'gif of 100,000 frames': () => gif(100, 100, 100_000),
  'gif of 2,000 large frames': () => gif(6000, 6000, 2000),
  'webp of 16384 by 16384': () => webpExtended(16_384, 16_384),
  'webp of 2^24 by 2^24': () => webpExtended(2 ** 24, 2 ** 24),
  'lossless webp of 16384 by 16384': () => webpLossless(16_384, 16_384),
  'lossless webp of 7000 by 7000': () => webpLossless(7000, 7000),
  'tiff of 49 megapixels in 500 bands': () => tiff(7000, 7000, 500),
  'tiff of 1 megapixel in 65,535 bands': () => tiff(1000, 1000, 65_535),
  'tiff of 2^32 by 1': () => tiff(2 ** 32 - 1, 1, 3),
  'tiff that points at itself': () => tiff(8, 8, 1, 8),
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const result = Buffer.alloc(body.length + 8)
  result.writeUInt32BE(data.length, 0)
  body.copy(result, 4)
  result.writeUInt32BE(crc32(body), body.length + 4)
  return result
}

/** One grey bit a pixel. */
function png(width: number, height: number, data: Uint8Array, more: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 1
  const start = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([start, chunk('IHDR', header), more, chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))])
}

/** Frames of one pixel on a canvas as large as is said. */
function gif(width: number, height: number, frames: number): Buffer {
  const screen = Buffer.from('GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff', 'latin1')
  screen.writeUInt16LE(width, 6)
  screen.writeUInt16LE(height, 8)
  const control = '!\xf9\x04\x08\x01\0\0\0'
  const frame = Buffer.from(`${control},\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0`, 'latin1')
  return Buffer.concat([screen, ...Array.from({ length: frames }, () => frame), Buffer.from(';')])
}

function riff(parts: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from('WEBP'), ...parts])
  const start = Buffer.from('RIFF\0\0\0\0', 'latin1')
  start.writeUInt32LE(body.length, 4)
  return Buffer.concat([start, body])
}

function webpChunk(type: string, data: Buffer): Buffer {
  const start = Buffer.alloc(8)
  start.write(type, 'latin1')
  start.writeUInt32LE(data.length, 4)
  return Buffer.concat([start, data])
}

function webpExtended(width: number, height: number): Buffer {
  const data = Buffer.alloc(10)
  data.writeUIntLE(width - 1, 4, 3)
  data.writeUIntLE(height - 1, 7, 3)
  return riff([webpChunk('VP8X', data), webpLossless(1, 1).subarray(12)])
}

/** 14 bits of width, 14 of height, and a stream that is one colour everywhere. */
function webpLossless(width: number, height: number): Buffer {
  const data = Buffer.alloc(20)
  data[0] = 0x2f
  data.writeUInt32LE(((width - 1) | ((height - 1) << 14)) >>> 0, 1)
  data.set([0x88, 0x88, 0x08], 5)
  return riff([webpChunk('VP8L', data)])
}

/** All strips are the same bytes, compressed. */
function tiff(width: number, height: number, bands: number, next = 0): Buffer {
  const strip = deflateSync(Buffer.alloc(Math.min(width * bands * 8, 4_000_000)))
  const tags: [tag: number, type: number, value: number][] = [
    [256, 4, width],
    [257, 4, height],
    [258, 3, 8],
    [259, 3, 8],
    [262, 3, bands > 2 ? 2 : 1],
    [273, 4, 8],
    [277, 3, bands],
    [278, 4, height],
    [279, 4, strip.length],
  ]
  const directory = Buffer.alloc(2 + tags.length * 12 + 4)
  directory.writeUInt16LE(tags.length)
  for (const [i, [tag, type, value]] of tags.entries()) {
    const at = 2 + i * 12
    directory.writeUInt16LE(tag, at)
    directory.writeUInt16LE(type, at + 2)
    directory.writeUInt32LE(1, at + 4)
    directory.writeUInt32LE(value, at + 8)
  }
  directory.writeUInt32LE(next, directory.length - 4)
  const start = Buffer.from('II*\0\0\0\0\0', 'latin1')
  start.writeUInt32LE(8 + strip.length, 4)
  // Where the next directory is to be this one, it stands in front.
  if (next !== 0) {
    start.writeUInt32LE(8, 4)
    directory.writeUInt32LE(8 + directory.length, 2 + 5 * 12 + 8)
    return Buffer.concat([start, directory, strip])
  }
  return Buffer.concat([start, strip, directory])
}

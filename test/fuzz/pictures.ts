import sharp from 'sharp'
import { sample } from '../contracts/contract.ts'
import type { Random } from '../support/random.ts'

/** Small pictures of every format that is read, by name, and files that only look like one. */
export async function seedPictures(): Promise<Map<string, Buffer>> {
  const face = sharp(sample('faces_1.jpg')).resize(96, 64)
  const grey = face.clone().greyscale()
  const clear = face.clone().ensureAlpha(0.5)
  const frames = await Promise.all([0, 90, 180].map((angle) => face.clone().rotate(angle).resize(48, 48).toBuffer()))
  const moving = () => sharp(frames, { join: { animated: true } })
  const made: Record<string, Promise<Buffer>> = {
    jpeg: face.clone().jpeg().toBuffer(),
    'progressive jpeg': face.clone().jpeg({ progressive: true, chromaSubsampling: '4:4:4' }).toBuffer(),
    'turned jpeg': face.clone().jpeg().withMetadata({ orientation: 6 }).toBuffer(),
    'grey jpeg': grey.clone().jpeg().toBuffer(),
    'cmyk jpeg': face.clone().toColourspace('cmyk').jpeg().toBuffer(),
    png: face.clone().png().toBuffer(),
    'palette png': face.clone().png({ palette: true, colours: 16 }).toBuffer(),
    'deep png': face.clone().toColourspace('rgb16').png().toBuffer(),
    'clear png': clear.clone().png({ progressive: true }).toBuffer(),
    webp: face.clone().webp().toBuffer(),
    'lossless webp': clear.clone().webp({ lossless: true }).toBuffer(),
    'moving webp': moving().webp({ effort: 0 }).toBuffer(),
    gif: face.clone().gif({ effort: 1 }).toBuffer(),
    'moving gif': moving().gif({ effort: 1 }).toBuffer(),
    tiff: face.clone().tiff({ compression: 'none' }).toBuffer(),
    'lzw tiff': clear.clone().tiff({ compression: 'lzw', predictor: 'horizontal' }).toBuffer(),
    'tiled tiff': face.clone().tiff({ compression: 'jpeg', tile: true, pyramid: true }).toBuffer(),
    avif: face.clone().avif({ effort: 0 }).toBuffer(),
    'clear avif': clear.clone().avif({ effort: 0 }).toBuffer(),
  }
  const names = Object.keys(made)
  const files = await Promise.all(Object.values(made))
  return new Map(names.map((name, i) => [name, files[i]!]))
}

/** Files that are none of ours, whatever they are called. */
export function strangers(random: Random): Buffer {
  const texts = [
    '<svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"><rect width="9" height="9"/></svg>',
    '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg><text>&x;</text></svg>',
    `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "${'a'.repeat(99)}"><!ENTITY b "${'&a;'.repeat(99)}"><!ENTITY c "${'&b;'.repeat(99)}">]><svg><text>&c;&c;&c;</text></svg>`,
    '<svg xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="http://127.0.0.1:1/x.png" width="9" height="9"/></svg>',
    '<svg><image href="file:///etc/hostname"/><use href="#a"/><script>1</script></svg>',
    '<html><img src=x></html>',
    '%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>',
    'push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 "|id"',
    'P6\n9 9\n255\n',
    'BM',
    'GIF89a',
    'II*\0\x08\0\0\0',
    'MM\0*\0\0\0\x08\xff\xff',
    '\x89PNG\r\n\x1a\n',
    '\xff\xd8\xff',
    'RIFF\xff\xff\xff\xffWEBPVP8 ',
    '\0\0\0\x18ftypavif\0\0\0\0avifmif1',
    '\xff\xff\xff\xffftypheic',
    '\0\0\0\0ftyp',
    '\x1f\x8b\x08\0\0\0\0\0\0\x03',
  ]
  const text = Buffer.from(random.pick(texts), 'latin1')
  return random.chance(0.5) ? text : Buffer.concat([text, random.bytes(random.integer(1, 300))])
}

/** A Windows bitmap, which is told by its name and not read. */
export function bitmap(random: Random): Buffer {
  const header = Buffer.alloc(54)
  header.write('BM', 0, 'latin1')
  header.writeUInt32LE(40, 14)
  header.writeInt32LE(random.integer(-9, 2 ** 31 - 1), 18)
  header.writeInt32LE(random.integer(-9, 9), 22)
  return Buffer.concat([header, random.bytes(60)])
}

export function truncated(random: Random, file: Buffer): Buffer {
  return file.subarray(0, random.integer(0, file.length - 1))
}

/** Some bits are others than they were; more often near the beginning, where sizes and tables stand. */
export function flipped(random: Random, file: Buffer): Buffer {
  const copy = Buffer.from(file)
  const end = random.chance(0.5) ? Math.min(copy.length, 128) : copy.length
  for (let i = random.integer(1, 12); i > 0; i--) {
    const at = random.integer(0, end - 1)
    copy[at] = copy[at]! ^ (1 << random.integer(0, 7))
  }
  return copy
}

/** A part is doubled, cut out, zeroed, filled with 0xff or with anything. */
export function shuffled(random: Random, file: Buffer): Buffer {
  const from = random.integer(0, file.length - 1)
  const to = Math.min(file.length, from + random.integer(1, 64))
  const part = file.subarray(from, to)
  const instead = random.pick([
    Buffer.concat([part, part]),
    Buffer.alloc(0),
    Buffer.alloc(part.length),
    Buffer.alloc(part.length, 0xff),
    random.bytes(part.length),
  ])
  return Buffer.concat([file.subarray(0, from), instead, file.subarray(to)])
}

/** The beginning of one file and the end of another. */
export function spliced(random: Random, one: Buffer, other: Buffer): Buffer {
  return Buffer.concat([truncated(random, one), other.subarray(random.integer(0, other.length - 1))])
}

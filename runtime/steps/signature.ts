import type { PictureFormat } from './picture.ts'

/** What the first bytes say: a format that is read, another one by its name, or nothing known. */
export type Signature = { format: PictureFormat } | { other: string } | undefined

/** Formats that are read, as words for messages. */
export const readableFormats = 'JPEG, PNG, WebP, GIF, AVIF or TIFF'

/**
 * Tells a file's format by its first bytes, before any decoder sees them. Offsets and values: the formats' own
 * specifications, as gathered at https://en.wikipedia.org/wiki/List_of_file_signatures.
 */
export function signatureOf(bytes: Uint8Array): Signature {
  const head = latin1(bytes, 0, 32)
  for (const [start, format] of readable) if (head.startsWith(start)) return { format }
  if (head.startsWith('RIFF'))
    return head.startsWith('WEBP', 8) ? { format: 'webp' } : { other: riffName(head.slice(8, 12)) }
  if (head.startsWith('ftyp', 4)) return isoMedia(bytes)
  for (const [start, name] of others) if (head.startsWith(start)) return { other: name }
  return markup(latin1(bytes, 0, 1024))
}

// --- internal ---

const readable: [start: string, format: PictureFormat][] = [
  ['\xff\xd8\xff', 'jpeg'],
  ['\x89PNG\r\n\x1a\n', 'png'],
  ['GIF87a', 'gif'],
  ['GIF89a', 'gif'],
  ['II*\0', 'tiff'],
  ['MM\0*', 'tiff'],
  ['II+\0', 'tiff'],
  ['MM\0+', 'tiff'],
]

const others: [start: string, name: string][] = [
  ['BM', 'BMP'],
  ['%PDF-', 'PDF'],
  ['%!PS', 'PostScript'],
  ['8BPS', 'Photoshop (PSD)'],
  ['\0\0\x01\0', 'Windows icon (ICO)'],
  ['\xff\x0a', 'JPEG XL'],
  ['\0\0\0\x0cJXL \r\n\x87\n', 'JPEG XL'],
  ['\0\0\0\x0cjP  \r\n\x87\n', 'JPEG 2000'],
  ['\xff\x4f\xff\x51', 'JPEG 2000'],
  ['v/1\x01', 'OpenEXR'],
  ['#?RADIANCE', 'Radiance HDR'],
  ['SIMPLE  =', 'FITS'],
  ['DDS ', 'DirectDraw surface (DDS)'],
  ['qoif', 'QOI'],
  ['\x1a\x45\xdf\xa3', 'Matroska or WebM video'],
  ['\0\0\x01\xba', 'MPEG video'],
  ['OggS', 'Ogg'],
  ['ID3', 'MP3'],
  ['PK\x03\x04', 'ZIP'],
  ['\x1f\x8b', 'gzip'],
  ['\x93NUMPY', 'NumPy'],
  ...[1, 2, 3, 4, 5, 6, 7].flatMap((n) =>
    ['\n', ' ', '\r'].map((space): [string, string] => [`P${n}${space}`, 'PNM (PBM, PGM, PPM, PAM)']),
  ),
]

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end)
}

function riffName(kind: string): string {
  if (kind === 'WAVE') return 'WAV'
  return kind === 'AVI ' ? 'AVI video' : 'RIFF'
}

/** ISO base media: the major brand and the compatible ones tell AVIF from HEIC and from video (ISO/IEC 14496-12, 4.3). */
function isoMedia(bytes: Uint8Array): Signature {
  const sizeBytes = Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32BE()
  const box = latin1(bytes, 8, Math.min(sizeBytes, 256, bytes.length))
  const brands = new Set([box.slice(0, 4), ...(box.slice(8).match(/[^]{4}/g) ?? [])])
  if (brands.has('avif') || brands.has('avis')) return { format: 'avif' }
  if (['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1'].some((brand) => brands.has(brand)))
    return { other: 'HEIC/HEIF' }
  return { other: box.startsWith('crx') ? 'Canon raw (CR3)' : 'MP4 or QuickTime video' }
}

function markup(text: string): Signature {
  const start = text
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase()
  if (start.startsWith('<svg') || (/^<(\?xml|!--|!doctype svg)/.test(start) && start.includes('<svg')))
    return { other: 'SVG' }
  if (/^<(!doctype html|html|head|body)/.test(start)) return { other: 'HTML' }
  if (start.startsWith('<?xml')) return { other: 'XML' }
  return undefined
}

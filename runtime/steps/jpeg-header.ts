/** What a plain JPEG says of itself: size as stored, and EXIF orientation, 1 to 8. */
export interface JpegHeader {
  width: number
  height: number
  orientation: number
}

/**
 * Reads the header of a plain JPEG: grey or three colours, 8 bit, Huffman coded, baseline or progressive. Undefined for all
 * others and wherever anything is unusual: then libvips is to say what it is. Asking libvips costs 0.4 ms, a tenth of what
 * decoding 640 x 480 pixels costs, and a turn of the thread pool. Sources: ITU-T T.81, annex B; EXIF 2.32, 4.6.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let size: { width: number; height: number } | undefined
  let orientation: number | undefined
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return undefined
  for (let at = 2; at + 4 <= bytes.length;) {
    const marker = view.getUint16(at)
    const length = view.getUint16(at + 2)
    const end = at + 2 + length
    if (length < 2 || end > bytes.length) return undefined
    if (marker === startOfScan) return size && { ...size, orientation: orientation ?? 1 }
    if (isFrame(marker)) {
      if (size || !plainFrames.has(marker)) return undefined
      size = readFrame(view, at + 4, end)
      if (!size) return undefined
    } else if (marker === 0xffe1 && isExif(view, at + 4, end)) {
      if (orientation !== undefined) return undefined
      orientation = readOrientation(new DataView(bytes.buffer, bytes.byteOffset + at + 10, length - 8))
      if (orientation === undefined) return undefined
    } else if (!isSkipped(marker)) return undefined
    at = end
  }
  return undefined
}

// --- internal ---

const startOfScan = 0xffda
/** Baseline, extended sequential and progressive, Huffman coded. */
const plainFrames = new Set([0xffc0, 0xffc1, 0xffc2])

/** Frames of all kinds; three markers among their numbers are tables. */
function isFrame(marker: number): boolean {
  return marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)
}

/** Huffman and quantisation tables, restart intervals, applications' data and comments. */
function isSkipped(marker: number): boolean {
  return [0xffc4, 0xffdb, 0xffdd, 0xfffe].includes(marker) || (marker >= 0xffe0 && marker <= 0xffef)
}

function readFrame(view: DataView, at: number, end: number): { width: number; height: number } | undefined {
  if (end - at < 6) return undefined
  const height = view.getUint16(at + 1)
  const width = view.getUint16(at + 3)
  const components = view.getUint8(at + 5)
  const isPlain = view.getUint8(at) === 8 && (components === 1 || components === 3) && end - at === 6 + 3 * components
  return isPlain && width > 0 && height > 0 ? { width, height } : undefined
}

function isExif(view: DataView, at: number, end: number): boolean {
  return end - at >= 6 && view.getUint32(at) === 0x45786966 && view.getUint16(at + 4) === 0
}

/** The orientation in a TIFF's first directory; 1 where it has none, undefined where something is odd. */
function readOrientation(tiff: DataView): number | undefined {
  if (tiff.byteLength < 8) return undefined
  const order = tiff.getUint16(0)
  const isLittle = order === 0x4949
  if ((!isLittle && order !== 0x4d4d) || tiff.getUint16(2, isLittle) !== 42) return undefined
  const directory = tiff.getUint32(4, isLittle)
  if (directory + 2 > tiff.byteLength) return undefined
  const count = tiff.getUint16(directory, isLittle)
  if (directory + 2 + count * 12 > tiff.byteLength) return undefined
  let found: number | undefined
  for (let at = directory + 2, i = 0; i < count; i++, at += 12) {
    if (tiff.getUint16(at, isLittle) !== 0x0112) continue
    const value = tiff.getUint16(at + 8, isLittle)
    const isShort = tiff.getUint16(at + 2, isLittle) === 3 && tiff.getUint32(at + 4, isLittle) === 1
    if (found !== undefined || !isShort || value < 1 || value > 8) return undefined
    found = value
  }
  return found ?? 1
}

import sharp from 'sharp'

/** Pixels as they are shown: interleaved RGB. */
export interface Shown {
  data: Uint8Array
  width: number
  height: number
}

type Side = 'top' | 'bottom' | 'left' | 'right'

/** By EXIF orientation: where the first row and the first column of the stored picture are to be seen (EXIF 2.32, tag 0x0112). */
export const sides: Record<number, [row: Side, column: Side]> = {
  1: ['top', 'left'],
  2: ['top', 'right'],
  3: ['bottom', 'right'],
  4: ['bottom', 'left'],
  5: ['left', 'top'],
  6: ['right', 'top'],
  7: ['right', 'bottom'],
  8: ['left', 'bottom'],
}

/** The pixels in the order in which a camera that was held otherwise would store them. */
export function toStored(shown: Shown, row: Side, column: Side): Shown {
  const isTurned = row === 'left' || row === 'right'
  const [width, height] = isTurned ? [shown.height, shown.width] : [shown.width, shown.height]
  const data = new Uint8Array(shown.data.length)
  const far = { top: 0, left: 0, bottom: shown.height - 1, right: shown.width - 1 }
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++) {
      const down = Math.abs(far[row] - r)
      const along = Math.abs(far[column] - c)
      const [x, y] = isTurned ? [down, along] : [along, down]
      const from = (y * shown.width + x) * 3
      data.set(shown.data.subarray(from, from + 3), (r * width + c) * 3)
    }
  return { data, width, height }
}

/** A JPEG that keeps its colours as they are, and most of its values. */
export function toJpeg({ data, width, height }: Shown, quality = 90): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: '4:4:4' })
    .toBuffer()
}

/** Puts an APP1 segment behind the start of the JPEG: a TIFF header in that byte order, and one directory with one entry. */
export function withOrientation(jpeg: Buffer, value: number, order: 'II' | 'MM'): Buffer {
  const short = (number: number) => (order === 'II' ? [number, 0] : [0, number])
  const long = (number: number) => (order === 'II' ? [number, 0, 0, 0] : [0, 0, 0, number])
  const tag = order === 'II' ? [0x12, 0x01] : [0x01, 0x12]
  const entry = [...tag, ...short(3), ...long(1), ...short(value), 0, 0]
  const tiff = [...Buffer.from(order), ...short(42), ...long(8), ...short(1), ...entry, ...long(0)]
  const segment = [...Buffer.from('Exif\0\0'), ...tiff]
  const app1 = Buffer.from([0xff, 0xe1, 0, segment.length + 2, ...segment])
  return Buffer.concat([jpeg.subarray(0, 2), app1, jpeg.subarray(2)])
}

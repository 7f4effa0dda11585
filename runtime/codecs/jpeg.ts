import type { Pixels } from '../steps/picture.ts'
import { loadSharp } from '../steps/sharp.ts'

/** A JPEG of `quality` 1 to 100. Encoding runs on the thread pool. */
export async function toJpeg({ data, width, height }: Pixels, quality = 90): Promise<Buffer> {
  const sharp = await loadSharp()
  const raw = { width, height, channels: 3 as const }
  return sharp(data, { raw }).jpeg({ quality }).toBuffer()
}

import { join } from 'node:path'
import sharp from 'sharp'
import { projectRoot } from '../support/root.ts'
import { concurrencies, echoOf, ms, type Bench } from './context.ts'
import type { BareEngine } from './engine.ts'
import { load, median, type Target } from './load.ts'
import { toMarkdown } from './table.ts'

/** A photograph at the sizes that cameras have, as JPEG. */
export async function photosOf(file: string): Promise<{ size: string; jpeg: Buffer }[]> {
  const scaled = (width: number, height: number) =>
    sharp(file).resize(width, height, { fit: 'fill' }).jpeg({ quality: 90 }).toBuffer()
  return [
    { size: '640x480', jpeg: await scaled(640, 480) },
    { size: '1920x1080', jpeg: await scaled(1920, 1080) },
  ]
}

export const depthModel = join(projectRoot, 'models/depth.onnx')

export function depthTarget({ pellet }: Pick<Bench, 'pellet'>, jpeg: Buffer, format: string): Target {
  return {
    url: `${pellet.url}/v1/depth/estimate?output_format=${format}`,
    headers: { 'content-type': 'image/jpeg' },
    body: jpeg,
  }
}

/** Depth of raw JPEGs in every format, beside what sharp takes for the same pictures. */
export async function benchDepth(
  bench: Bench,
  engine: BareEngine,
  photos: { size: string; jpeg: Buffer }[],
): Promise<void> {
  const { quick, scale } = bench
  const engineMs = await engine.run(quick ? 10 : 60)
  const rows: string[][] = []
  const ownRows: string[][] = []
  for (const { size, jpeg } of photos) {
    ownRows.push([size, ...(await sharpAlone(size, jpeg, quick))])
    for (const format of ['numpy', 'image', 'both']) {
      for (const concurrency of concurrencies) {
        const target = depthTarget(bench, jpeg, format)
        const atLeast = (count: number) => Math.max(concurrency * 2, Math.ceil(count * scale))
        await load(target, concurrency, concurrency)
        const { p50, p99, perSecond } = await load(target, concurrency, atLeast(size === '640x480' ? 80 : 24))
        const bare = await load(echoOf(bench, target), concurrency, atLeast(40))
        const times = [bare.p50, p50, p99, p50 - engineMs]
        rows.push([size, format, String(concurrency), ...times.map(ms), perSecond.toFixed(1)])
      }
    }
  }
  console.log(`\nDepth (POST /v1/depth/estimate, raw JPEG, JSON answer); the engine alone takes ${ms(engineMs)} ms.\n`)
  console.log(toMarkdown(headings, rows))
  console.log('\nsharp alone, for comparison: decoding to 320x256, and writing an RGB PNG of the picture.\n')
  console.log(toMarkdown(['picture', 'decode ms', 'PNG ms'], ownRows))
}

// --- internal ---

const headings = [
  'picture',
  'output',
  'callers',
  'h3 echo p50 ms',
  'Pellet p50 ms',
  'p99 ms',
  'beyond the engine, p50 ms',
  'Pellet/s',
]

async function sharpAlone(size: string, jpeg: Buffer, quick: boolean): Promise<string[]> {
  const [width, height] = size.split('x').map(Number) as [number, number]
  const decodeMs = await median(quick ? 5 : 15, () => sharp(jpeg).resize(320, 256, { fit: 'fill' }).raw().toBuffer())
  const raw = await sharp(jpeg).raw().toBuffer()
  const pngMs = await median(quick ? 3 : 10, () =>
    sharp(raw, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 1 })
      .toBuffer(),
  )
  return [ms(decodeMs), ms(pngMs)]
}

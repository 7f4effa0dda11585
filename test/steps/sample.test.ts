import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Pixels } from '../../runtime/steps/picture.ts'
import { orientRaster, packRaster, rasterOf, type Raster } from '../../runtime/steps/raster.ts'
import { sampleLinear, sampleNearest } from '../../runtime/steps/sample.ts'
import { distance, noise, pixelAt } from './fixture-steps.ts'

const sampling = suite('sample')

const blank = (width: number, height: number): Raster =>
  rasterOf({ data: new Uint8Array(width * height * 3), width, height })

/** Bilinear sampling as the formula has it, in floating point. */
function bilinear(source: Pixels, width: number, height: number): number[] {
  const values: number[] = []
  const clamp = (at: number, size: number) => Math.min(Math.max(at, 0), size - 1)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const atX = clamp(((x + 0.5) * source.width) / width - 0.5, source.width)
      const atY = clamp(((y + 0.5) * source.height) / height - 0.5, source.height)
      const [left, top] = [Math.floor(atX), Math.floor(atY)]
      const [right, bottom] = [clamp(left + 1, source.width), clamp(top + 1, source.height)]
      for (let c = 0; c < 3; c++) {
        const at = (px: number, py: number) => pixelAt(source, px, py)[c]!
        const upper = at(left, top) + (at(right, top) - at(left, top)) * (atX - left)
        const lower = at(left, bottom) + (at(right, bottom) - at(left, bottom)) * (atX - left)
        values.push(upper + (lower - upper) * (atY - top))
      }
    }
  }
  return values
}

sampling('linear sampling is within one level of the formula, whatever the sizes', () => {
  const sizes = [
    [7, 5, 3, 2],
    [7, 5, 20, 13],
    [64, 48, 17, 33],
    [1, 1, 4, 4],
    [2, 9, 9, 2],
    [40, 30, 1, 1],
    [33, 21, 66, 42],
  ] as const
  for (const [fromWidth, fromHeight, width, height] of sizes) {
    const source = noise(fromWidth, fromHeight)
    const target = blank(width, height)
    sampleLinear(target, rasterOf(source))
    const largest = distance(target.data, bilinear(source, width, height))
    assert.ok(largest <= 1, `${fromWidth} x ${fromHeight} to ${width} x ${height}: ${largest}`)
  }
})

// SHA-256 (its first 8 bytes) of what cv2.resize(INTER_LINEAR) of OpenCV 4.14 gives for the same noise.
for (const [fromWidth, fromHeight, width, height, digest] of [
  [80, 60, 40, 30, 'bc57b2627e4facc7'],
  [90, 60, 30, 20, 'd051bf698b27a502'],
  [75, 60, 15, 20, 'db61db8a8bbd532e'],
  [80, 60, 40, 20, 'ff76932b49ac1ce1'],
  [80, 61, 40, 30, '9c1457666ccb88ac'],
  [61, 47, 30, 20, 'c39bef12843da7c7'],
  [33, 21, 66, 42, '60aa7cbe67693a4b'],
  [50, 40, 50, 20, '300544d38a1f2489'],
] as const)
  sampling(`linear sampling equals OpenCV: ${fromWidth} x ${fromHeight} to ${width} x ${height}`, () => {
    for (const orientation of [1, 4]) {
      // Turned and turned back: steps that are negative give the same.
      const upright = rasterOf(noise(fromWidth, fromHeight))
      const source = orientRaster(rasterOf(packRaster(orientRaster(upright, orientation))), orientation)
      const target = blank(width, height)
      sampleLinear(target, source)
      assert.is(createHash('sha256').update(target.data).digest('hex').slice(0, 16), digest)
    }
  })

sampling('linear sampling to the same size copies', () => {
  const source = noise(9, 4)
  const target = blank(9, 4)
  sampleLinear(target, rasterOf(source))
  assert.equal(target.data, source.data)
})

sampling('linear sampling of a flat picture stays flat', () => {
  for (const level of [0, 1, 127, 254, 255]) {
    const target = blank(19, 23)
    sampleLinear(target, rasterOf({ data: new Uint8Array(11 * 8 * 3).fill(level), width: 11, height: 8 }))
    assert.ok(
      target.data.every((value) => value === level),
      `level ${level}`,
    )
  }
})

sampling('nearest takes the pixel under the centre', () => {
  const source = noise(5, 3)
  const target = blank(2, 6)
  sampleNearest(target, rasterOf(source))
  for (let y = 0; y < 6; y++)
    for (let x = 0; x < 2; x++)
      assert.equal(pixelAt(target, x, y), pixelAt(source, [1, 3][x]!, Math.floor(y / 2)), `(${x}, ${y})`)
})

sampling.run()

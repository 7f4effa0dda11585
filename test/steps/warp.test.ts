import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Pixels, Rgb } from '../../runtime/steps/picture.ts'
import type { Affine } from '../../runtime/steps/similarity.ts'
import { warp } from '../../runtime/steps/warp.ts'
import { noise, pixelAt, ramp } from './fixture-steps.ts'

const warping = suite('warp')

/** What the formula gives, in floating point. */
function slow(source: Pixels, [a, b, tx, c, d, ty]: Affine, width: number, height: number, background: Rgb): number[] {
  const determinant = a * d - b * c
  const values: number[] = []
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      const x = (d * (u - tx) - b * (v - ty)) / determinant
      const y = (a * (v - ty) - c * (u - tx)) / determinant
      const [left, top] = [Math.floor(x), Math.floor(y)]
      for (let channel = 0; channel < 3; channel++) {
        const at = (px: number, py: number) =>
          px >= 0 && py >= 0 && px < source.width && py < source.height
            ? source.data[(py * source.width + px) * 3 + channel]!
            : background[channel]!
        const upper = at(left, top) + (at(left + 1, top) - at(left, top)) * (x - left)
        const lower = at(left, top + 1) + (at(left + 1, top + 1) - at(left, top + 1)) * (x - left)
        values.push(upper + (lower - upper) * (y - top))
      }
    }
  }
  return values
}

warping('the identity changes nothing, and shifts by whole pixels move', () => {
  const source = noise(20, 14)
  const before = source.data.slice()
  assert.equal(warp(source, [1, 0, 0, 0, 1, 0], 20, 14), source)
  const moved = warp(source, [1, 0, 3, 0, 1, -2], 20, 14, [9, 8, 7])
  assert.equal(pixelAt(moved, 3, 0), pixelAt(source, 0, 2))
  assert.equal(pixelAt(moved, 19, 11), pixelAt(source, 16, 13))
  assert.equal(pixelAt(moved, 2, 5), [9, 8, 7])
  assert.equal(pixelAt(moved, 10, 12), [9, 8, 7])
  assert.equal(source.data, before)
})

warping('half a pixel is the mean of two, with the background at the edge', () => {
  const source: Pixels = { data: Uint8Array.of(10, 20, 30, 50, 100, 200), width: 2, height: 1 }
  const { data } = warp(source, [1, 0, 0.5, 0, 1, 0], 3, 1, [0, 60, 255])
  assert.equal([...data], [5, 40, 143, 30, 60, 115, 25, 80, 228])
})

warping('a quarter turn turns', () => {
  const source = noise(5, 3)
  const turned = warp(source, [0, -1, 2, 1, 0, 0], 3, 5)
  for (let y = 0; y < 3; y++) for (let x = 0; x < 5; x++) assert.equal(pixelAt(turned, 2 - y, x), pixelAt(source, x, y))
})

warping('smooth pictures are within a level of the formula', () => {
  const source = ramp(200, 150)
  for (const [matrix, width, height] of [
    [[0.496, -0.06, -20, 0.06, 0.496, -14], 112, 112],
    [[3, 1.5, -250, -1.5, 3, 90], 90, 120],
    [[0.2, 0.01, 0, 0.02, 0.3, 5], 40, 50],
  ] as [Affine, number, number][]) {
    const expected = slow(source, matrix, width, height, [128, 128, 128])
    const { data } = warp(source, matrix, width, height, 128)
    // Positions are rounded to 32nds of a pixel, which the step to the background shows: 1/64 of 128, each way.
    for (const [i, value] of expected.entries()) assert.ok(Math.abs(data[i]! - value) < 5, `${i}: ${data[i]}, ${value}`)
    const far = expected.filter((value, i) => Math.abs(data[i]! - value) > 1)
    assert.ok(far.length < expected.length / 50, `${far.length}`)
  }
})

// SHA-256 (its first 8 bytes) of what cv2.warpAffine of OpenCV 4.14 gives for the same noise.
for (const [width, height, seed, matrix, toWidth, toHeight, background, digest] of [
  [40, 30, 1, [1, 0, 0.5, 0, 1, 0.25], 40, 30, [0, 0, 0], '5cc346adfdf5e2b3'],
  [64, 48, 2, [0.8, -0.6, 20, 0.6, 0.8, -5], 70, 60, [10, 200, 90], 'efbe1f30098f134f'],
  [200, 150, 3, [0.496, -0.06, -20.2, 0.06, 0.496, -14.3], 112, 112, [0, 0, 0], 'bce5617945407826'],
  [31, 17, 4, [-2.3, 0.4, 75, -0.7, -1.9, 50], 112, 112, [255, 255, 255], 'acb4db597dba2822'],
  [1, 1, 5, [9, 0, 3, 0, 9, 3], 20, 20, [7, 8, 9], '5c6c0a5057876c14'],
  [90, 70, 6, [0.1, 0.02, 3, -0.03, 0.12, 6], 15, 16, [127, 127, 127], 'e61882a1cae3257d'],
] as [number, number, number, Affine, number, number, Rgb, string][])
  warping(`equals OpenCV to the bit: ${width} x ${height} to ${toWidth} x ${toHeight}`, () => {
    const { data } = warp(noise(width, height, seed), matrix, toWidth, toHeight, background)
    assert.is(createHash('sha256').update(data).digest('hex').slice(0, 16), digest)
  })

warping('matrices that cannot be inverted and sizes that cannot be are refused', () => {
  const source = noise(4, 4)
  for (const matrix of [
    [0, 0, 1, 0, 0, 1],
    [1, 2, 0, 2, 4, 0],
    [NaN, 0, 0, 0, 1, 0],
    [1, 0, Infinity, 0, 1, 0],
  ] as unknown as Affine[])
    assert.throws(() => warp(source, matrix, 4, 4), /warp: expected a matrix that can be inverted, found \[/)
  assert.throws(
    () => warp(source, [1, 0, 0, 0, 1, 0], 0, 4),
    /expected a size of whole pixels, 1 x 1 or more, found 0 x 4/,
  )
})

warping('matrices that lead far away give the background', () => {
  const { data } = warp(noise(4, 4), [1e-6, 0, 1e9, 0, 1e-6, -1e9], 3, 3, 77)
  assert.ok(data.every((value) => value === 77))
})

warping.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { enlarge } from '../../runtime/steps/cubic.ts'
import { cropRaster, orientRaster, packRaster, rasterOf, type Raster } from '../../runtime/steps/raster.ts'
import { sampleLinear } from '../../runtime/steps/sample.ts'
import { distance, noise, pixelAt, ramp } from './fixture-steps.ts'

const rasters = suite('raster')

const blank = (width: number, height: number): Raster =>
  rasterOf({ data: new Uint8Array(width * height * 3), width, height })

rasters('orientations show the stored pixels as EXIF says', () => {
  const [width, height] = [3, 2]
  const stored = noise(width, height)
  const at: Record<number, (x: number, y: number) => [number, number]> = {
    1: (x, y) => [x, y],
    2: (x, y) => [width - 1 - x, y],
    3: (x, y) => [width - 1 - x, height - 1 - y],
    4: (x, y) => [x, height - 1 - y],
    5: (x, y) => [y, x],
    6: (x, y) => [y, height - 1 - x],
    7: (x, y) => [width - 1 - y, height - 1 - x],
    8: (x, y) => [width - 1 - y, x],
  }
  for (const [orientation, from] of Object.entries(at)) {
    const shown = packRaster(orientRaster(rasterOf(stored), Number(orientation)))
    assert.equal([shown.width, shown.height], Number(orientation) < 5 ? [3, 2] : [2, 3])
    for (let y = 0; y < shown.height; y++)
      for (let x = 0; x < shown.width; x++)
        assert.equal(pixelAt(shown, x, y), pixelAt(stored, ...from(x, y)), `orientation ${orientation} at (${x}, ${y})`)
  }
})

rasters('a crop of a crop of a turned picture is the same as of the packed one', () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    const turned = orientRaster(rasterOf(noise(9, 7)), orientation)
    const packed = rasterOf(packRaster(turned))
    const cut = (raster: Raster) => packRaster(cropRaster(cropRaster(raster, 1, 2, 5, 4), 2, 1, 3, 2))
    assert.equal(cut(turned), cut(packed))
    const [a, b] = [blank(4, 5), blank(4, 5)]
    sampleLinear(a, cropRaster(turned, 1, 1, 5, 5))
    sampleLinear(b, cropRaster(packed, 1, 1, 5, 5))
    assert.equal(a.data, b.data)
  }
})

rasters('packing a packed raster copies nothing', () => {
  const source = noise(4, 4)
  assert.is(packRaster(rasterOf(source)).data, source.data)
})

rasters('cubic enlarging keeps flat pictures flat and ramps straight, and clamps what overshoots', () => {
  const flat = enlarge(rasterOf({ data: new Uint8Array(5 * 4 * 3).fill(200), width: 5, height: 4 }), 13, 9)
  assert.ok(flat.data.every((value) => value === 200))
  const straight = packRaster(enlarge(rasterOf(ramp(52, 18)), 104, 36))
  for (let x = 8; x < 96; x++) {
    const expected = [((x + 0.5) / 2 - 0.5) * 5, 9 * 15]
    assert.ok(distance(pixelAt(straight, x, 18).slice(0, 2), expected) <= 4.5, `column ${x}`)
  }
  const edge = { data: new Uint8Array(10 * 3).fill(255, 15), width: 10, height: 1 }
  const sharp = [...packRaster(enlarge(rasterOf(edge), 40, 1)).data].filter((_, i) => i % 3 === 0)
  assert.is(Math.min(...sharp), 0)
  assert.is(Math.max(...sharp), 255)
  // By hand, at 1/8 and 3/8 between the pixels: 255 * (w(7/8) + w(15/8)) and 255 * (w(5/8) + w(13/8)), and their mirror.
  assert.equal(sharp.slice(18, 22), [21, 88, 167, 234])
})

rasters('cubic enlarging works on turned and cropped views, and on one axis alone', () => {
  const view = cropRaster(orientRaster(rasterOf(noise(9, 7)), 6), 1, 2, 5, 6)
  assert.equal(enlarge(view, 8, 6), enlarge(rasterOf(packRaster(view)), 8, 6))
  const wide = packRaster(enlarge(view, 10, 6))
  assert.equal([wide.width, wide.height, wide.data.length], [10, 6, 180])
})

rasters.run()

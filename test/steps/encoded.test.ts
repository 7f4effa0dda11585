import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openPicture, openPixels } from '../../runtime/steps/encoded.ts'
import { boxToSource } from '../../runtime/steps/geometry.ts'
import type { Picture, Pixels } from '../../runtime/steps/picture.ts'
import { cropRaster, packRaster, rasterOf } from '../../runtime/steps/raster.ts'
import { sampleLinear } from '../../runtime/steps/sample.ts'
import { distance, kernels, noise, pixelAt, png, ramp, sharpOf } from './fixture-steps.ts'

const limit = 50_000_000
const pictures = suite('pictures')
const geometry = suite('geometry')

const open = async (pixels: Pixels): Promise<Picture> => openPicture(await png(pixels), limit)

/** The picture as shown, stored so that EXIF orientation has to turn it back. */
async function stored(shown: Pixels, orientation: number): Promise<Uint8Array> {
  const turn: Record<number, (image: ReturnType<typeof sharpOf>) => ReturnType<typeof sharpOf>> = {
    1: (image) => image,
    2: (image) => image.flop(),
    3: (image) => image.rotate(180),
    4: (image) => image.flip(),
    5: (image) => image.rotate(270).flop(),
    6: (image) => image.rotate(270),
    7: (image) => image.rotate(90).flop(),
    8: (image) => image.rotate(90),
  }
  const { data, info } = await turn[orientation]!(sharpOf(shown)).raw().toBuffer({ resolveWithObject: true })
  const swapped = orientation >= 5
  assert.equal([info.width, info.height], swapped ? [shown.height, shown.width] : [shown.width, shown.height])
  return sharpOf({ data, width: info.width, height: info.height }).withMetadata({ orientation }).png().toBuffer()
}

pictures('every EXIF orientation is shown upright, with every kernel', async () => {
  const shown = ramp(48, 32)
  for (let orientation = 1; orientation <= 8; orientation++) {
    const picture = await openPicture(await stored(shown, orientation), limit)
    assert.equal([picture.width, picture.height], [48, 32], `orientation ${orientation}`)
    const { data } = await picture.pixels()
    assert.equal(new Uint8Array(data), shown.data, `orientation ${orientation}`)
    for (const kernel of kernels) {
      const small = await picture.resize(12, 8, { kernel }).pixels()
      assert.ok(distance(pixelAt(small, 0, 0), [8, 12, 10]) < 14, `${orientation} ${kernel}`)
      assert.ok(distance(pixelAt(small, 11, 0), [247, 12, 130]) < 14, `${orientation} ${kernel}`)
      assert.ok(distance(pixelAt(small, 0, 7), [8, 243, 125]) < 14, `${orientation} ${kernel}`)
    }
    const part = await picture.crop(30, 10, 5, 7).pixels()
    assert.equal(pixelAt(part, 2, 3), pixelAt(shown, 32, 13), `orientation ${orientation}`)
  }
})

pictures('steps make new pictures and leave the old ones alone', async () => {
  const picture = await open(noise(20, 10))
  const before = await picture.pixels()
  const small = picture.crop(1, 1, 8, 8).resize(4, 4)
  assert.is(small.source, picture)
  assert.is(picture.source, picture)
  assert.equal([picture.width, picture.height, small.width, small.height], [20, 10, 4, 4])
  await small.pixels()
  const after = await picture.pixels()
  assert.equal(after, before)
  after.data.fill(0)
  assert.equal(await picture.pixels(), before, 'pixels are the caller’s own')
})

pictures('letterbox keeps the aspect, places the picture and fills the rest', async () => {
  const white: Pixels = { data: new Uint8Array(40 * 20 * 3).fill(255), width: 40, height: 20 }
  const picture = await open(white)
  const bounds = (pixels: Pixels, background: number[]) => {
    const inside: [number, number][] = []
    for (let y = 0; y < pixels.height; y++)
      for (let x = 0; x < pixels.width; x++) {
        const found = pixelAt(pixels, x, y)
        if (distance(found, [255, 255, 255]) === 0) inside.push([x, y])
        else assert.equal(found, background)
      }
    return [inside[0], inside.at(-1), inside.length]
  }
  for (const kernel of kernels) {
    const centred = await picture.letterbox(16, 16, { kernel }).pixels()
    assert.equal(bounds(centred, [0, 0, 0]), [[0, 4], [15, 11], 128], kernel)
    const corner = await picture.letterbox(16, 16, { kernel, position: 'top-left', background: 114 }).pixels()
    assert.equal(bounds(corner, [114, 114, 114]), [[0, 0], [15, 7], 128], kernel)
    const tall = await picture.letterbox(11, 40, { kernel, background: [1, 2, 3] }).pixels()
    assert.equal(bounds(tall, [1, 2, 3]), [[0, 17], [10, 21], 55], kernel)
  }
})

pictures('a very thin picture keeps at least one pixel in its letterbox', async () => {
  const { data } = await (
    await open({ data: new Uint8Array(900 * 3).fill(255), width: 900, height: 1 })
  )
    .letterbox(30, 30, { position: 'top-left' })
    .pixels()
  assert.ok(data.subarray(0, 90).every((value) => value === 255))
  assert.ok(data.subarray(90).every((value) => value === 0))
})

pictures('chains do what their steps do one by one', async () => {
  const start = noise(61, 47)
  const picture = await open(start)
  const step = (pixels: Pixels, [left, top, width, height]: number[], toWidth: number, toHeight: number): Pixels => {
    const target = { data: new Uint8Array(toWidth * toHeight * 3), width: toWidth, height: toHeight }
    sampleLinear(rasterOf(target), cropRaster(rasterOf(pixels), left!, top!, width!, height!))
    return target
  }
  const first = step(start, [3, 5, 50, 40], 30, 20)
  const second = step(first, [2, 1, 20, 15], 44, 33)
  const expected = packRaster(cropRaster(rasterOf(second), 7, 8, 21, 13))
  const chain = picture.crop(3, 5, 50, 40).resize(30, 20).crop(2, 1, 20, 15).resize(44, 33).crop(7, 8, 21, 13)
  assert.equal(await chain.pixels(), expected)
  const boxed = await picture.crop(3, 5, 50, 40).letterbox(30, 40, { position: 'top-left' }).crop(0, 0, 30, 24).pixels()
  assert.equal(boxed, step(start, [3, 5, 50, 40], 30, 24))
})

pictures('kernels of libvips work anywhere in a chain', async () => {
  const picture = await open(ramp(120, 90))
  for (const kernel of ['cubic', 'mitchell', 'lanczos2', 'lanczos3'] as const) {
    const views = [
      picture.crop(30, 15, 60, 60).resize(20, 20, { kernel }),
      picture.resize(60, 45, { kernel }).crop(15, 8, 30, 30).resize(20, 20, { kernel }),
      picture.letterbox(60, 60, { kernel }).crop(15, 15, 30, 30).resize(20, 20),
    ]
    for (const [i, view] of views.entries()) {
      const pixels = await view.pixels()
      assert.equal([pixels.width, pixels.height, pixels.data.length], [20, 20, 1200])
      for (const [x, y] of [
        [2, 2],
        [17, 3],
        [9, 16],
      ] as const) {
        const [sourceX, sourceY] = view.toSource(x + 0.5, y + 0.5)
        const expected = [(255 * (sourceX - 0.5)) / 119, (255 * (sourceY - 0.5)) / 89]
        assert.ok(distance(pixelAt(pixels, x, y).slice(0, 2), expected) < 4, `${kernel} ${i} (${x}, ${y})`)
      }
    }
  }
})

pictures('a picture far larger than needed is shrunk while decoding, in place and brightness right', async () => {
  const large = ramp(1500, 1200)
  for (const format of ['jpeg', 'png', 'webp', 'tiff'] as const) {
    const picture = await openPicture(
      await sharpOf(large)
        .toFormat(format, format === 'png' ? {} : { quality: 95 })
        .toBuffer(),
      limit,
    )
    for (const [width, height] of [
      [150, 120],
      [90, 40],
      [40, 30],
      [25, 20],
    ] as const) {
      const pixels = await picture.resize(width, height).pixels()
      assert.equal([pixels.width, pixels.height], [width, height])
      for (let i = 0; i < 20; i++) {
        const [x, y] = [Math.floor((i * width) / 20), Math.floor((((i * 7) % 20) * height) / 20)]
        const expected = [((x + 0.5) * 255) / width, ((y + 0.5) * 255) / height]
        const found = pixelAt(pixels, x, y).slice(0, 2)
        assert.ok(distance(found, expected) < 5, `${format} ${width} x ${height} (${x}, ${y}): ${found}, ${expected}`)
      }
    }
  }
})

pictures('sizes and parts that cannot be are refused', async () => {
  const picture = await open(noise(10, 8))
  for (const run of [() => picture.resize(0, 4), () => picture.resize(2.5, 4), () => picture.letterbox(4, Number.NaN)])
    assert.throws(run, /expected a size of whole pixels, 1 x 1 or more/)
  for (const [left, top, width, height] of [
    [-1, 0, 5, 5],
    [6, 0, 5, 5],
    [0, 4, 5, 5],
    [0.5, 0, 5, 5],
  ] as const)
    assert.throws(
      () => picture.crop(left, top, width, height),
      /expected a part of the picture of 10 x 8 pixels, found 5 x 5/,
    )
})

geometry('resize, crop and both letterboxes map corners back exactly', async () => {
  const picture = await open(noise(400, 300))
  assert.equal(picture.toSource(12.5, 7), [12.5, 7])
  assert.equal(picture.resize(100, 50).toSource(100, 50), [400, 300])
  assert.equal(picture.resize(100, 50).toSource(25, 10), [100, 60])
  assert.equal(picture.crop(30, 40, 100, 100).toSource(5, 6), [35, 46])
  const centred = picture.letterbox(200, 200)
  assert.equal(centred.toSource(0, 25), [0, 0])
  assert.equal(centred.toSource(200, 175), [400, 300])
  assert.equal(centred.toSource(0, 0), [0, -50])
  const corner = picture.letterbox(200, 200, { position: 'top-left' })
  assert.equal(corner.toSource(0, 0), [0, 0])
  assert.equal(corner.toSource(200, 150), [400, 300])
})

geometry('a letterbox whose side is rounded maps its own edges to the picture’s', async () => {
  const picture = await open(noise(400, 328))
  const box = picture.letterbox(640, 640, { position: 'top-left' })
  // InsightFace makes 640 x 524 of it, rounding 524.8 down.
  assert.ok(distance(box.toSource(640, 524), [400, 328]) < 1e-9)
})

geometry('round trips through compositions find the marked pixel, for every EXIF orientation', async () => {
  const shown: Pixels = { data: new Uint8Array(160 * 120 * 3), width: 160, height: 120 }
  // A white square of 8 x 8 with its centre at (104, 44).
  for (let y = 40; y < 48; y++) shown.data.fill(255, (y * 160 + 100) * 3, (y * 160 + 108) * 3)
  for (let orientation = 1; orientation <= 8; orientation++) {
    const picture = await openPicture(await stored(shown, orientation), limit)
    for (const view of [
      picture,
      picture.resize(320, 180),
      picture.letterbox(200, 200),
      picture.letterbox(90, 300, { position: 'top-left' }),
      picture.crop(60, 20, 80, 50),
      picture.crop(60, 20, 80, 50).resize(160, 75).crop(40, 10, 100, 60),
      picture.resize(320, 240).crop(100, 40, 200, 150).letterbox(128, 128).crop(10, 10, 110, 110),
      picture.letterbox(240, 240, { kernel: 'lanczos3' }).crop(20, 20, 200, 200).resize(100, 150, { kernel: 'cubic' }),
    ]) {
      const pixels = await view.pixels()
      let [sum, sumX, sumY] = [0, 0, 0]
      for (let y = 0; y < pixels.height; y++) {
        for (let x = 0; x < pixels.width; x++) {
          const value = pixelAt(pixels, x, y)[0]!
          sum += value
          sumX += value * (x + 0.5)
          sumY += value * (y + 0.5)
        }
      }
      const found = view.toSource(sumX / sum, sumY / sum)
      assert.ok(
        distance(found, [104, 44]) < 0.15,
        `orientation ${orientation}, ${view.width} x ${view.height}: ${found}`,
      )
    }
  }
})

geometry('letterboxes of the thinnest pictures map their own corners to the picture’s', async () => {
  for (const [width, height, boxed] of [
    [1, 1, [640, 640]],
    [32, 32, [640, 640]],
    [8000, 200, [640, 16]],
    [200, 8000, [16, 640]],
    [5000, 1, [640, 1]],
    [1, 5000, [1, 640]],
  ] as const) {
    const picture = openPixels({ data: new Uint8Array(width * height * 3).fill(255), width, height }, limit)
    for (const position of ['top-left', 'center'] as const) {
      const box = picture.letterbox(640, 640, { position })
      const { data } = await box.pixels()
      assert.is(
        data.reduce((sum, value) => sum + value, 0),
        255 * 3 * boxed[0] * boxed[1],
        `${width} x ${height}`,
      )
      const [left, top] = position === 'center' ? boxed.map((side) => Math.floor((640 - side) / 2)) : [0, 0]
      assert.equal(box.toSource(left!, top!), [0, 0])
      assert.ok(distance(box.toSource(left! + boxed[0], top! + boxed[1]), [width, height]) < 1e-9)
    }
  }
})

geometry('boxToSource gives boxes of the picture that was posted, clipped to it', () => {
  const picture = openPixels(noise(400, 300), limit).letterbox(200, 200)
  assert.equal(boxToSource(picture, [10, 35, 60, 85]), [20, 20, 120, 120])
  assert.equal(boxToSource(picture, Float32Array.of(-10, 0, 300, 190)), [0, 0, 400, 300])
  assert.equal(boxToSource(picture, [300, 180, 350, 190]), [400, 300, 400, 300])
})

pictures.run()
geometry.run()

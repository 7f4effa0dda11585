import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openPicture, openPixels } from '../../runtime/steps/encoded.ts'
import type { Picture, Pixels } from '../../runtime/steps/picture.ts'
import { failureOf, kernels, noise, png } from './fixture-steps.ts'

const limit = 50_000_000
const raw = suite('raw pictures')

const open = async (pixels: Pixels): Promise<Picture> => openPicture(await png(pixels), limit)

raw('pixels give what the same picture gives as PNG, to the byte, whatever is done with it', async () => {
  for (const [width, height] of [
    [1, 1],
    [64, 48],
    [37, 53],
    [500, 410],
  ] as const) {
    const pixels = noise(width, height)
    const [encoded, given] = [await open(pixels), openPixels(pixels, limit)]
    assert.equal([given.width, given.height, given.source], [width, height, given])
    const works: [string, (picture: Picture) => Picture][] = [
      ['as it is', (picture) => picture],
      ['all of it', (picture) => picture.crop(0, 0, width, height)],
      ['the same size', (picture) => picture.resize(width, height)],
      ['part', (picture) => picture.crop(width >> 2, height >> 1, (width + 1) >> 1, (height + 1) >> 1)],
      ['much smaller', (picture) => picture.resize(11, 9)],
    ]
    for (const kernel of kernels) {
      works.push([`resized, ${kernel}`, (picture) => picture.resize(60, 31, { kernel })])
      works.push([`boxed, ${kernel}`, (picture) => picture.letterbox(80, 64, { kernel, background: [1, 2, 3] })])
      works.push([
        `a chain, ${kernel}`,
        (picture) => picture.letterbox(90, 50, { kernel, position: 'top-left' }).crop(0, 0, 40, 30).resize(64, 64),
      ])
    }
    for (const [name, work] of works) {
      const [expected, found] = [work(encoded), work(given)]
      assert.equal(await found.pixels(), await expected.pixels(), `${width} x ${height} ${name}`)
      assert.equal(found.toSource(3, 4), expected.toSource(3, 4))
    }
    assert.equal(pixels, noise(width, height), 'the pixels given are left alone')
  }
})

raw('what pixels() gives is the caller’s own, whatever was done', async () => {
  const pixels = noise(12, 8)
  for (const picture of [openPixels(pixels, limit), await open(pixels)]) {
    for (const view of [
      picture,
      picture.crop(0, 0, 12, 8),
      picture.resize(12, 8),
      picture.letterbox(12, 8),
      picture.crop(0, 0, 12, 4),
    ]) {
      const before = await view.pixels()
      const { data } = await view.pixels()
      data.fill(0)
      assert.equal(await view.pixels(), before)
      assert.equal(await picture.pixels(), noise(12, 8))
    }
  }
})

raw('format and bytes say what came', () => {
  const pixels = noise(3, 2)
  const picture = openPixels(pixels, limit)
  assert.is(picture.format, 'rgb')
  assert.is(picture.bytes, pixels.data)
})

raw('pixels that do not fit their size, or are too many, are refused', async () => {
  for (const [given, found] of [
    [{ data: new Uint8Array(11), width: 2, height: 2 }, '11 bytes for 2 x 2'],
    [{ data: new Uint8Array(13), width: 2, height: 2 }, '13 bytes for 2 x 2'],
    [{ data: new Uint8Array(0), width: 0, height: 2 }, '0 bytes for 0 x 2'],
    [{ data: new Uint8Array(12), width: -2, height: -2 }, '12 bytes for -2 x -2'],
    [{ data: new Uint8Array(9), width: 1.5, height: 2 }, '9 bytes for 1.5 x 2'],
    [{ data: new Float32Array(12), width: 2, height: 2 }, '[object Float32Array] for 2 x 2'],
    [{ width: 2, height: 2 }, '[object Undefined] for 2 x 2'],
    [{ data: new Uint8Array(12) }, '12 bytes for undefined x undefined'],
  ] as [Pixels, string][])
    assert.equal(await failureOf(() => openPixels(given, limit)), {
      code: 'invalid_image',
      message: `image.decode: expected pixels as a Uint8Array of width x height x 3 bytes, found ${found}`,
    })
  const { code, message } = await failureOf(() => openPixels(noise(10, 10), 99))
  assert.is(code, 'image_too_large')
  assert.match(message, 'expected at most 99 pixels (limits.pixels), found 10 x 10 = 100; send a smaller picture')
})

raw.run()

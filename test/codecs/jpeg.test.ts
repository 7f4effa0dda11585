import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toJpeg } from '../../runtime/codecs/jpeg.ts'
import { distance, noise, ramp } from '../steps/fixture-steps.ts'

const jpeg = suite('jpeg')

jpeg('a picture comes back nearly as it was, in its size', async () => {
  for (const [width, height] of [
    [1, 1],
    [17, 9],
    [640, 480],
  ] as const) {
    const pixels = ramp(width, height)
    const { data, info } = await sharp(await toJpeg(pixels))
      .raw()
      .toBuffer({ resolveWithObject: true })
    assert.equal([info.width, info.height, info.channels], [width, height, 3])
    assert.ok(distance(data, pixels.data) < 24)
  }
})

jpeg('a higher quality is nearer, and takes more bytes', async () => {
  const pixels = noise(64, 64)
  const errorOf = async (bytes: Uint8Array) => {
    const data = await sharp(bytes).raw().toBuffer()
    return data.reduce((sum, value, i) => sum + Math.abs(value - pixels.data[i]!), 0)
  }
  const [low, usual, high] = [await toJpeg(pixels, 40), await toJpeg(pixels), await toJpeg(pixels, 100)]
  assert.ok(low.length < usual.length && usual.length < high.length)
  assert.ok((await errorOf(low)) > (await errorOf(usual)) && (await errorOf(usual)) > (await errorOf(high)))
  assert.is(usual.toString('latin1', 0, 3), '\xff\xd8\xff')
})

jpeg('pixels stay as they are', async () => {
  const pixels = noise(8, 8)
  await toJpeg(pixels)
  assert.equal(pixels, noise(8, 8))
})

jpeg.run()

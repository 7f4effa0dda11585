import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toPng16Grey, toPng8Rgb } from '../../runtime/codecs/png.ts'

const png = suite('png')

png('colours come back as they were, in 8-bit RGB', async () => {
  for (const [width, height] of [
    [1, 1],
    [7, 5],
    [640, 480],
  ] as const) {
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 31) % 256)
    const encoded = await toPng8Rgb({ data, width, height })
    assert.equal(headerOf(encoded), { width, height, bits: 8, colorType: 2 })
    const decoded = await sharp(encoded).raw().toBuffer({ resolveWithObject: true })
    assert.is(decoded.info.channels, 3)
    assert.ok(decoded.data.equals(data))
  }
})

png('grey levels come back as they were, in 16 bit', async () => {
  for (const [width, height] of [
    [1, 1],
    [5, 3],
    [256, 256],
  ] as const) {
    const data = Uint16Array.from({ length: width * height }, (_, i) => i * 257)
    const encoded = await toPng16Grey({ data, width, height })
    assert.equal(headerOf(encoded), { width, height, bits: 16, colorType: 0 })
    const decoded = await sharp(encoded).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer()
    assert.equal(new Uint16Array(decoded.buffer, decoded.byteOffset, decoded.length / 2), data)
  }
})

png('levels of neighbouring values differ: nothing passes through 8 bits', async () => {
  const data = Uint16Array.of(0, 1, 2, 255, 256, 32_768, 65_534, 65_535)
  const decoded = await sharp(await toPng16Grey({ data, width: 8, height: 1 }))
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer()
  assert.equal([...new Uint16Array(decoded.buffer, decoded.byteOffset, 8)], [...data])
})

png.run()

// --- internal ---

/** The fields of IHDR (PNG 3rd edition, 11.2.1). */
function headerOf(encoded: Buffer) {
  assert.is(encoded.toString('latin1', 0, 16), '\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR')
  return {
    width: encoded.readUInt32BE(16),
    height: encoded.readUInt32BE(20),
    bits: encoded[24],
    colorType: encoded[25],
  }
}

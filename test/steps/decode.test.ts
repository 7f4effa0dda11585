import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openPicture } from '../../runtime/steps/encoded.ts'
import { rasterOf } from '../../runtime/steps/raster.ts'
import { sampleLinear } from '../../runtime/steps/sample.ts'
import { loadSharp, warmUp } from '../../runtime/steps/sharp.ts'
import { distance, failureOf, noise, pixelAt, png, ramp, sharpOf } from './fixture-steps.ts'

const limit = 50_000_000
const formats = suite('formats')
const refusals = suite('refusals')

formats('all formats that are read give the size, format and pixels', async () => {
  const picture = ramp(60, 40)
  for (const [name, tolerance] of [
    ['png', 0],
    ['gif', 24],
    ['jpeg', 12],
    ['webp', 16],
    ['avif', 16],
    ['tiff', 12],
  ] as const) {
    const bytes = await sharpOf(picture).toFormat(name).toBuffer()
    const opened = await openPicture(bytes, limit)
    assert.equal([opened.format, opened.width, opened.height], [name, 60, 40])
    assert.is(opened.bytes, bytes)
    const { data, width, height } = await opened.pixels()
    assert.equal([width, height], [60, 40])
    const largest = distance(data, picture.data)
    assert.ok(largest <= tolerance, `${name}: ${largest}`)
  }
})

formats('lossless WebP and TIFF give the very pixels', async () => {
  const picture = noise(17, 9)
  for (const bytes of [
    await sharpOf(picture).webp({ lossless: true }).toBuffer(),
    await sharpOf(picture).tiff({ compression: 'lzw' }).toBuffer(),
    await sharpOf(picture).tiff({ compression: 'none', bigtiff: true }).toBuffer(),
  ])
    assert.equal(new Uint8Array((await (await openPicture(bytes, limit)).pixels()).data), picture.data)
})

formats('grey becomes RGB', async () => {
  const grey = await sharpOf(ramp(20, 10)).greyscale().toColourspace('b-w').png().toBuffer()
  assert.is((await sharp(grey).metadata()).channels, 1)
  const { data } = await (await openPicture(grey, limit)).pixels()
  assert.is(data.length, 20 * 10 * 3)
  for (let i = 0; i < data.length; i += 3) assert.equal([data[i + 1], data[i + 2]], [data[i], data[i]])
  assert.ok(data[0]! < data.at(-1)!)
})

formats('CMYK becomes RGB', async () => {
  const bytes = await sharp({ create: { width: 16, height: 8, channels: 3, background: { r: 220, g: 30, b: 40 } } })
    .toColourspace('cmyk')
    .jpeg({ quality: 100 })
    .toBuffer()
  assert.is((await sharp(bytes).metadata()).space, 'cmyk')
  const [red, green, blue] = pixelAt(await (await openPicture(bytes, limit)).pixels(), 4, 4)
  assert.ok(red! > 180 && green! < 80 && blue! < 80, `${red} ${green} ${blue}`)
})

formats('alpha is dropped, not blended, also when resized, little or much', async () => {
  const colors = noise(64, 64)
  const rgba = new Uint8Array(64 * 64 * 4)
  for (let i = 0; i < 64 * 64; i++) rgba.set([...colors.data.subarray(i * 3, i * 3 + 3), i % 3 === 0 ? 0 : 90], i * 4)
  const image = sharp(rgba, { raw: { width: 64, height: 64, channels: 4 } })
  const opaque = await openPicture(await png(colors), limit)
  for (const bytes of [
    await image.clone().png().toBuffer(),
    await image.clone().webp({ lossless: true, exact: true }).toBuffer(),
  ]) {
    const picture = await openPicture(bytes, limit)
    assert.equal(new Uint8Array((await picture.pixels()).data), colors.data)
    for (const size of [3, 40]) {
      const sampled = { data: new Uint8Array(size * size * 3), width: size, height: size }
      sampleLinear(rasterOf(sampled), rasterOf(colors))
      assert.equal(await picture.resize(size, size).pixels(), sampled)
      const smooth = await opaque.resize(size, size, { kernel: 'lanczos3' }).pixels()
      assert.equal(await picture.resize(size, size, { kernel: 'lanczos3' }).pixels(), smooth)
    }
  }
})

formats('16 bit is scaled to 8, not clipped', async () => {
  for (const channels of [1, 3] as const) {
    const deep = new Uint16Array(4 * channels)
    for (const [i, value] of [0, 0x1280, 0x8080, 0xffff].entries()) deep.fill(value, i * channels, (i + 1) * channels)
    const bytes = await sharp(deep, { raw: { width: 4, height: 1, channels } })
      .toColourspace(channels === 1 ? 'grey16' : 'rgb16')
      .png()
      .toBuffer()
    assert.is((await sharp(bytes).metadata()).depth, 'ushort')
    const pixels = await (await openPicture(bytes, limit)).pixels()
    assert.equal(
      [0, 1, 2, 3].map((x) => pixelAt(pixels, x, 0)[0]),
      [0, 0x12, 0x80, 0xff],
      `${channels} channels`,
    )
  }
})

formats('colour profiles of RGB pictures are not applied', async () => {
  const plain = sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 100, b: 50 } } })
  const bytes = await plain.png().withIccProfile('p3', { attach: true }).toBuffer()
  assert.ok((await sharp(bytes).metadata()).hasProfile)
  const stored = await sharp(bytes, { ignoreIcc: true }).raw().toBuffer()
  assert.not.equal([...stored.subarray(0, 3)], [200, 100, 50], 'the file holds values of the profile')
  assert.equal(pixelAt(await (await openPicture(bytes, limit)).pixels(), 0, 0), [...stored.subarray(0, 3)])
})

formats('of animations the first frame is read', async () => {
  const frames = await Promise.all(
    ['#ff0000', '#00ff00', '#0000ff'].map((color) => {
      const create = { width: 12, height: 10, channels: 3 as const, background: color }
      return sharp({ create }).png().toBuffer()
    }),
  )
  for (const format of ['gif', 'webp'] as const) {
    const bytes = await sharp(frames, { join: { animated: true } })
      .toFormat(format, { lossless: true })
      .toBuffer()
    assert.is((await sharp(bytes).metadata()).pages, 3)
    const picture = await openPicture(bytes, 120)
    assert.equal([picture.width, picture.height], [12, 10])
    assert.ok(distance(pixelAt(await picture.pixels(), 3, 3), [255, 0, 0]) <= 2)
  }
})

formats('extreme sizes', async () => {
  for (const [width, height] of [
    [1, 1],
    [8000, 200],
    [1, 3000],
  ] as const) {
    const picture = await openPicture(await png(noise(width, height)), limit)
    assert.is((await picture.pixels()).data.length, width * height * 3)
    assert.is((await picture.resize(32, 24).pixels()).data.length, 32 * 24 * 3)
    assert.is((await picture.letterbox(32, 24).pixels()).data.length, 32 * 24 * 3)
  }
})

formats('a view into a larger buffer is read as it stands', async () => {
  const picture = noise(10, 6)
  const bytes = await png(picture)
  const larger = new Uint8Array(bytes.length + 7)
  larger.set(bytes, 3)
  const opened = await openPicture(larger.subarray(3, 3 + bytes.length), limit)
  assert.equal(new Uint8Array((await opened.pixels()).data), picture.data)
})

refusals('other formats are refused by name', async () => {
  const text = (value: string) => Buffer.from(value, 'latin1')
  const iso = (brands: string) => {
    const box = Buffer.alloc(8 + brands.length)
    box.writeUInt32BE(box.length)
    box.write(`ftyp${brands}`, 4, 'latin1')
    return box
  }
  const cases: [Uint8Array, string][] = [
    [text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), 'SVG'],
    [text('\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg width="9" height="9"/>'), 'SVG'],
    [text('%PDF-1.7\n'), 'PDF'],
    [text('BM\x46\0\0\0\0\0\0\0'), 'BMP'],
    [iso('heic\0\0\0\0mif1heic'), 'HEIC/HEIF'],
    [iso('isom\0\0\x02\0isomiso2mp41'), 'MP4 or QuickTime video'],
    [text('\xff\x0a\0\0'), 'JPEG XL'],
    [text('\0\0\0\x0cjP  \r\n\x87\n'), 'JPEG 2000'],
    [text('\0\0\x01\0\x01\0'), 'Windows icon (ICO)'],
    [text('8BPS\0\x01'), 'Photoshop (PSD)'],
    [text('P6\n1 1\n255\nabc'), 'PNM (PBM, PGM, PPM, PAM)'],
    [text('RIFF\x10\0\0\0WAVEfmt '), 'WAV'],
    [text('<!doctype html><p>no</p>'), 'HTML'],
    [text('\x1f\x8b\x08'), 'gzip'],
    [text('PK\x03\x04'), 'ZIP'],
  ]
  for (const [bytes, name] of cases) {
    const { code, message } = await failureOf(() => openPicture(bytes, limit))
    assert.is(code, 'unsupported_media_type', name)
    assert.is(message, `image.decode: expected a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, found ${name}`)
  }
})

refusals('bytes that are nothing known, and no bytes, are no picture', async () => {
  for (const [bytes, found] of [
    [new Uint8Array(0), 'found 0 bytes'],
    [new Uint8Array(1), 'found 1 bytes that begin like none'],
    [Buffer.from('{"image": 1}'), 'found 12 bytes that begin like none'],
    [noise(8, 8).data, 'begin like none'],
  ] as const) {
    const { code, message } = await failureOf(() => openPicture(bytes, limit))
    assert.is(code, 'invalid_image')
    assert.match(message, found)
  }
})

refusals('a header alone is refused before anything is decoded', async () => {
  for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif', 'tiff'] as const) {
    const whole = await sharpOf(noise(64, 64)).toFormat(format).toBuffer()
    const { code, message } = await failureOf(() => openPicture(whole.subarray(0, 20), limit))
    assert.is(code, 'invalid_image', format)
    assert.match(message, /^image.decode: expected a whole \w+ picture, found a damaged one: \S/)
    assert.not.match(message, /Vips|Input buffer/)
  }
})

refusals('truncated pictures pass by their header and fail when decoded, with the reason', async () => {
  for (const format of ['jpeg', 'png', 'webp'] as const) {
    const whole = await sharpOf(noise(200, 150)).toFormat(format).toBuffer()
    const cut = whole.subarray(0, Math.floor(whole.length * 0.6))
    const picture = await openPicture(cut, limit).catch((error: unknown) => {
      // libwebp reads nothing of a file that is shorter than it says.
      if (format !== 'webp') throw error
      assert.match((error as Error).message, 'damaged')
    })
    if (!picture) continue
    assert.equal([picture.width, picture.height], [200, 150])
    for (const view of [
      picture,
      picture.resize(32, 32),
      picture.resize(10, 10),
      picture.resize(32, 32, { kernel: 'cubic' }),
    ]) {
      const { code, message } = await failureOf(() => view.pixels())
      assert.is(code, 'invalid_image', format)
      assert.match(message, /expected a whole \w+ picture, found a damaged one: \S/)
    }
  }
})

refusals('the pixel limit counts before decoding, whatever the format', async () => {
  for (const format of ['jpeg', 'png', 'webp', 'gif', 'avif', 'tiff'] as const) {
    const bytes = await sharpOf(noise(40, 30)).toFormat(format).toBuffer()
    const { code, message } = await failureOf(() => openPicture(bytes, 1199))
    assert.is(code, 'image_too_large', format)
    assert.match(message, 'expected at most 1199 pixels (limits.pixels), found 40 x 30 = 1200')
    assert.is((await openPicture(bytes, 1200)).width, 40)
  }
})

refusals('a decompression bomb is stopped by its header', async () => {
  const chunk = (name: string, body: Buffer) => {
    const data = Buffer.concat([Buffer.from(name, 'latin1'), body])
    const whole = Buffer.alloc(data.length + 8)
    whole.writeUInt32BE(body.length)
    data.copy(whole, 4)
    whole.writeUInt32BE(crc32(data), data.length + 4)
    return whole
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(60_000, 0)
  header.writeUInt32BE(50_000, 4)
  header.set([8, 2], 8)
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  const body = deflateSync(Buffer.alloc(100_000))
  const bomb = Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))])
  const { code, message } = await failureOf(() => openPicture(bomb, limit))
  assert.is(code, 'image_too_large')
  assert.match(message, '60000 x 50000 = 3000000000')
})

refusals('after warmUp the process reads no SVG and no file by any way', async () => {
  await warmUp()
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
  assert.match((await failureOf(() => sharp(svg).metadata())).message, 'unsupported image format')
  const file = await failureOf(() => sharp(new URL(import.meta.url).pathname).metadata())
  assert.match(file.message, 'unsupported image format')
  const raw = await (
    await loadSharp()
  )(noise(2, 2).data, { raw: { width: 2, height: 2, channels: 3 } })
    .raw()
    .toBuffer()
  assert.is(raw.length, 12)
})

formats.run()
refusals.run()

// --- internal ---

/** CRC-32 of PNG chunks (ISO 3309); node:zlib has it from Node 22.2 on. */
function crc32(data: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of data) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

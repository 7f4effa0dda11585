import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readJpegHeader } from '../../runtime/steps/jpeg-header.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { noise, sharpOf } from './fixture-steps.ts'

const headers = suite('jpeg-header')

const picture = sharpOf(noise(37, 22))
const encode = (orientation = 1, options = {}) => picture.clone().withMetadata({ orientation }).jpeg(options).toBuffer()

/** What libvips says, undefined where it refuses. */
async function truth(bytes: Uint8Array) {
  try {
    const { width, height, orientation } = await sharp(bytes, { failOn: 'error' }).metadata()
    return { width, height, orientation: orientation ?? 1 }
  } catch {
    return undefined
  }
}

/** Bytes with those from `at` on replaced. */
function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy.set(values, at)
  return copy
}

headers('size and orientation are what libvips says', async () => {
  for (let orientation = 1; orientation <= 8; orientation++)
    assert.equal(readJpegHeader(await encode(orientation)), { width: 37, height: 22, orientation })
  for (const options of [{ progressive: true }, { quality: 100, chromaSubsampling: '4:4:4' }, { mozjpeg: true }])
    assert.equal(readJpegHeader(await encode(3, options)), { width: 37, height: 22, orientation: 3 })
  assert.equal(readJpegHeader(await picture.clone().greyscale().jpeg().toBuffer()), {
    width: 37,
    height: 22,
    orientation: 1,
  })
})

headers('big-endian EXIF is read too', async () => {
  const bytes = await encode(6)
  const at = bytes.indexOf('Exif\0\0', 0, 'latin1') - 4
  const tiff = Buffer.from('4d4d002a00000008000101120003000000010006000000000000', 'hex')
  const segment = Buffer.concat([
    Buffer.from([0xff, 0xe1, 0, tiff.length + 8]),
    Buffer.from('Exif\0\0', 'latin1'),
    tiff,
  ])
  const length = bytes.readUInt16BE(at + 2)
  const turned = Buffer.concat([bytes.subarray(0, at), segment, bytes.subarray(at + 2 + length)])
  assert.equal(readJpegHeader(turned), { width: 37, height: 22, orientation: 6 })
  assert.equal(await truth(turned), readJpegHeader(turned))
})

headers('a view into a larger buffer is read from its own start', async () => {
  const bytes = await encode(5)
  const larger = Buffer.concat([Buffer.alloc(13, 0xff), bytes])
  assert.equal(readJpegHeader(larger.subarray(13)), { width: 37, height: 22, orientation: 5 })
})

headers('whatever is unusual is left to libvips', async () => {
  const plain = await encode(6)
  const frame = plain.indexOf(Buffer.from([0xff, 0xc0]))
  const exif = plain.indexOf('Exif\0\0', 0, 'latin1') + 6
  const cmyk = await picture.clone().toColourspace('cmyk').jpeg().toBuffer()
  for (const [name, bytes] of Object.entries({
    'four colours': cmyk,
    PNG: await picture.clone().png().toBuffer(),
    nothing: new Uint8Array(0),
    'its first bytes only': plain.subarray(0, 40),
    'no scan': plain.subarray(0, plain.indexOf(Buffer.from([0xff, 0xda]))),
    '12 bit': changed(plain, frame + 4, 12),
    'no height': changed(plain, frame + 5, 0, 0),
    'arithmetic coding': changed(plain, frame + 1, 0xc9),
    lossless: changed(plain, frame + 1, 0xc3),
    'no such byte order': changed(plain, exif, 0x50, 0x50),
    'a directory outside': changed(plain, exif + 4, 0xff, 0xff, 0, 0),
    'bytes between segments': Buffer.concat([plain.subarray(0, 2), Buffer.from([0, 0, 0, 4]), plain.subarray(2)]),
    'EXIF twice': Buffer.concat([
      plain.subarray(0, exif - 10),
      plain.subarray(exif - 10, frame),
      plain.subarray(exif - 10),
    ]),
  }))
    assert.is(readJpegHeader(bytes), undefined, name)
})

headers('of damaged files it says nothing that libvips would not say', async () => {
  const plain = await encode(6)
  const end = plain.indexOf(Buffer.from([0xff, 0xda])) + 10
  let state = 7
  const next = (below: number) => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) % below
  let read = 0
  for (let i = 0; i < 400; i++) {
    const bytes = changed(plain, next(end), (next(1 << 24) >>> 8) & 255)
    const found = readJpegHeader(bytes)
    if (!found) continue
    const expected = await truth(bytes)
    // Tables that are damaged are found when it is decoded.
    if (!expected) continue
    read++
    assert.equal(found, expected, `${i}`)
  }
  assert.ok(read > 200, `${read}`)
})

testWithShared(headers, 'photos of the reference, their headers as libvips has them', async () => {
  let read = 0
  for (const entry of readdirSync(sharedData('images')!, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const bytes = readFileSync(join(entry.parentPath, entry.name))
    const found = readJpegHeader(bytes)
    if (found) assert.equal(found, await truth(bytes), entry.name)
    if (found) read++
  }
  assert.ok(read >= 7, `${read}`)
})

headers.run()

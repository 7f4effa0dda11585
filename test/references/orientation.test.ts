import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { starterModel, withPellet } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { testWithShared } from '../support/shared.ts'
import { depthOf, ownFile, readShared } from './calls.ts'

interface Shown {
  data: Uint8Array
  width: number
  height: number
}

type Side = 'top' | 'bottom' | 'left' | 'right'

/** Where the first row and the first column of the stored picture are to be seen (EXIF 2.32, tag 0x0112). */
const sides: Record<number, [row: Side, column: Side]> = {
  1: ['top', 'left'],
  2: ['top', 'right'],
  3: ['bottom', 'right'],
  4: ['bottom', 'left'],
  5: ['left', 'top'],
  6: ['right', 'top'],
  7: ['right', 'bottom'],
  8: ['left', 'bottom'],
}
const files = {
  'functions/depth.ts': ownFile('functions/depth.ts'),
  'models/depth.onnx': starterModel('depth.onnx'),
}
const route = '/v1/depth/estimate'
const orientation = suite('EXIF orientation')

orientation('1 to 8 give one map of one picture, in the size in which it is shown', async () => {
  const shown = await mosaic(readFileSync(join(projectRoot, 'models/samples/room_1.jpg')))
  await withPellet(files, [], async (pellet) => {
    const plain = await depthOf(pellet, route, await toJpeg(shown))
    assert.equal(plain.depth_shape, [480, 640])
    for (const [number, [row, column]] of Object.entries(sides)) {
      const stored = await toJpeg(toStored(shown, row, column))
      for (const order of ['II', 'MM'] as const) {
        const found = await depthOf(pellet, route, withOrientation(stored, Number(number), order))
        assert.equal(found.input_shape, [480, 640, 3], `${number} ${order}`)
        assert.ok(found.depth_map === plain.depth_map, `${number} ${order}: another map`)
      }
      // Else the maps above would say nothing.
      if (number === '1') continue
      assert.ok(
        (await depthOf(pellet, route, stored)).depth_map !== plain.depth_map,
        `${number}: turned, and yet the same`,
      )
    }
  })
})

testWithShared(orientation, 'of a photo that lies on its side is applied', async () => {
  await withPellet(files, [], async (pellet) => {
    const { depth_shape } = await depthOf(pellet, route, readShared('images/exif6_landscape.jpg'))
    assert.equal(depth_shape, [450, 600])
  })
})

orientation.run()

// --- internal ---

/** The picture in blocks of 16 x 16 equal pixels: JPEG keeps those alike, however they are turned. */
async function mosaic(jpeg: Buffer): Promise<Shown> {
  const small = await sharp(jpeg).resize(40, 30, { fit: 'fill' }).raw().toBuffer()
  const data = new Uint8Array(640 * 480 * 3)
  for (let y = 0; y < 480; y++)
    for (let x = 0; x < 640; x++) {
      const from = ((y >> 4) * 40 + (x >> 4)) * 3
      data.set(small.subarray(from, from + 3), (y * 640 + x) * 3)
    }
  return { data, width: 640, height: 480 }
}

/** The pixels in the order in which a camera that was held otherwise would store them. */
function toStored(shown: Shown, row: Side, column: Side): Shown {
  const isTurned = row === 'left' || row === 'right'
  const [width, height] = isTurned ? [shown.height, shown.width] : [shown.width, shown.height]
  const data = new Uint8Array(shown.data.length)
  const far = { top: 0, left: 0, bottom: shown.height - 1, right: shown.width - 1 }
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++) {
      const down = Math.abs(far[row] - r)
      const along = Math.abs(far[column] - c)
      const [x, y] = isTurned ? [down, along] : [along, down]
      const from = (y * shown.width + x) * 3
      data.set(shown.data.subarray(from, from + 3), (r * width + c) * 3)
    }
  return { data, width, height }
}

function toJpeg({ data, width, height }: Shown): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90, chromaSubsampling: '4:4:4' })
    .toBuffer()
}

/** Puts an APP1 segment behind the start of the JPEG: a TIFF header in that byte order, and one directory with one entry. */
function withOrientation(jpeg: Buffer, value: number, order: 'II' | 'MM'): Buffer {
  const short = (number: number) => (order === 'II' ? [number, 0] : [0, number])
  const long = (number: number) => (order === 'II' ? [number, 0, 0, 0] : [0, 0, 0, number])
  const tag = order === 'II' ? [0x12, 0x01] : [0x01, 0x12]
  const entry = [...tag, ...short(3), ...long(1), ...short(value), 0, 0]
  const tiff = [...Buffer.from(order), ...short(42), ...long(8), ...short(1), ...entry, ...long(0)]
  const segment = [...Buffer.from('Exif\0\0'), ...tiff]
  const app1 = Buffer.from([0xff, 0xe1, 0, segment.length + 2, ...segment])
  return Buffer.concat([jpeg.subarray(0, 2), app1, jpeg.subarray(2)])
}

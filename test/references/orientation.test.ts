import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet, starterModel } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { testWithShared } from '../support/shared.ts'
import { depthOf, ownFile, readShared } from './calls.ts'
import { sides, toJpeg, toStored, withOrientation, type Shown } from './turned.ts'

const files = {
  'functions/depth.ts': ownFile('functions/depth.ts'),
  'models/depth.onnx': starterModel('depth.onnx'),
}
const route = '/v1/depth/estimate'
const orientation = suite('EXIF orientation')
let pellet: RunningPellet

orientation.before(async () => {
  pellet = await RunningPellet.start(files)
})

orientation.after(async () => {
  assert.is(await pellet.stop(), 0)
})

orientation('1 to 8 give one map of one picture, in the size in which it is shown', async () => {
  const shown = await mosaic(readFileSync(join(projectRoot, 'models/samples/room_1.jpg')))
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

testWithShared(orientation, 'of a photo that lies on its side is applied', async () => {
  const { depth_shape } = await depthOf(pellet, route, readShared('images/exif6_landscape.jpg'))
  assert.equal(depth_shape, [450, 600])
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

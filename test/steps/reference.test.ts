import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import '../support/no-telemetry.ts'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PelletError } from '../../runtime/errors.ts'
import { openPicture } from '../../runtime/steps/encoded.ts'
import { builtinSteps } from '../../runtime/steps/index.ts'
import type { Picture } from '../../runtime/steps/picture.ts'
import type { Tensors } from '../../runtime/tensor.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { contextOf, requestOf } from './fixture-steps.ts'

const reference = suite('reference')
const limit = 50_000_000

const file = (path: string) => readFileSync(sharedData(path)!)
const open = (path: string): Promise<Picture> => openPicture(file(path), limit)

testWithShared(
  reference,
  'all photos decode to RGB, and the damaged ones are refused at the right moment',
  async () => {
    const found: Record<string, string> = {}
    for (const entry of readdirSync(sharedData('images')!, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue
      const bytes = readFileSync(join(entry.parentPath, entry.name))
      let stage = 'header'
      try {
        const picture = await openPicture(bytes, limit)
        stage = 'pixels'
        for (const view of [picture, picture.resize(64, 48), picture.letterbox(64, 64, { kernel: 'lanczos3' })]) {
          const { data, width, height } = await view.pixels()
          assert.equal(
            [width, height, data.length],
            [view.width, view.height, view.width * view.height * 3],
            entry.name,
          )
        }
      } catch (error) {
        if (!(error instanceof PelletError)) throw error
        found[entry.name] = `${error.code} (${stage})`
      }
    }
    assert.equal(found, { 'corrupt_header.jpg': 'invalid_image (header)', 'truncated.jpg': 'invalid_image (pixels)' })
  },
)

testWithShared(reference, 'resize and letterbox give the very pixels that OpenCV gave', async () => {
  const exact = async (path: string) => sharp(file(path)).removeAlpha().raw().toBuffer()
  const street = await (await open('images/street_road1.jpg')).resize(320, 256).pixels()
  assert.ok((await exact('truth/exact_street_256x320.png')).equals(street.data), 'street')
  for (const [photo, name] of [
    ['people1.jpeg', 'people1'],
    ['faces_two_portrait.jpg', 'faces_two_portrait'],
  ] as const) {
    const boxed = await (await open(`images/${photo}`)).letterbox(640, 640, { position: 'top-left' }).pixels()
    assert.ok(gunzipSync(file(`truth/scrfd_hef_outputs/${name}.input_rgb_u8.gz`)).equals(boxed.data), name)
  }
})

testWithShared(reference, 'EXIF orientation is applied', async () => {
  const picture = await open('images/exif6_landscape.jpg')
  assert.equal([picture.width, picture.height], [600, 450])
})

testWithShared(reference, 'a depth model sees what it was measured with: statistics within 0.1 %', async () => {
  const session = await InferenceSession.create(sharedData('models/pydnetpp_256x320_fp32.onnx')!, {
    intraOpNumThreads: 1,
  })
  const { images } = JSON.parse(file('truth/depth_photos.json').toString())
  for (const [photo, models] of Object.entries<Record<string, Record<string, number>>>(images)) {
    const inputs = [{ name: 'image', type: 'float32' as const, shape: [1, 3, 256, 320] }]
    const context = contextOf({ inputs, entry: { mean: 0, std: 255 } })
    let value: unknown = requestOf(file(`images/${photo}`))
    for (const name of ['image.decode', 'image.resize', 'tensor'])
      value = await builtinSteps[name]!.run(value as never, context)
    const { data, dims } = (value as Tensors)['image']!
    const { depth } = await session.run({ image: new OrtTensor('float32', data as Float32Array, dims) })
    const sorted = (depth!.data as Float32Array).slice().sort()
    const found: Record<string, number> = {
      mean: sorted.reduce((sum, each) => sum + each, 0) / sorted.length,
      p1: percentile(sorted, 0.01),
      p50: percentile(sorted, 0.5),
      p99: percentile(sorted, 0.99),
    }
    const truth = models['pydnetpp_256x320_fp32']!
    for (const [name, each] of Object.entries(found))
      assert.ok(Math.abs(each / truth[name]! - 1) < 0.001, `${photo} ${name}: expected ${truth[name]}, found ${each}`)
  }
  await session.release()
})

reference.run()

// --- internal ---

function percentile(sorted: Float32Array, part: number): number {
  const at = (sorted.length - 1) * part
  const floor = Math.floor(at)
  const upper = Math.min(floor + 1, sorted.length - 1)
  return sorted[floor]! + (sorted[upper]! - sorted[floor]!) * (at - floor)
}

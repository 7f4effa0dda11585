import { gunzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet } from '../support/pellet.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { depthOf, ownFile, readJson, readShared, sharedFile } from './calls.ts'
import { assertNear, assertRatio, gridMeans, meanOf, percentilesOf } from './measure.ts'

interface Exact {
  input_png: string
  output: string
  first5: number[]
}

interface Photos {
  images: Record<string, Record<string, { mean: number; p1: number; p50: number; p99: number; grid8x10: number[][] }>>
}

const exactTolerance = 1e-3
const photoPart = 0.03
const route = '/v1/pydnet'
const depth = suite('PyDNet++ through functions/depth.ts')

let pellet: RunningPellet

depth.before(async () => {
  if (sharedData('') === undefined) return
  pellet = await RunningPellet.start({
    'functions/depth.ts': ownFile('functions/depth.ts'),
    'manifests/pydnet.yaml': `
function: depth
model: { onnx: { name: pydnetpp, file: pydnet.onnx, mean: 0, std: 255, decode: plain } }
route: POST ${route}
`,
    'models/pydnet.onnx': sharedFile('models/pydnetpp_256x320_fp32.onnx'),
  })
})

depth.after(async () => {
  if (pellet) assert.is(await pellet.stop(), 0)
})

testWithShared(depth, 'gives the very map of the reference for its exact input', async () => {
  const { input_png, output, first5 } = readJson<Exact>(readShared('truth/depth_exact_256x320.json'))
  const expected = new Float32Array(Uint8Array.from(gunzipSync(readShared(`truth/${output}`))).buffer)
  const found = await depthOf(pellet, route, readShared(`truth/${input_png}`))
  assert.is(found.model, 'pydnetpp')
  assert.equal(found.depth_shape, [256, 320])
  assertNear(found.data, expected, exactTolerance, 'map')
  assertNear(found.data.subarray(0, 5), first5, exactTolerance, 'first values')
})

testWithShared(depth, 'measures photos as the reference does, in their own size', async () => {
  const { images } = readJson<Photos>(readShared('truth/depth_photos.json'))
  for (const [photo, models] of Object.entries(images)) {
    const { mean, p1, p50, p99, grid8x10 } = models['pydnetpp_256x320_fp32']!
    const found = await depthOf(pellet, route, readShared(`images/${photo}`))
    const statistics = [meanOf(found.data), ...percentilesOf(found.data, [1, 50, 99])]
    assertRatio(statistics, [mean, p1, p50, p99], photoPart, `${photo} mean, p1, p50, p99`)
    assertRatio(gridMeans(found, 8, 10), grid8x10.flat(), photoPart, `${photo} grid`)
  }
})

depth.run()

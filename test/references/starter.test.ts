import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { GoldenStats } from '../support/golden.ts'
import { RunningPellet, starterModel } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { depthOf, jsonOf, ownFile, readJson, type DepthAnswer } from './calls.ts'
import { assertNear, gridMeans, meanOf, percentilesOf, readNpz } from './measure.ts'

interface Golden {
  tcn: { input: string; top_motif: string; latent_embeddings: GoldenStats; motif_scores: GoldenStats }[]
  depth: { input: string; depth: GoldenStats & { p5_p50_p95: number[]; grid_mean_8x10: number[][] } }[]
}

const tolerance = 1e-3
/** Rounded to four digits by make_golden.py. */
const gridTolerance = tolerance + 5e-5
const models = join(projectRoot, 'models')
const golden = readJson<Golden>(join(models, 'golden.json'))
const depthRoute = '/v1/depth/estimate'
const starter = suite('starter models over HTTP')
let pellet: RunningPellet

starter.before(async () => {
  pellet = await RunningPellet.start({
    'functions/tcn.ts': ownFile('functions/tcn.ts'),
    'functions/depth.ts': ownFile('functions/depth.ts'),
    'manifests/tcn.yaml': ownFile('manifests/tcn.yaml'),
    'manifests/depth.yaml': ownFile('manifests/depth.yaml'),
    'models/tcn.onnx': starterModel('tcn.onnx'),
    'models/depth.onnx': starterModel('depth.onnx'),
    'models/samples/imu_walk.json': starterModel('samples/imu_walk.json'),
    'models/samples/room_1.jpg': starterModel('samples/room_1.jpg'),
  })
})

starter.after(async () => {
  assert.is(await pellet.stop(), 0)
})

starter('tcn answers with the golden latents and motif scores on both of its routes', async () => {
  for (const { input, latent_embeddings, motif_scores } of golden.tcn) {
    const { x } = readJson<{ x: number[][] }>(join(models, input))
    for (const [route, body] of [
      ['/infer', { x }],
      ['/encode', { imu_window: x }],
    ] as const) {
      const answer = await jsonOf<{ latent: number[]; motif_scores: number[]; model: string }>(
        await pellet.post(route, body),
      )
      const where = `${route} ${input}`
      assert.is(answer.model, 'starter-tcn')
      assertNear(answer.latent, latent_embeddings.all!, tolerance, `${where} latent`)
      assertNear(answer.motif_scores, motif_scores.all!, tolerance, `${where} motif_scores`)
      assert.is(answer.motif_scores.indexOf(Math.max(...answer.motif_scores)), motif_scores.argmax, where)
    }
  }
})

starter('depth answers with the golden depth of exactly stored inputs', async () => {
  for (const { input, depth } of golden.depth) {
    const found = await depthOf(pellet, depthRoute, readFileSync(join(models, input)))
    assert.is(found.model, 'starter-depth')
    assert.equal([found.input_shape, found.depth_shape, found.normalized], [[256, 320, 3], [256, 320], false])
    const { data } = found
    const mean = meanOf(data)
    const std = Math.sqrt(meanOf(data.map((value) => (value - mean) ** 2)))
    const [min = NaN, max = NaN, ...percentiles] = percentilesOf(data, [0, 100, 5, 50, 95])
    const { min: least, max: most, mean: middle, std: spread, argmax } = depth
    assertNear([min, max, mean, std], [least, most, middle, spread], tolerance, `${input} min, max, mean, std`)
    assertNear([data[argmax]!], [max], tolerance, `${input} at argmax`)
    assertNear(data.subarray(0, 16), depth.first16, tolerance, `${input} first values`)
    assertNear(percentiles, depth.p5_p50_p95, tolerance, `${input} percentiles`)
    assertNear(gridMeans(found, 8, 10), depth.grid_mean_8x10.flat(), gridTolerance, `${input} grid`)
  }
})

starter('depth gives one map, whichever way the picture comes and the map leaves', async () => {
  const picture = readFileSync(join(models, golden.depth[0]!.input))
  const options = { output_format: 'numpy', normalize: false }
  const form = new FormData()
  form.append('image', new Blob([picture], { type: 'image/png' }), 'room.png')
  form.append('output_format', 'numpy')
  form.append('normalize', 'false')
  const base64 = picture.toString('base64')
  const raw = await depthOf(pellet, depthRoute, picture)
  for (const [way, answer] of Object.entries({
    json: await pellet.post(depthRoute, { image: base64, ...options }),
    dataUri: await pellet.post(depthRoute, { image: `data:image/png;base64,${base64}`, ...options }),
    multipart: await pellet.fetch(depthRoute, { method: 'POST', body: form }),
  })) {
    assert.is((await jsonOf<DepthAnswer>(answer)).depth_map, raw.depth_map, way)
  }
  const bytes = await pellet.fetch(`${depthRoute}?normalize=false`, {
    method: 'POST',
    body: new Uint8Array(picture),
    headers: { 'content-type': 'image/png', accept: 'application/x-npz' },
  })
  assert.is(bytes.headers.get('content-type'), 'application/x-npz')
  assert.equal(readNpz(Buffer.from(await bytes.arrayBuffer())).data, raw.data)
})

starter.run()

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import depth from '../../functions/depth.ts'
import { PelletError } from '../../runtime/errors.ts'
import type { Formats } from '../../runtime/steps/formats.ts'
import type { Tensor } from '../../runtime/tensor.ts'
import { readNpz } from '../codecs/fixture-npz.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { assertAllNear, assertNear, flat, greyOf, mapOf, outputOf, raw, type Answer } from './depth-answer.ts'
import { call, callJson, check, drive, type DriverParts } from './driver.ts'

const models = join(projectRoot, 'models')
const room = readFileSync(join(models, 'golden/room_1_256x320.png'))
const answers = suite('depth')

answers('has the keys of the contract, by output_format', async () => {
  const starter = await drive('depth', depth, join(models, 'depth.onnx'))
  check(starter)
  const photo = await sharp(room).resize(200, 100, { fit: 'fill' }).jpeg().toBuffer()
  const always = 'model,model_type,input_shape,depth_shape,inference_time_ms,normalized,stats'
  for (const [format, keys] of [
    [undefined, ',depth_map,depth_image'],
    ['both', ',depth_map,depth_image'],
    ['numpy', ',depth_map'],
    ['image', ',depth_image'],
    ['depth_png_16', ',depth_png_16'],
  ] as const) {
    const options = format === undefined ? {} : { output_format: format }
    const answer = await callJson<Answer>(starter, { image: photo, options })
    assert.is(Object.keys(answer).join(), always + keys, format)
    assert.is(answer.model, 'starter-depth')
    assert.is(answer.model_type, 'monocular')
    assert.equal(answer.input_shape, [100, 200, 3])
    assert.equal(answer.depth_shape, [100, 200])
    assert.is(answer.normalized, true)
    assert.type(answer.inference_time_ms, 'number')
    const { min, mean, max, p95 } = answer.stats
    assert.ok(min <= mean && mean <= p95 && p95 <= max, JSON.stringify(answer.stats))
    assert.is(min, 0)
  }
})

answers('gives depth as 1 / (10 * sigmoid(x) + 0.009) of the starter model, within 1e-3', async () => {
  const golden = JSON.parse(readFileSync(join(models, 'golden.json'), 'utf8')) as {
    depth: { input: string; logits: { first16: number[]; min: number; max: number; argmax: number } }[]
  }
  const starter = await drive('depth', depth, join(models, 'depth.onnx'))
  const toDepth = (logit: number) => 1 / (10 / (1 + Math.exp(-logit)) + 0.009)
  assert.is(golden.depth.length, 3)
  for (const { input, logits } of golden.depth) {
    const image = readFileSync(join(models, input))
    const answer = await callJson<Answer>(starter, { image, options: { output_format: 'numpy', normalize: false } })
    const { array } = mapOf(answer)
    assert.equal(array.dims, [256, 320])
    for (const [i, logit] of logits.first16.entries()) assertNear(array.data[i]!, toDepth(logit), 1e-3)
    assertNear(array.data[logits.argmax]!, toDepth(logits.max), 1e-3)
    // The least depth is that of the largest logit.
    assertNear(answer.stats.range[0], toDepth(logits.max), 1e-3)
    assertNear(answer.stats.range[1], toDepth(logits.min), 0.05)
    assert.is(answer.normalized, false)
  }
})

answers('picture, NPZ and 16-bit PNG hold the same map', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const outputs = outputOf([1, 1, 2, 3], [0, 2, 4, 6, 8, 10])
  const image = await sharp(room).resize(3, 2, { fit: 'fill' }).png().toBuffer()
  const both = await callJson<Answer>(driver, { image, outputs, options: { colormap: 'jet' } })
  const { array } = mapOf(both)
  assertAllNear(array.data, [0, 0.2, 0.4, 0.6, 0.8, 1], 1e-6)
  const colours = await sharp(Buffer.from(both.depth_image!, 'base64')).raw().toBuffer({ resolveWithObject: true })
  assert.equal([colours.info.width, colours.info.height, colours.info.channels], [3, 2, 3])
  // matplotlib: colormaps['jet']([0, .2, .4, .6, .8, 1], bytes=True)
  assert.equal([...colours.data.subarray(0, 3)], [0, 0, 127])
  assert.equal([...colours.data.subarray(15)], [127, 0, 0])

  for (const normalize of [true, false]) {
    const options = { output_format: 'depth_png_16', normalize }
    const answer = await callJson<Answer>(driver, { image, outputs, options })
    assert.equal(answer.stats.range, [0, 10])
    const levels = await greyOf(answer.depth_png_16!)
    assert.equal(levels, [0, 13_107, 26_214, 39_321, 52_428, 65_535])
    const [low, high] = answer.stats.range
    assertAllNear(
      levels.map((level) => low + (level / 65_535) * (high - low)),
      [0, 2, 4, 6, 8, 10],
      1e-3,
    )
  }
})

answers('without normalize the map keeps its units, and so do the stats; colours span its range', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const image = await sharp(room).resize(2, 2, { fit: 'fill' }).png().toBuffer()
  const outputs = outputOf([1, 2, 2, 1], [5, 15, 10, 25])
  const answer = await callJson<Answer>(driver, { image, outputs, options: { normalize: false } })
  assert.equal([...mapOf(answer).array.data], [5, 15, 10, 25])
  // Rank floor(0.95 * 3) = 2 of 5, 10, 15, 25.
  assert.equal(answer.stats, { min: 5, max: 15, mean: 10, p95: 15, range: [5, 25] })
  const colours = await sharp(Buffer.from(answer.depth_image!, 'base64')).raw().toBuffer()
  assert.equal([...colours.subarray(0, 3)], [68, 1, 84])
  assert.equal([...colours.subarray(9)], [253, 231, 36])
})

answers('reads maps of all shapes, and quantised ones', async () => {
  const image = await sharp(room).resize(3, 2, { fit: 'fill' }).png().toBuffer()
  const values = [1, 2, 3, 4, 5, 6]
  for (const dims of [
    [1, 1, 2, 3],
    [1, 2, 3, 1],
    [1, 2, 3],
    [2, 3, 1],
    [2, 3],
  ]) {
    const driver = await flat({ entry: { decode: 'plain' }, outputs: [{ name: 'out', type: 'float32', shape: dims }] })
    check(driver)
    const answer = await callJson<Answer>(driver, { image, outputs: outputOf(dims, values), options: raw })
    assert.equal([...mapOf(answer).array.data], values, dims.join('x'))
  }
  const driver = await flat({ entry: { decode: 'plain' } })
  const out: Tensor = {
    type: 'uint16',
    dims: [2, 3, 1],
    data: Uint16Array.of(10, 12, 14, 16, 18, 20),
    quant: { scale: 0.5, zeroPoint: 8 },
  }
  assert.equal([...mapOf(await callJson<Answer>(driver, { image, outputs: { out }, options: raw })).array.data], values)
})

answers('percentiles keep an outlier from swallowing the map', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const values = Array.from({ length: 400 }, (_, i) => 10 + i / 100)
  values[7] = 280
  const image = await sharp(room).resize(20, 20, { fit: 'fill' }).png().toBuffer()
  const outputs = outputOf([1, 1, 20, 20], values)
  const options = { output_format: 'numpy', percentiles: [1, 99] }
  const clipped = await callJson<Answer>(driver, { image, outputs, options })
  const sorted = Float32Array.from(values).toSorted()
  assert.equal(clipped.stats.range, [sorted[3], sorted[395]])
  const { data } = mapOf(clipped).array
  assert.is(data[7], 1)
  assertNear(data[200]!, (values[200]! - sorted[3]!) / (sorted[395]! - sorted[3]!), 1e-5)
  const plain = await callJson<Answer>(driver, { image, outputs, options: { output_format: 'numpy' } })
  assert.ok(mapOf(plain).array.data[200]! < 0.01, 'min and max let the outlier swallow it')
})

answers('a constant map is 0 everywhere when normalised, and no answer breaks on it', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const outputs = outputOf([1, 1, 2, 2], [0.3, 0.3, 0.3, 0.3])
  for (const output_format of ['both', 'depth_png_16']) {
    for (const normalize of [true, false]) {
      const answer = await callJson<Answer>(driver, { image: room, outputs, options: { output_format, normalize } })
      const value = normalize ? 0 : Math.fround(0.3)
      const range = [Math.fround(0.3), Math.fround(0.3)]
      assert.equal(answer.stats, { min: value, max: value, mean: value, p95: value, range })
      if (answer.depth_map) assert.ok(mapOf(answer).array.data.every((found) => found === value))
    }
  }
})

answers('NaN and infinities take the ends of the finite depths, and the answer says how many', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const image = await sharp(room).resize(3, 2, { fit: 'fill' }).png().toBuffer()
  const outputs = outputOf([1, 1, 2, 3], [NaN, 4, Infinity, 8, -Infinity, 6])
  const answer = await callJson<Answer>(driver, { image, outputs, options: raw })
  assert.equal([...mapOf(answer).array.data], [4, 4, 8, 8, 4, 6])
  assert.is(answer.non_finite, 3)
  assert.ok(Number.isNaN(outputs.out.data[0]), 'the output itself is left as it is')
  // A logit may be infinite: the sigmoid takes it.
  const logits = await flat({ entry: { decode: 'scdepth' } })
  const found = await callJson<Answer>(logits, {
    image,
    outputs: outputOf([2, 3], [-Infinity, Infinity, 0, 0, 0, 0]),
    options: raw,
  })
  assertAllNear(mapOf(found).array.data.subarray(0, 3), [1 / 0.009, 1 / 10.009, 1 / 5.009], 1e-4)
  assert.is(found.non_finite, undefined)
  try {
    await callJson(driver, { image, outputs: outputOf([2, 2], [NaN, NaN, NaN, NaN]) })
    assert.unreachable()
  } catch (error) {
    assert.instance(error, PelletError)
    assert.is((error as PelletError).code, 'function_failed')
    assert.match((error as Error).message, 'no finite value')
  }
})

answers('Accept gets the picture or the NPZ alone', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const image = await sharp(room).resize(2, 2, { fit: 'fill' }).png().toBuffer()
  const outputs = outputOf([1, 1, 2, 2], [3, 4, 3, 4])
  const typesFor = async (options: object) =>
    ((await call(driver, { image, outputs, options: { ...options } })).result as Formats).types
  const types = await typesFor({ output_format: 'numpy' })
  assert.equal(Object.keys(types), ['application/json', 'image/png', 'application/x-npz'])
  const npz = readNpz((await types['application/x-npz']!()) as Buffer)
  assert.equal([...npz.array.data], [0, 1, 0, 1])
  const colours = await sharp((await types['image/png']!()) as Buffer)
    .raw()
    .toBuffer()
  assert.equal([...colours.subarray(0, 6)], [68, 1, 84, 253, 231, 36])
  const grey = (await (await typesFor({ output_format: 'depth_png_16' }))['image/png']!()) as Buffer
  assert.equal(await greyOf(grey.toString('base64')), [0, 65_535, 0, 65_535])
})

answers('the map comes back in the picture as shown: EXIF turned, letterbox taken off', async () => {
  const driver = await flat({ entry: { decode: 'plain' } })
  const lying = await sharp(room).resize(40, 20, { fit: 'fill' }).withMetadata({ orientation: 6 }).jpeg().toBuffer()
  const upright = await callJson<Answer>(driver, { image: lying, outputs: outputOf([2, 2], [1, 2, 3, 4]) })
  assert.equal(upright.depth_shape, [40, 20])

  const boxed = await flat({
    entry: { decode: 'plain' },
    inputs: [{ name: 'image', type: 'float32', shape: [1, 3, 4, 4] }],
  })
  const pre = boxed.manifest.routes[0]!.pre
  pre[1] = { step: 'image.letterbox', options: { position: 'center' } }
  const wide = await sharp(room).resize(4, 2, { fit: 'fill' }).png().toBuffer()
  const outputs = outputOf([1, 1, 4, 4], [99, 99, 99, 99, 1, 2, 3, 4, 5, 6, 7, 8, 99, 99, 99, 99])
  const answer = await callJson<Answer>(boxed, { image: wide, outputs, options: raw })
  assert.equal([...mapOf(answer).array.data], [1, 2, 3, 4, 5, 6, 7, 8])
})

answers('a model that does not fit is refused at deploy, in a sentence', async () => {
  for (const [parts, options, message] of [
    [{ entry: { decode: 'midas' } }, {}, /expected decode: scdepth or plain in the model's entry, found midas/],
    [{ entry: { decode: 'constructor' } }, {}, /found constructor/],
    [
      { outputs: [{ name: 'probs', type: 'float32', shape: [1, 1000] }] },
      {},
      /a depth map among its outputs.*"probs" \[1, 1000\]/,
    ],
    [{ outputs: [{ name: 'boxes', type: 'float32', shape: [1, 12_800, 1] }] }, {}, /"boxes" \[1, 12800, 1\]/],
    [{ outputs: [{ name: 'rgb', type: 'float32', shape: [1, 3, 64, 64] }] }, {}, /"rgb" \[1, 3, 64, 64\]/],
    [{}, { output: 'disparity' }, /a depth map as the output "disparity".*"out" \[1, 1, 8, 8\]/],
    [{}, { percentiles: [99, 1] }, /expected percentiles to rise, e\.g\. \[1, 99\], found \[99, 1\]/],
  ] as [DriverParts, Record<string, unknown>, RegExp][]) {
    const driver = await flat({ entry: { decode: 'plain' }, ...parts })
    assert.throws(() => check(driver, options), message)
  }
  check(await flat({ outputs: [{ name: 'out', type: 'float32', shape: ['N', 1, 'H', 'W'] }] }))
})

answers('the map is found among several outputs, and by its name', async () => {
  const image = await sharp(room).resize(2, 2, { fit: 'fill' }).png().toBuffer()
  const outputs = {
    probs: { type: 'float32', dims: [1, 5], data: new Float32Array(5) } as Tensor,
    ...outputOf([2, 2], [1, 2, 3, 4]),
    fine: { type: 'float32', dims: [1, 1, 2, 2], data: Float32Array.of(5, 6, 7, 8) } as Tensor,
  }
  const driver = await flat({ entry: { decode: 'plain' } })
  assert.equal([...mapOf(await callJson<Answer>(driver, { image, outputs, options: raw })).array.data], [1, 2, 3, 4])
  const options = { ...raw, output: 'fine' }
  assert.equal([...mapOf(await callJson<Answer>(driver, { image, outputs, options })).array.data], [5, 6, 7, 8])
})

const pydnet: DriverParts = { entry: { name: 'pydnetpp', mean: 0, std: 255, decode: 'plain' } }

testWithShared(answers, 'PyDNet++ on an exact input gives the reference map within 1e-3', async () => {
  const driver = await drive('depth', depth, sharedData('models/pydnetpp_256x320_fp32.onnx'), pydnet)
  check(driver)
  const image = readFileSync(sharedData('truth/exact_street_256x320.png')!)
  const bytes = gunzipSync(readFileSync(sharedData('truth/exact_street_256x320.depth_f32le.gz')!))
  const truth = new Float32Array(Uint8Array.from(bytes).buffer)
  const { array } = mapOf(await callJson<Answer>(driver, { image, options: raw }))
  assert.equal(array.dims, [256, 320])
  assertAllNear(array.data, truth, 1e-3)
})

testWithShared(answers, 'PyDNet++ on photos agrees with the reference statistics within 3 %', async () => {
  const driver = await drive('depth', depth, sharedData('models/pydnetpp_256x320_fp32.onnx'), pydnet)
  const { images } = JSON.parse(readFileSync(sharedData('truth/depth_photos.json')!, 'utf8')) as {
    images: Record<string, Record<string, Record<'mean' | 'p1' | 'p50' | 'p99', number> & { grid8x10: number[][] }>>
  }
  assert.ok(Object.keys(images).length >= 2)
  for (const [name, { pydnetpp_256x320_fp32: truth }] of Object.entries(images)) {
    const photo = readFileSync(sharedData(`images/${name}`)!)
    const { tensors } = await call(driver, { image: photo, options: raw })
    const map = (await driver.session!.run(tensors))['depth']!.data as Float32Array
    // At the model's own size, as the reference was measured: the posted picture has other pixels.
    const image = await sharp(room).resize(320, 256, { fit: 'fill' }).png().toBuffer()
    const outputs = { depth: { type: 'float32', dims: [1, 1, 256, 320], data: map } as Tensor }
    const { data } = mapOf(await callJson<Answer>(driver, { image, outputs, options: raw })).array
    const sorted = data.toSorted()
    const at = (percentile: number) => sorted[Math.floor((percentile / 100) * (sorted.length - 1))]!
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length
    for (const [found, expected] of [
      [mean, truth!.mean],
      [at(1), truth!.p1],
      [at(50), truth!.p50],
      [at(99), truth!.p99],
    ] as const)
      assert.ok(Math.abs(found - expected) <= 0.03 * expected, `${name}: expected ${expected}, found ${found}`)

    const normalised = await callJson<Answer>(driver, {
      image: photo,
      options: { output_format: 'numpy', percentiles: [1, 99] },
    })
    const [low, high] = normalised.stats.range
    assert.ok(Math.abs(low - truth!.p1) <= 0.03 * truth!.p1, `${name}: low ${low}, expected ${truth!.p1}`)
    assert.ok(Math.abs(high - truth!.p99) <= 0.03 * truth!.p99, `${name}: high ${high}, expected ${truth!.p99}`)
  }
})

answers.run()

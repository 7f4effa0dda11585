import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { takeBack } from '../../runtime/buffers.ts'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import type { ModelEntry } from '../../runtime/manifest/manifest.ts'
import { openPicture, openPixels } from '../../runtime/steps/encoded.ts'
import { fromFloat16 } from '../../runtime/steps/float16.ts'
import { builtinSteps } from '../../runtime/steps/index.ts'
import type { Picture, Pixels } from '../../runtime/steps/picture.ts'
import type { Tensor, TensorType } from '../../runtime/tensor.ts'
import { contextOf, distance, failureOf, modelOf, noise, pixelAt, png, sharpOf } from './fixture-steps.ts'

const tensors = suite('tensor')
const step = builtinSteps['tensor']!

const nchw = (height: number | string, width: number | string, channels = 3) => [1, channels, height, width]
const nhwc = (height: number | string, width: number | string, channels = 3) => [1, height, width, channels]

async function run(pixels: Pixels, input: Partial<TensorInfo>, entry: Partial<ModelEntry> = {}): Promise<Tensor> {
  const info: TensorInfo = { name: 'x', type: 'float32', shape: nchw(pixels.height, pixels.width), ...input }
  const context = contextOf({ inputs: [info], entry })
  const picture = await openPicture(await png(pixels), 1e6)
  step.check!({ options: context.options, model: context.model, files: {} })
  const result = (await step.run(picture, context)) as Record<string, Tensor>
  assert.equal(Object.keys(result), [info.name])
  assert.is(context.input, picture)
  return result[info.name]!
}

/** What the step should give, pixel by pixel. */
function naive(pixels: Pixels, layout: 'nchw' | 'nhwc', mean: number[], std: number[], bgr = false): number[] {
  const { width, height } = pixels
  const values: number[] = []
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const level = pixelAt(pixels, x, y)[bgr ? 2 - channel : channel]!
        const at = layout === 'nchw' ? (channel * height + y) * width + x : (y * width + x) * 3 + channel
        values[at] = (level - mean[channel]!) / std[channel]!
      }
    }
  }
  return values
}

tensors('float32 in both layouts and orders, with one mean and std or three', async () => {
  // 7 x 5 pixels: not a multiple of the four that are packed at a time.
  for (const pixels of [noise(7, 5), noise(8, 4), noise(1, 1), noise(3, 1)]) {
    for (const [mean, std] of [
      [0, 1],
      [127.5, 128],
      [
        [123.675, 116.28, 103.53],
        [58.395, 57.12, 57.375],
      ],
    ] as [number | number[], number | number[]][]) {
      for (const layout of ['nchw', 'nhwc'] as const) {
        for (const channels of ['rgb', 'bgr'] as const) {
          const shape = layout === 'nchw' ? nchw(pixels.height, pixels.width) : nhwc(pixels.height, pixels.width)
          const entry = { layout, channels, mean, std }
          const { type, dims, data } = await run(pixels, { shape }, entry)
          const three = (value: number | number[]) => (typeof value === 'number' ? [value, value, value] : value)
          const expected = naive(pixels, layout, three(mean), three(std), channels === 'bgr')
          assert.is(type, 'float32')
          assert.equal(dims, shape)
          assert.ok(distance(data as Float32Array, expected) < 1e-5, `${layout} ${channels} ${mean}`)
        }
      }
    }
  }
})

tensors('the shape tells the layout', async () => {
  const pixels = noise(6, 4)
  for (const [shape, layout] of [
    [[1, 3, 4, 6], 'nchw'],
    [[1, 4, 6, 3], 'nhwc'],
    [['N', 3, 'H', 'W'], 'nchw'],
    [['N', 'H', 'W', 3], 'nhwc'],
  ] as const) {
    const { dims, data } = await run(pixels, { shape })
    assert.equal(dims, layout === 'nchw' ? [1, 3, 4, 6] : [1, 4, 6, 3])
    assert.equal([...(data as Float32Array)], naive(pixels, layout, [0, 0, 0], [1, 1, 1]))
  }
})

tensors('where the shape cannot tell, the manifest does', async () => {
  const pixels = noise(3, 3)
  const { data } = await run(pixels, { shape: [1, 3, 3, 3] }, { layout: 'nhwc' })
  assert.equal([...(data as Float32Array)], naive(pixels, 'nhwc', [0, 0, 0], [1, 1, 1]))
  const free = await run(pixels, { shape: ['N', 'C', 'H', 'W'] }, { layout: 'nchw' })
  assert.equal(free.dims, [1, 3, 3, 3])
  const model = modelOf({ inputs: [{ name: 'x', type: 'float32', shape: ['N', 'C', 'H', 'W'] }] })
  assert.match(
    (await failureOf(() => step.check!({ options: {}, model, files: {} }))).message,
    'layout in the manifest',
  )
})

tensors('integer types are rounded and clamped to their range', async () => {
  const pixels = noise(6, 4)
  const ranges: [TensorType, number, number][] = [
    ['uint8', 0, 255],
    ['int8', -128, 127],
    ['uint16', 0, 65_535],
    ['int16', -32_768, 32_767],
    ['uint32', 0, 2 ** 32 - 1],
    ['int32', -(2 ** 31), 2 ** 31 - 1],
  ]
  for (const [type, low, high] of ranges) {
    const { data } = await run(pixels, { type }, { mean: 100, std: 0.4 })
    const expected = naive(pixels, 'nchw', [100, 100, 100], [0.4, 0.4, 0.4]).map((value) =>
      Math.min(Math.max(value, low), high),
    )
    assert.ok(distance(data as Int32Array, expected) <= 0.5 + 1e-9, type)
    assert.ok(expected.some((value) => value === low) === low > -200, `${type} was clamped`)
  }
})

tensors('float16 and float64', async () => {
  const pixels = noise(6, 4)
  const expected = naive(pixels, 'nchw', [127.5, 127.5, 127.5], [128, 128, 128])
  const half = await run(pixels, { type: 'float16' }, { mean: 127.5, std: 128 })
  assert.instance(half.data, Uint16Array)
  assert.ok(distance([...(half.data as Uint16Array)].map(fromFloat16), expected) < 2 ** -11)
  const double = await run(pixels, { type: 'float64' }, { mean: 127.5, std: 128 })
  assert.equal([...(double.data as Float64Array)], expected)
})

tensors('uint8 NHWC takes the pixels as they are', async () => {
  const pixels = noise(6, 4)
  const plain = await run(pixels, { type: 'uint8', shape: nhwc(4, 6) })
  assert.instance(plain.data, Uint8Array)
  assert.equal(new Uint8Array(plain.data as Uint8Array), pixels.data)
  const turned = await run(pixels, { type: 'uint8', shape: nhwc(4, 6) }, { channels: 'bgr' })
  assert.equal([...(turned.data as Uint8Array)], naive(pixels, 'nhwc', [0, 0, 0], [1, 1, 1], true))
})

tensors('a quantised input takes the pixels as they are, unless the entry says what they are to become', async () => {
  const pixels = noise(6, 4)
  const info: Partial<TensorInfo> = { type: 'uint8', shape: nhwc(4, 6), quant: { scale: 0.5, zeroPoint: 10 } }
  const { data } = await run(pixels, info)
  assert.equal(new Uint8Array(data as Uint8Array), pixels.data)
  const scaled = await run(pixels, info, { mean: [0, 100, 200], std: 4 })
  const expected = naive(pixels, 'nhwc', [0, 100, 200], [4, 4, 4]).map((real) => Math.max(0, real / 0.5 + 10))
  assert.ok(distance(scaled.data as Uint8Array, expected) <= 0.5)
  const byFeature = await run(pixels, { ...info, quant: { scale: [1, 2, 4], zeroPoint: 0 } }, { mean: 0 })
  assert.is((byFeature.data as Uint8Array)[2], Math.round(pixels.data[2]! / 4))
})

tensors('one channel takes the luma, and grey pixels stay what they are', async () => {
  const pixels = noise(6, 4)
  const { dims, data } = await run(pixels, { shape: nchw(4, 6, 1) }, { mean: 0, std: 255 })
  assert.equal(dims, [1, 1, 4, 6])
  for (let i = 0; i < 24; i++) {
    const [red, green, blue] = pixelAt(pixels, i % 6, Math.floor(i / 6))
    const luma = 0.299 * red! + 0.587 * green! + 0.114 * blue!
    assert.ok(Math.abs((data as Float32Array)[i]! * 255 - luma) <= 0.51)
  }
  const levels = { data: Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3)), width: 128, height: 2 }
  const grey = await run(levels, { type: 'uint8', shape: nhwc(2, 128, 1) })
  assert.equal(
    [...(grey.data as Uint8Array)],
    Array.from({ length: 256 }, (_, i) => i),
  )
})

tensors('views that are not packed pixels give what their pixels give', async () => {
  const turned = await openPicture(await sharpOf(noise(21, 26)).withMetadata({ orientation: 6 }).png().toBuffer(), 1e6)
  const picture = openPixels(noise(30, 22), 1e6)
  const views: Record<string, Picture> = {
    'letterbox, wide': picture.letterbox(36, 36, { background: [10, 20, 30] }),
    'letterbox, tall': picture.crop(0, 0, 9, 22).letterbox(31, 29, { background: [200, 1, 30] }),
    'letterbox, corner': picture.letterbox(30, 30, { position: 'top-left', background: 114 }),
    'letterbox of a letterbox': picture.letterbox(40, 20, { background: 9 }).letterbox(33, 33, { background: 7 }),
    'crop of a letterbox': picture.letterbox(40, 40, { background: 9 }).crop(1, 3, 37, 35),
    'crop from an odd column': picture.crop(5, 3, 17, 11),
    'crop from a fourth column': picture.crop(4, 2, 16, 12),
    turned,
    'part of the turned': turned.crop(2, 3, 13, 11),
    'the turned in a letterbox': turned.letterbox(26, 40, { background: [3, 2, 1] }),
  }
  for (const [name, view] of Object.entries(views)) {
    for (const type of ['float32', 'uint8', 'int8'] as const) {
      for (const shape of [
        nchw(view.height, view.width),
        nhwc(view.height, view.width),
        nchw(view.height, view.width, 1),
      ]) {
        for (const channels of ['rgb', 'bgr'] as const) {
          const inputs = [{ name: 'x', type, shape }]
          const entry = { channels, mean: [3, 2, 1].slice(0, shape[1] === 1 ? 1 : 3) }
          const flat = openPixels(await view.pixels(), 1e6)
          const [found, expected] = await Promise.all(
            [view, flat].map((one) => step.run(one, contextOf({ inputs, entry })) as Promise<Record<string, Tensor>>),
          )
          assert.equal(found!.x, expected!.x, `${name} ${type} [${shape}] ${channels}`)
        }
      }
    }
  }
})

tensors('arrays that were given back are written anew, all of them, and none is lent twice', async () => {
  const inputs: TensorInfo[] = [{ name: 'x', type: 'float32', shape: [1, 3, 20, 20] }]
  const packed = async (picture: Picture) => {
    const { x } = (await step.run(picture, contextOf({ inputs, entry: { std: 2 } }))) as Record<string, Tensor>
    return x!.data as Float32Array<ArrayBuffer>
  }
  const white = openPixels({ data: new Uint8Array(1200).fill(255), width: 20, height: 20 }, 1e6)
  const boxed = openPixels(noise(20, 7), 1e6).letterbox(20, 20, { background: [4, 6, 8] })
  const expected = await packed(boxed)
  const first = await packed(white)
  takeBack(first.buffer)
  const [second, third] = [await packed(boxed), await packed(white)]
  assert.is(second.buffer, first.buffer)
  assert.is.not(third.buffer, second.buffer)
  assert.equal(second, expected)
})

tensors('a tensor is memory of its own: changing it leaves the picture as it is', async () => {
  const inputs: TensorInfo[] = [{ name: 'x', type: 'uint8', shape: [1, 6, 9, 3] }]
  const pixels = noise(9, 6)
  for (const picture of [openPixels(pixels, 1e6), await openPicture(await png(pixels), 1e6)]) {
    for (const view of [picture, picture.crop(0, 0, 9, 6), picture.letterbox(9, 6)]) {
      const { x } = (await step.run(view, contextOf({ inputs }))) as Record<string, Tensor>
      assert.equal([...(x!.data as Uint8Array)], [...noise(9, 6).data])
      ;(x!.data as Uint8Array).fill(0)
      assert.equal(await picture.pixels(), noise(9, 6))
    }
  }
})

tensors('a picture of another size than the model’s is refused, naming both', async () => {
  const context = contextOf({ inputs: [{ name: 'image', type: 'float32', shape: [1, 3, 256, 320] }] })
  const picture = await openPicture(await png(noise(30, 20)), 1e6)
  const { code, message } = await failureOf(() => step.run(picture, context))
  assert.is(code, 'invalid_input')
  assert.match(message, 'expected a picture of 320 x 256 pixels')
  assert.match(message, 'input "image"')
  assert.match(message, 'found 30 x 20')
  const half = contextOf({ inputs: [{ name: 'image', type: 'float32', shape: [1, 3, 'H', 32] }] })
  assert.match((await failureOf(() => step.run(picture, half))).message, 'expected a picture of 32 x 20 pixels')
})

tensors('models without a fitting input are refused at deploy', async () => {
  const info = (shape: (number | string)[], type: TensorType = 'float32', name = 'x'): TensorInfo => ({
    name,
    type,
    shape,
  })
  const cases: [TensorInfo[], Partial<ModelEntry>, object, string][] = [
    [[info([1, 100, 9], 'float32', 'imu_window')], {}, {}, 'found "imu_window" float32 [1, 100, 9]'],
    [[info([1, 4, 64, 64])], {}, {}, '1 or 3 channels'],
    [[info([8, 3, 64, 64])], {}, {}, 'a batch of 1'],
    [[info([1, 3, 64, 64])], { layout: 'nhwc' }, {}, 'as nhwc, found "x" float32 [1, 3, 64, 64]'],
    [[info([1, 3, 64, 64], 'int64')], {}, {}, 'found int64'],
    [[info([1, 3, 64, 64])], { mean: [1, 2] }, {}, "expected mean in the model's entry as one number or 3, found 2"],
    [[info([1, 1, 64, 64])], { std: [1, 2, 3] }, {}, 'as one number or 1, found 3'],
    [[info([1, 3, 64, 64])], { std: [1, 0, 1] }, {}, 'std other than 0'],
    [[info([1, 3, 8, 8], 'float32', 'a'), info([1, 3, 8, 8], 'float32', 'b')], {}, {}, 'expected the option input'],
    [
      [info([1, 3, 8, 8], 'float32', 'a')],
      {},
      { input: 'z' },
      `expected input to be one of the model's, "a" float32 [1, 3, 8, 8], found "z"`,
    ],
  ]
  for (const [inputs, entry, options, expected] of cases) {
    const { code, message } = await failureOf(() =>
      step.check!({ options, model: modelOf({ inputs, entry }), files: {} }),
    )
    assert.is(code, 'invalid_manifest')
    assert.match(message, expected)
    assert.match(message, /^tensor: expected .*, found /)
  }
})

tensors('of several inputs the named one is filled, or the only one that takes a picture', async () => {
  const inputs: TensorInfo[] = [
    { name: 'left', type: 'float32', shape: [1, 3, 4, 6] },
    { name: 'right', type: 'uint8', shape: [1, 4, 6, 3] },
    { name: 'size', type: 'int64', shape: [1, 2] },
  ]
  const picture = await openPicture(await png(noise(6, 4)), 1e6)
  const context = contextOf({ inputs }, { input: 'right' })
  for (const name of ['right', 'left', 'right']) {
    context.options['input'] = name
    const result = (await step.run(picture, context)) as Record<string, Tensor>
    assert.equal(Object.keys(result), [name])
    assert.is(result[name]!.type, name === 'right' ? 'uint8' : 'float32')
  }
  const alone = (await step.run(picture, contextOf({ inputs: inputs.slice(1) }))) as Record<string, Tensor>
  assert.equal(Object.keys(alone), ['right'])
})

tensors.run()

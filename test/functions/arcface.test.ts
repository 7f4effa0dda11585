import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import arcface from '../../functions/arcface.ts'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { PelletError } from '../../runtime/errors.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import { deviation } from '../references/measure.ts'
import { projectRoot } from '../support/root.ts'
import { call, check, drive, type Driver } from './driver.ts'

interface Answer {
  embedding: Float32Array
  dimensions: number
  model: string
  inference_time_ms: number
}

/** Eyes, nose and corners of the mouth in an aligned face. */
const template: [x: number, y: number][] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
]
const picture = readFileSync(join(projectRoot, 'models/samples/faces_1.jpg'))
const embed = suite('arcface')

embed('gives a vector of length 1, however long the model makes it and whatever its shape', async () => {
  const values = Float32Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? 3 : -1))
  const length = Math.hypot(...values)
  const expected = Array.from(values, (value) => value / length)
  for (const dims of [[1, 8], [8], [1, 1, 8], [1, 1, 1, 8], [1, 8, 1, 1]]) {
    const driver = await driverOf([{ name: 'out', type: 'float32', shape: dims }])
    check(driver)
    const answer = await answerOf(driver, { out: { type: 'float32', dims, data: values } })
    assert.ok(deviation(answer.embedding, expected) < 1e-6, dims.join())
    assert.equal([answer.dimensions, answer.model], [8, 'arcface_mobilefacenet'])
    assert.is(Object.keys(answer).join(), 'embedding,dimensions,model,inference_time_ms')
  }
  const data = Uint8Array.from(values, (value) => value * 10 + 100)
  const quantised: Tensor = { type: 'uint8', dims: [1, 1, 8], data, quant: { scale: 0.1, zeroPoint: 100 } }
  const driver = await driverOf([{ name: 'out', type: 'uint8', shape: [1, 1, 8] }])
  assert.ok(deviation((await answerOf(driver, { out: quantised })).embedding, expected) < 1e-6)
  assert.instance((await answerOf(driver, { out: quantised })).embedding, Float32Array, 'raw for who calls')
})

embed('takes a picture as it is, or the face that landmarks tell, as lists or as /v1/detect gives them', async () => {
  const driver = await driverOf([{ name: 'out', type: 'float32', shape: [1, 8] }])
  const outputs: Tensors = { out: { type: 'float32', dims: [1, 8], data: new Float32Array(8).fill(1) } }
  // Each pixel tells where it is: red is its column, green its row.
  const side = 256
  const places = Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const at = Math.floor(i / 3)
    return [at % side, Math.floor(at / side), 0][i % 3]!
  })
  const image = await sharp(places, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer()
  const placesIn = async (points: [number, number][], options: Record<string, unknown>) => {
    const { data, dims } = (await call(driver, { image, outputs, options })).tensors['input']!
    assert.equal(dims, [1, 3, 112, 112])
    return points.map(([x, y]) =>
      [0, 1].map(
        (channel) => (data[channel * 112 * 112 + Math.round(y) * 112 + Math.round(x)] as number) * 127.5 + 127.5,
      ),
    )
  }
  const corners: [number, number][] = [
    [0, 0],
    [111, 111],
  ]
  assert.ok(deviation((await placesIn(corners, {})).flat(), [0.6, 0.6, 254.4, 254.4]) <= 1)

  // A face turned by 30 degrees, 1.5 times as large.
  const [cos, sin] = [1.5 * Math.cos(Math.PI / 6), 1.5 * Math.sin(Math.PI / 6)]
  const landmarks = template.map(([x, y]) => [cos * x - sin * y + 90, sin * x + cos * y + 10])
  const found = await placesIn(template, { landmarks })
  // Half a pixel of the crop is 0.75 of the picture's, along both axes.
  assert.ok(deviation(found.flat(), landmarks.flat()) <= 1.6, found.join(' '))
  const named = landmarks.map(([x, y], i) => ({ type: `point ${i}`, x, y }))
  assert.equal(await placesIn(template, { landmarks: named }), found)
})

embed('landmarks that tell no face are refused', async () => {
  const driver = await driverOf([{ name: 'out', type: 'float32', shape: [1, 8] }])
  const outputs: Tensors = { out: { type: 'float32', dims: [1, 8], data: new Float32Array(8).fill(1) } }
  for (const wrong of [
    template.slice(1),
    [...template, ...template],
    [[1], [2], [3], [4], [5]],
    [{ x: 1 }, { x: 1 }, { x: 1 }, { x: 1 }, { x: 1 }],
    'left_eye',
    template.map(() => [300, 200]),
    template.map(([x, y]) => [x * 1e300, y]),
    template.map(([x, y]) => [x, y * 1e150]),
  ])
    await rejects(() => call(driver, { image: picture, outputs, options: { landmarks: wrong } }), /landmarks/)
})

embed('vectors without a direction are no embeddings', async () => {
  const driver = await driverOf([{ name: 'out', type: 'float32', shape: [1, 3] }])
  for (const values of [
    [0, 0, 0],
    [1, NaN, 1],
    [1, Infinity, 1],
  ]) {
    const outputs: Tensors = { out: { type: 'float32', dims: [1, 3], data: Float32Array.from(values) } }
    const error = await rejects(() => answerOf(driver, outputs), /expected a vector with a direction/)
    assert.is((error as PelletError).code, 'function_failed')
  }
})

embed('models without one embedding are refused at deploy, in a sentence', async () => {
  const info = (name: string, shape: TensorInfo['shape']): TensorInfo => ({ name, type: 'float32', shape })
  for (const [outputs, options, message] of [
    [[info('map', [1, 64, 7, 7])], {}, /one output that is a vector such as \[1, 512\], found "map" \[1, 64, 7, 7\]/],
    [[info('a', [1, 512]), info('b', [1, 128])], {}, /"a" \[1, 512\], "b" \[1, 128\]; name it with the option output/],
    [[info('a', [1, 512])], { output: 'b' }, /the output "b" to be a vector/],
    [[], {}, /expected a model with one output/],
  ] as const) {
    const driver = await driverOf([...outputs])
    assert.throws(() => check(driver, options), message)
  }
  check(await driverOf([info('a', ['N', 512])]))
  check(await driverOf([info('a', [1, 512]), info('b', [1, 128])]), { output: 'b' })
})

embed.run()

// --- internal ---

/** The function without a model file: requests bring the outputs. */
function driverOf(outputs: TensorInfo[]): Promise<Driver> {
  const inputs: TensorInfo[] = [{ name: 'input', type: 'float32', shape: [1, 3, 112, 112] }]
  return drive('arcface', arcface, undefined, { inputs, outputs })
}

async function answerOf(driver: Driver, outputs: Tensors, options: Record<string, unknown> = {}): Promise<Answer> {
  return (await call(driver, { image: picture, outputs, options })).result as Answer
}

async function rejects(run: () => Promise<unknown>, message: RegExp): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    assert.match((error as Error).message, message)
    return error
  }
  assert.unreachable('expected a refusal')
}

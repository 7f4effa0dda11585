import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { driverOf, floats, labels, picture, heads, yolox, type Thing } from './detect-scene.ts'
import { PelletError } from '../../runtime/errors.ts'
import { ownFile } from '../references/calls.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { withPellet, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { callJson, check, type DriverParts } from './driver.ts'

const models = suite('models for detect')
const thing: Thing = { box: [20, 16, 52, 32], score: 0.72, index: 1, stride: 16 }
const image64: TensorInfo = { name: 'images', type: 'float32', shape: [1, 3, 64, 64] }
const info = (name: string, ...shape: (number | string)[]): TensorInfo => ({ name, type: 'float32', shape })

for (const [name, parts, message] of [
  [
    'a word that nobody knows',
    { entry: { decode: 'ssd' }, outputs: [info('output', 1, 84, 8)] },
    /expected decode: yolox, yolov8, nms-by-class in the model's entry, found ssd/,
  ],
  ['a word of Object', { entry: { decode: 'constructor' }, outputs: [info('output', 1, 84, 8)] }, /found constructor/],
  [
    'a classifier',
    { outputs: [info('probs', 1, 1000)] },
    /expected outputs of yolox, yolov8, nms-by-class for 64 x 64 pixels.*\[1, 84, 5 \+ classes\].*found "probs" \[1, 1000\]/,
  ],
  ['another size than its input', { outputs: [info('output', 1, 3549, 8)] }, /found "output" \[1, 3549, 8\]/],
  ['YOLOv5, three anchors a cell', { outputs: [info('output', 1, 252, 8)] }, /\[1, 252, 8\]/],
  [
    'YOLOX under the word yolov8',
    { entry: { decode: 'yolov8' }, outputs: [info('output', 1, 84, 8)] },
    /expected outputs of yolov8 for 64 x 64/,
  ],
  [
    'YOLOv8 under the word yolox',
    { entry: { decode: 'yolox' }, outputs: [info('output', 1, 7, 84)] },
    /expected outputs of yolox for 64 x 64/,
  ],
  [
    'heads without their boxes',
    { outputs: [info('a', 8, 8, 3), info('b', 4, 4, 3)] },
    /found "a" \[8, 8, 3\], "b" \[4, 4, 3\]/,
  ],
  [
    'heads of different classes',
    { outputs: [info('a', 8, 8, 64), info('b', 8, 8, 3), info('c', 4, 4, 64), info('d', 4, 4, 2)] },
    /"d" \[4, 4, 2\]/,
  ],
  [
    'heads with a third map',
    { outputs: [info('a', 8, 8, 64), info('b', 8, 8, 3), info('c', 8, 8, 32)] },
    /"c" \[8, 8, 32\]/,
  ],
  [
    'heads in two layouts',
    { outputs: [info('a', 8, 8, 64), info('b', 8, 8, 3), info('c', 64, 4, 4), info('d', 3, 4, 4)] },
    /"c" \[64, 4, 4\]/,
  ],
  [
    'fewer labels than classes',
    { outputs: [info('output', 1, 84, 9)] },
    /expected 4 names of classes in files\.labels, a line each, found 3/,
  ],
  ['more labels than classes', { outputs: [info('output', 1, 84, 7)] }, /expected 2 names.*found 3/],
  [
    'no labels',
    { outputs: [info('output', 1, 84, 8)], files: {} },
    /expected 3 names of classes in files\.labels.*found none/,
  ],
  ['labels that are none', { outputs: [info('output', 1, 84, 8)], files: { labels: { 0: 'cat' } } }, /found none/],
  ['open sizes without labels', { outputs: [info('output', 1, 'cells', 8)], files: {} }, /expected all names/],
] as [string, DriverParts & { outputs: TensorInfo[] }, RegExp][]) {
  models(`refuses at deploy: ${name}`, async () => {
    const { outputs, ...rest } = parts
    const driver = await driverOf(outputs, { inputs: [image64], ...rest })
    assert.throws(() => check(driver), message)
  })
}

models('takes labels with blank lines behind them, and models that leave their batch or their size open', async () => {
  check(await driverOf([info('output', 'batch', 84, 8)], { files: { labels: [...labels, '', ' '] } }))
  check(await driverOf([info('output', 'batch', 7, 84)], { inputs: [{ ...image64, shape: ['batch', 3, 64, 64] }] }))
  const inputs = [{ ...image64, shape: [1, 3, 'height', 'width'] }]
  const driver = await driverOf([info('output', 1, 'cells', 8)], { inputs })
  for (const route of driver.manifest.routes)
    route.pre[1] = { step: 'image.letterbox', options: { ...route.pre[1]!.options, width: 64, height: 64 } }
  check(driver)
  const request = { route: 'POST /v1/detect/objects', image: await picture(64, 64) }
  const { objects: found } = await callJson<{ objects: object[] }>(driver, {
    ...request,
    outputs: { output: yolox([thing]) },
  })
  assert.is(found.length, 1)
  const outputs = { output: floats([1, 85, 8], new Float32Array(85 * 8)) }
  const failure = await callJson(driver, { ...request, outputs }).catch((error: unknown) => error)
  assert.instance(failure, PelletError)
  assert.match((failure as PelletError).message, /expected outputs of .*found "output" \[1, 85, 8\]/)
})

models('heads of an ONNX file are read through the front door', async () => {
  await withPellet(project(labels), [], async (pellet) => {
    const form = new FormData()
    form.append('image', new Blob([new Uint8Array(await picture(128, 64))]), 'frame.png')
    form.append('min_confidence', '0.5')
    const answer = await pellet.fetch('/v1/vision/detection', { method: 'POST', body: form })
    const text = await answer.text()
    assert.is(answer.status, 200, text)
    const { success, predictions } = JSON.parse(text) as { success: boolean; predictions: object[] }
    assert.is(success, true)
    assert.equal(
      predictions.map((prediction) => ({ ...prediction, confidence: undefined })),
      [{ label: 'dog', confidence: undefined, x_min: 40, y_min: 32, x_max: 104, y_max: 64 }],
    )
  })
})

models('a model with more classes than labels is not deployed, and the log says why', async () => {
  await withPellet(project(labels.slice(1)), [], async (pellet) => {
    const answer = await pellet.fetch('/v1/vision/detection', { method: 'POST' })
    assert.is(answer.status, 404)
    assert.match(pellet.text(), /detect\.decode: expected 3 names of classes in files\.labels, a line each, found 2/)
  })
})

models.run()

// --- internal ---

/** The shipped manifest with a YOLOv8 that sees the same dog in every picture. */
function project(names: string[]): ProjectFiles {
  const outputs = Object.entries(heads([thing], { isLogits: true, isNchw: true, hasBatch: true }))
  const onnx = toOnnx({
    inputs: [{ name: 'images', type: 'float32', shape: [1, 3, 64, 64] }],
    outputs: outputs.map(([name, { dims }]) => ({ name, type: 'float32', shape: dims })),
    nodes: outputs.map(([name]) => ({ op: 'Identity', inputs: [`${name}_values`], outputs: [name] })),
    constants: Object.fromEntries(
      outputs.map(([name, { dims, data }]) => [`${name}_values`, { type: 'float32' as const, dims: [...dims], data }]),
    ),
  })
  const manifest = readFileSync(join(projectRoot, 'manifests/detect.yaml'), 'utf8').replace(
    'decode: yolox ',
    'decode: yolov8 ',
  )
  return {
    'functions/detect.ts': ownFile('functions/detect.ts'),
    'manifests/detect.yaml': manifest,
    'models/coco.txt': `${names.join('\n')}\n`,
    'models/yolox_nano.onnx': onnx,
  }
}

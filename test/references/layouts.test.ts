import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { onnxTypeNumber, toOnnx, type OnnxModel } from '../support/onnx-writer.ts'
import { RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { depthOf, ownFile } from './calls.ts'
import { assertNear } from './measure.ts'

const [height, width] = [256, 320]
const mean = [123, 116, 104]
const std = [58, 57, 56]
/** Each channel has a weight of its own: a map shows at once when they are mixed up. */
const weights = [0.6, 0.3, 0.1]
/** Said aloud, because what a manifest leaves out is what the function file says. */
const bare = { mean: 0, std: 1 }
const layouts = suite('one manifest for models of several layouts and types')

const picture = readFileSync(join(projectRoot, 'models/golden/room_1_256x320.png'))
const alike: Record<string, { model: OnnxModel; entry: object }> = {
  'float-nchw': { model: floatNchw(weights), entry: { mean, std } },
  'float-nhwc': { model: nhwc('float32', weights), entry: { mean, std } },
  'uint8-nhwc': { model: normalising(weights), entry: bare },
  'uint8-nhwc-bgr': { model: normalising(weights.toReversed(), true), entry: { ...bare, channels: 'bgr' } },
  'float-nchw-bgr': {
    model: floatNchw(weights.toReversed()),
    entry: { channels: 'bgr', mean: mean.toReversed(), std: std.toReversed() },
  },
}
let pellet: RunningPellet

layouts.before(async () => {
  const files: ProjectFiles = { 'functions/depth.ts': ownFile('functions/depth.ts') }
  const green = { model: nhwc('uint8', [0, 1, 0]), entry: bare }
  for (const [name, { model, entry }] of Object.entries({ ...alike, green })) {
    files[`models/${name}.onnx`] = toOnnx(model)
    files[`manifests/${name}.yaml`] = manifest(name, entry)
  }
  pellet = await RunningPellet.start(files)
})

layouts.after(async () => {
  assert.is(await pellet.stop(), 0)
})

layouts('feeds float32 NCHW, float32 NHWC and uint8 NHWC alike, in the channel order of each', async () => {
  const expected = await weighted(picture)
  for (const name of Object.keys(alike)) {
    const found = await depthOf(pellet, `/v1/${name}`, picture)
    assert.equal([found.model, found.depth_shape], [name, [height, width]])
    assertNear(found.data, expected, 1e-5, name)
  }
})

layouts('takes what a quantised model gives', async () => {
  const { data } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const found = await depthOf(pellet, '/v1/green', picture)
  assertNear(
    found.data,
    Float32Array.from(found.data, (_, i) => data[i * 3 + 1]!),
    0,
    'green',
  )
})

layouts.run()

// --- internal ---

/** Always the same but for the model's entry. */
function manifest(name: string, entry: object): string {
  return `
function: depth
model: { onnx: ${JSON.stringify({ name, file: `${name}.onnx`, decode: 'plain', ...entry })} }
route: POST /v1/${name}
pre: [image.decode, image.resize, tensor]
post: [depth.map, depth.answer]
`
}

/** The weighted sum of normalised channels, from the picture's pixels. */
async function weighted(picture: Buffer): Promise<Float32Array> {
  const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  assert.equal([info.width, info.height, info.channels], [width, height, 3])
  const part = (pixel: number, channel: number) =>
    (weights[channel]! * (data[pixel * 3 + channel]! - mean[channel]!)) / std[channel]!
  return Float32Array.from({ length: width * height }, (_, i) => part(i, 0) + part(i, 1) + part(i, 2))
}

/** A convolution of 1 x 1: the weighted sum of normalised channels. */
function floatNchw(channels: number[]): OnnxModel {
  return {
    inputs: [{ name: 'image', type: 'float32', shape: [1, 3, height, width] }],
    outputs: [{ name: 'map', type: 'float32', shape: [1, 1, height, width] }],
    nodes: [{ op: 'Conv', inputs: ['image', 'weights'], outputs: ['map'] }],
    constants: { weights: { type: 'float32', dims: [1, 3, 1, 1], data: Float32Array.from(channels) } },
  }
}

/** The weighted sum of channels, calculated in float32. */
function nhwc(type: 'float32' | 'uint8', channels: number[]): OnnxModel {
  return {
    inputs: [{ name: 'image', type, shape: [1, height, width, 3] }],
    outputs: [{ name: 'map', type, shape: [1, height, width, 1] }],
    nodes: [
      { op: 'Cast', inputs: ['image'], outputs: ['real'], attributes: { to: onnxTypeNumber('float32') } },
      { op: 'MatMul', inputs: ['real', 'weights'], outputs: ['sum'] },
      { op: 'Cast', inputs: ['sum'], outputs: ['map'], attributes: { to: onnxTypeNumber(type) } },
    ],
    constants: { weights: { type: 'float32', dims: [3, 1], data: Float32Array.from(channels) } },
  }
}

/** uint8 NHWC with mean and std inside, as in a HEF. */
function normalising(channels: number[], isReversed = false): OnnxModel {
  const inOrder = (values: number[]) => Float32Array.from(isReversed ? values.toReversed() : values)
  const { nodes, constants, ...model } = nhwc('uint8', channels)
  return {
    ...model,
    outputs: [{ name: 'map', type: 'float32', shape: [1, height, width, 1] }],
    nodes: [
      nodes[0]!,
      { op: 'Sub', inputs: ['real', 'mean'], outputs: ['centred'] },
      { op: 'Div', inputs: ['centred', 'std'], outputs: ['normal'] },
      { op: 'MatMul', inputs: ['normal', 'weights'], outputs: ['map'] },
    ],
    constants: {
      ...constants!,
      mean: { type: 'float32', dims: [3], data: inOrder(mean) },
      std: { type: 'float32', dims: [3], data: inOrder(std) },
    },
  }
}

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { onnxruntime } from '../../runtime/engines/onnxruntime.ts'
import type { Tensor } from '../../runtime/tensor.ts'
import type { GoldenStats } from '../support/golden.ts'
import { projectRoot } from '../support/root.ts'
import { opened } from './conformance.ts'

interface Golden {
  sha256: Record<string, string>
  tcn: { input: string; latent_embeddings: GoldenStats; motif_scores: GoldenStats }[]
  scrfd: { input: string; input_sum: number; outputs: Record<string, GoldenStats> }[]
  depth: { input: string; input_sum: number; logits: GoldenStats }[]
}

const models = join(projectRoot, 'models')
const golden = JSON.parse(readFileSync(join(models, 'golden.json'), 'utf8')) as Golden
const tolerance = 1e-3
const test = suite('golden answers of the starter models')

test('were made with these very models', () => {
  for (const [name, sha256] of Object.entries(golden.sha256)) {
    const bytes = readFileSync(join(models, name))
    assert.is(createHash('sha256').update(bytes).digest('hex'), sha256, name)
  }
})

test('tcn', async () => {
  // models/README.md, "Tensor contracts"
  const mean = [0.12, -0.08, 9.78, 0.002, -0.001, 0.003, 22.4, -8.7, 43.2]
  const std = [3.92, 3.87, 2.45, 1.24, 1.31, 0.98, 28.5, 31.2, 24.8]
  await using session = await opened(onnxruntime, join(models, 'tcn.onnx'))
  for (const { input, latent_embeddings, motif_scores } of golden.tcn) {
    const { x } = JSON.parse(readFileSync(join(models, input), 'utf8')) as { x: number[][] }
    const rows = x.map((row) => row.map((value, axis) => (value - (mean[axis] ?? NaN)) / (std[axis] ?? NaN)))
    const data = Float32Array.from(rows.flat())
    const outputs = await session.run({ imu_window: { type: 'float32', dims: [1, 100, 9], data } })
    compare(outputs.latent_embeddings, latent_embeddings, input)
    compare(outputs.motif_scores, motif_scores, input)
  }
})

test('scrfd', async () => {
  await using session = await opened(onnxruntime, join(models, 'scrfd.onnx'))
  for (const { input, input_sum, outputs } of golden.scrfd) {
    const tensor = await toTensor(input, 127.5, 128)
    assertNear(sum(tensor.data as Float32Array), input_sum, 1, input)
    const found = await session.run({ 'input.1': tensor })
    assert.equal(Object.keys(found), Object.keys(outputs))
    for (const [name, stats] of Object.entries(outputs)) compare(found[name], stats, `${input} ${name}`)
  }
})

test('depth', async () => {
  await using session = await opened(onnxruntime, join(models, 'depth.onnx'))
  for (const { input, input_sum, logits } of golden.depth) {
    const tensor = await toTensor(input, 114.75, 57.375)
    assertNear(sum(tensor.data as Float32Array), input_sum, 1, input)
    compare((await session.run({ image: tensor })).logits, logits, input)
  }
})

test.run()

// --- internal ---

/** The stored picture as [1, 3, height, width], (pixel - mean) / std. */
async function toTensor(path: string, mean: number, std: number): Promise<Tensor> {
  const { data, info } = await sharp(join(models, path)).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  assert.is(info.channels, 3)
  const plane = info.width * info.height
  const out = new Float32Array(3 * plane)
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      out[channel * plane + pixel] = ((data[pixel * 3 + channel] ?? NaN) - mean) / std
    }
  }
  return { type: 'float32', dims: [1, 3, info.height, info.width], data: out }
}

function compare(found: Tensor | undefined, expected: GoldenStats, where: string): void {
  assert.equal([...(found?.dims ?? [])], expected.shape, where)
  const data = found?.data as Float32Array
  const mean = sum(data) / data.length
  const std = Math.sqrt(sum(data.map((value) => (value - mean) ** 2)) / data.length)
  const max = data.reduce((a, b) => Math.max(a, b))
  assertNear(
    data.reduce((a, b) => Math.min(a, b)),
    expected.min,
    tolerance,
    `${where} min`,
  )
  assertNear(max, expected.max, tolerance, `${where} max`)
  assertNear(mean, expected.mean, tolerance, `${where} mean`)
  assertNear(std, expected.std, tolerance, `${where} std`)
  assertNear(data[expected.argmax] ?? NaN, max, tolerance, `${where} at argmax`)
  const values = expected.all ?? expected.first16
  for (const [index, value] of values.entries()) {
    assertNear(data[index] ?? NaN, value, tolerance, `${where} [${index}]`)
  }
}

function assertNear(found: number, expected: number, within: number, where: string): void {
  assert.ok(Math.abs(found - expected) <= within, `${where}: expected ${expected} within ${within}, found ${found}`)
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0)
}

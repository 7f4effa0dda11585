import sharp from 'sharp'
import * as assert from 'uvu/assert'
import depth from '../../functions/depth.ts'
import { readNpz } from '../codecs/fixture-npz.ts'
import { drive, type Driver, type DriverParts } from './driver.ts'

/** What `/v1/depth/estimate` answers. */
export interface Answer {
  model: string
  model_type: string
  input_shape: number[]
  depth_shape: number[]
  inference_time_ms: number
  normalized: boolean
  stats: { min: number; max: number; mean: number; p95: number; range: [number, number] }
  non_finite?: number
  depth_map?: string
  depth_image?: string
  depth_png_16?: string
}

export const raw = { output_format: 'numpy', normalize: false }

/** The function without a model file: requests bring the outputs. The manifest's own model has another decode. */
export function flat({ outputs, inputs, entry }: DriverParts): Promise<Driver> {
  return drive('depth', depth, undefined, {
    inputs: inputs ?? [{ name: 'image', type: 'float32', shape: [1, 3, 8, 8] }],
    outputs: outputs ?? [{ name: 'out', type: 'float32', shape: [1, 1, 8, 8] }],
    ...(entry && { entry }),
  })
}

export function outputOf(dims: number[], values: number[]) {
  return { out: { type: 'float32' as const, dims, data: Float32Array.from(values) } }
}

export function mapOf({ depth_map }: Answer) {
  const npz = readNpz(Buffer.from(depth_map!, 'base64'))
  assert.equal(npz.entries, ['depth.npy'])
  return npz
}

export async function greyOf(base64: string): Promise<number[]> {
  const png = Buffer.from(base64, 'base64')
  assert.equal([png[24], png[25]], [16, 0], '16 bit, grey')
  const bytes = await sharp(png).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer()
  return [...new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)]
}

export function assertNear(found: number, expected: number, within: number, where = ''): void {
  assert.ok(Math.abs(found - expected) <= within, `${where} expected ${expected} within ${within}, found ${found}`)
}

export function assertAllNear(found: ArrayLike<number>, expected: ArrayLike<number>, within: number): void {
  assert.is(found.length, expected.length)
  for (let i = 0; i < found.length; i++) assertNear(found[i]!, expected[i]!, within, `[${i}]`)
}

import sharp from 'sharp'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { PelletError, type ErrorCode } from '../../runtime/errors.ts'
import type { ModelEntry } from '../../runtime/manifest/manifest.ts'
import type { Pixels, ResizeOptions } from '../../runtime/steps/picture.ts'
import type { RequestInput } from '../../runtime/steps/request.ts'
import type { ModelInfo, StepContext } from '../../runtime/steps/step.ts'
import * as assert from 'uvu/assert'

/** Every way to resize. */
export const kernels: NonNullable<ResizeOptions['kernel']>[] = [
  'nearest',
  'linear',
  'cubic',
  'mitchell',
  'lanczos2',
  'lanczos3',
]

export interface ModelParts {
  inputs?: TensorInfo[]
  outputs?: TensorInfo[]
  entry?: Partial<ModelEntry>
}

export function modelOf({ inputs = [], outputs = [], entry = {} }: ModelParts): ModelInfo {
  return { engine: 'onnxruntime', entry: { name: 'test', file: 'test.onnx', ...entry }, inputs, outputs }
}

export function contextOf(parts: ModelParts, options: object = {}, files: Record<string, unknown> = {}): StepContext {
  return {
    options: { ...options },
    model: modelOf(parts),
    files,
    source: undefined,
    input: undefined,
    limits: { pixels: 50_000_000 },
    signal: new AbortController().signal,
    elapsedMs: () => 0,
  }
}

export function requestOf(bytes: Uint8Array): RequestInput {
  return { fields: {}, files: {}, image: () => Promise.resolve(bytes) }
}

/** The code and message that `run` fails with. */
export async function failureOf(run: () => unknown): Promise<{ code: ErrorCode | undefined; message: string }> {
  try {
    await run()
  } catch (error) {
    return { code: error instanceof PelletError ? error.code : undefined, message: (error as Error).message }
  }
  assert.unreachable('expected an error, found none')
  throw new Error('unreachable')
}

/** Deterministic noise. */
export function noise(width: number, height: number, seed = 1): Pixels {
  const data = new Uint8Array(width * height * 3)
  let state = seed
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    data[i] = state >>> 24
  }
  return { data, width, height }
}

/** A smooth picture, each point of which tells where it is: red grows to the right, green downwards, blue both. */
export function ramp(width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 3) {
      data[i] = Math.round((255 * x) / Math.max(1, width - 1))
      data[i + 1] = Math.round((255 * y) / Math.max(1, height - 1))
      data[i + 2] = (data[i]! + data[i + 1]!) >> 1
    }
  }
  return { data, width, height }
}

export function sharpOf({ data, width, height }: Pixels) {
  return sharp(data, { raw: { width, height, channels: 3 } })
}

export function png(pixels: Pixels): Promise<Uint8Array> {
  return sharpOf(pixels).png().toBuffer()
}

export function pixelAt({ data, width }: Pixels, x: number, y: number): number[] {
  const at = (y * width + x) * 3
  return [...data.subarray(at, at + 3)]
}

/** The largest difference of any two values. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.is(a.length, b.length)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
  return largest
}

import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import tcn from '../../functions/tcn.ts'
import { PelletError, type ErrorDetail } from '../../runtime/errors.ts'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { call, drive } from './driver.ts'

export const input: TensorInfo = { name: 'imu_window', type: 'float32', shape: [1, 100, 9] }
export const latent: TensorInfo = { name: 'latent_embeddings', type: 'float32', shape: [1, 64] }
export const scores: TensorInfo = { name: 'motif_scores', type: 'float32', shape: [1, 12] }
/** Twelve centroids, each on an axis of its own. */
export const corners = Array.from({ length: 12 }, (_, k) => Array.from({ length: 64 }, (_, i) => Number(i === k) * 2))

export function windowFrom(file: string): number[][] {
  return (JSON.parse(readFileSync(file, 'utf8')) as { x: number[][] }).x
}

export function windowOf(value: (row: number, channel: number) => number): number[][] {
  return Array.from({ length: 100 }, (_, row) => Array.from({ length: 9 }, (_, channel) => value(row, channel)))
}

export function withCell(row: number, channel: number, value: unknown): unknown[][] {
  return windowOf((r, c) => (r === row && c === channel ? (value as number) : 0))
}

export function cell(row: number, channel: number, expected: string, type: string): ErrorDetail {
  return { loc: ['body', 'x', row, channel], msg: `expected ${expected}`, type }
}

/** A model that says it has no such output. */
export function without({ name }: TensorInfo, files: Record<string, unknown> = { centroids: corners }) {
  const outputs = [latent, scores].filter((output) => output.name !== name)
  return drive('tcn', tcn, undefined, { inputs: [input], outputs, files })
}

export function outputsOf() {
  return {
    latent_embeddings: { type: 'float32' as const, dims: [1, 64], data: new Float32Array(64) },
    motif_scores: { type: 'float32' as const, dims: [1, 12], data: new Float32Array(12) },
  }
}

export async function refusalOf(fields: Record<string, unknown>): Promise<PelletError> {
  try {
    await call(await without(scores), { fields })
  } catch (error) {
    assert.instance(error, PelletError)
    return error as PelletError
  }
  throw new Error('expected a refusal, found an answer')
}

export async function assertFails(run: () => Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await run()
  } catch (error) {
    assert.is((error as PelletError).code, 'function_failed')
    assert.match((error as Error).message, message)
    return
  }
  assert.unreachable('expected an error, found none')
}

export function assertAllNear(found: ArrayLike<number>, expected: ArrayLike<number>, within: number): void {
  assert.is(found.length, expected.length)
  for (let i = 0; i < found.length; i++)
    assert.ok(Math.abs(found[i]! - expected[i]!) <= within, `[${i}]: expected ${expected[i]}, found ${found[i]}`)
}

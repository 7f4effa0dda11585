import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { RunningPellet } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData } from '../support/shared.ts'
import { readNpz, type ReadMap } from './measure.ts'

/** A file of this repository, to put into a project. */
export function ownFile(path: string): { from: string } {
  return { from: join(projectRoot, path) }
}

/** A file of the reference data, to put into a project. Only inside tests that `testWithShared` registers. */
export function sharedFile(path: string): { from: string } {
  return { from: sharedData(path)! }
}

export function readShared(path: string): Buffer {
  return readFileSync(sharedData(path)!)
}

export function readJson<T>(file: string | Buffer): T {
  return JSON.parse(typeof file === 'string' ? readFileSync(file, 'utf8') : file.toString()) as T
}

/** What `/v1/depth/estimate` answers. */
export interface DepthAnswer {
  model: string
  input_shape: number[]
  depth_shape: number[]
  normalized: boolean
  depth_map?: string
  depth_image?: string
}

/** Posts bytes as they are, as a camera would. */
export function postBytes(pellet: RunningPellet, path: string, bytes: Buffer, accept = '*/*'): Promise<Response> {
  const headers = { 'content-type': 'application/octet-stream', accept }
  return pellet.fetch(path, { method: 'POST', body: new Uint8Array(bytes), headers })
}

/** The answer's JSON, which must be one. */
export async function jsonOf<T>(answer: Response): Promise<T> {
  const text = await answer.text()
  assert.is(answer.status, 200, text)
  return JSON.parse(text) as T
}

/** Depth as the model gave it, in the picture's pixels. */
export async function depthOf(pellet: RunningPellet, route: string, picture: Buffer): Promise<ReadMap & DepthAnswer> {
  const answer = await jsonOf<DepthAnswer>(
    await postBytes(pellet, `${route}?output_format=numpy&normalize=false`, picture),
  )
  assert.is(answer.depth_image, undefined)
  const map = readNpz(Buffer.from(answer.depth_map!, 'base64'))
  assert.is(map.name, 'depth')
  assert.equal(answer.depth_shape, [map.height, map.width])
  return { ...answer, ...map }
}

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../support/root.ts'
import type { PlannedRequest } from './plan.ts'
import { deploymentOf, type Name } from './project.ts'

/** A request as it is sent. */
export interface Wire {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
}

/** What is right for a request to a function: a digest of its input. */
export function tagOf({ deployment, way, seed, sizeBytes }: PlannedRequest): string {
  const hash = createHash('sha256')
  if (way === 'json') return hash.update(textOf(seed, sizeBytes)).digest('hex')
  hash.update(way === 'multipart' ? `text of ${deployment}` : '')
  return hash.update('image').update(bytesOf(seed, sizeBytes)).digest('hex')
}

/** Requests to models with the same key have the same answer, whichever way they are sent. */
export function sampleKey({ deployment, seed, accept = '' }: PlannedRequest): string {
  return `${deployment} ${samples[deployment]![seed % samples[deployment]!.length]} ${accept}`
}

export function toWire(planned: PlannedRequest): Wire {
  const { id, deployment, way, seed, mistake, accept, keepAlive, cacheControl, batch } = planned
  const { route, kind } = deploymentOf(deployment)
  const wire: Wire = { method: 'POST', path: route, headers: {}, body: Buffer.alloc(0) }
  const isModel = kind === 'model'
  const fields = fieldsOf(planned)
  const type = (value: string) => void (wire.headers['content-type'] = value)
  if (batch) {
    type('application/x-ndjson')
    wire.path = `/f/${deployment}/batch`
    wire.body = Buffer.from(batch.map((item) => `${toJson(item)}\n`).join(''))
  } else if (way === 'json') {
    type('application/json')
    wire.body = isModel ? sampleAsJson(deployment, seed) : Buffer.from(toJson(planned))
  } else {
    const bytes = isModel ? sampleOf(deployment, seed) : bytesOf(seed, planned.sizeBytes)
    if (way === 'raw') {
      type('image/jpeg')
      wire.body = bytes
      if (!isModel) wire.path += `?${new URLSearchParams(fields as Record<string, string>)}`
    } else {
      const boundary = `soak-${id}`
      type(`multipart/form-data; boundary=${boundary}`)
      wire.body = toMultipart(boundary, isModel ? {} : { ...fields, text: `text of ${deployment}` }, bytes)
    }
  }
  wire.headers['x-request-id'] = `soak-${id}`
  if (accept) wire.headers['accept'] = accept
  if (cacheControl) wire.headers['cache-control'] = cacheControl
  if (keepAlive) wire.headers['x-keep-alive'] = keepAlive
  if (mistake === 'broken JSON') [wire.body] = [Buffer.from('{"id": '), type('application/json')]
  else if (mistake === 'a type that is not read') type('text/csv')
  else if (mistake === 'an unknown path') wire.path = `${route}/nowhere`
  else if (mistake === 'another method') wire.method = 'PUT'
  else if (mistake === 'a body that is too large') [wire.body] = [Buffer.alloc(5 * 2 ** 20, 1), type('image/png')]
  else if (mistake === 'an odd X-Keep-Alive') wire.headers['x-keep-alive'] = 'a while'
  else if (mistake === 'no picture') [wire.body] = [Buffer.from('no picture'), type('image/png')]
  return wire
}

// --- internal ---

const samples: Partial<Record<Name, string[]>> = {
  depth: ['room_1.jpg', 'room_2.jpg', 'street_1.jpg'],
  scrfd: ['faces_1.jpg', 'faces_2_exif6.jpg', 'room_1.jpg'],
  tcn: ['imu_walk.json', 'imu_still.json', 'imu_shake.json'],
}
const files = new Map<string, Buffer>()

function sampleOf(deployment: Name, seed: number): Buffer {
  const list = samples[deployment]!
  const name = list[seed % list.length]!
  if (!files.has(name)) files.set(name, readFileSync(join(projectRoot, 'models/samples', name)))
  return files.get(name)!
}

function sampleAsJson(deployment: Name, seed: number): Buffer {
  const sample = sampleOf(deployment, seed)
  return deployment === 'tcn' ? sample : Buffer.from(JSON.stringify({ image: sample.toString('base64') }))
}

function fieldsOf({ name, backBytes, ms, fault }: PlannedRequest): Record<string, unknown> {
  return { id: name, ...(backBytes && { back: backBytes }), ...(ms && { ms }), ...(fault && { fault }) }
}

function toJson(planned: PlannedRequest): string {
  return JSON.stringify({ ...fieldsOf(planned), text: textOf(planned.seed, planned.sizeBytes) })
}

/** Bytes that begin as no text does. */
function bytesOf(seed: number, sizeBytes: number): Buffer {
  const block = createHash('sha512').update(String(seed)).digest()
  const bytes = Buffer.alloc(sizeBytes, block)
  bytes[0] = 1
  return bytes
}

function textOf(seed: number, sizeBytes: number): string {
  return createHash('sha512')
    .update(String(seed))
    .digest('hex')
    .repeat(Math.ceil(sizeBytes / 128))
    .slice(0, sizeBytes)
}

function toMultipart(boundary: string, fields: Record<string, unknown>, image: Buffer): Buffer {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="image"; filename="a"\r\ncontent-type: image/jpeg\r\n\r\n`
  return Buffer.concat([Buffer.from(parts.join('') + head), image, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

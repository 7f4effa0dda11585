import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as httpRequest, type Agent, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { projectRoot } from '../support/root.ts'
import type { PlannedRequest } from './plan.ts'
import { deploymentOf, type Name } from './project.ts'

/** How one request ended. Times in milliseconds on `performance.now()`. */
export interface Outcome {
  sentAt: number
  endedAt: number
  /** 0: the caller left before there was an answer. */
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** Why the connection broke, where it was not the caller who closed it; with a status: in the middle of the answer. */
  broken?: string
}

export interface Wire {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
}

/** Sends it, reads all of the answer, leaves in the middle where that is planned. Never rejects. */
export async function send(url: string, agent: Agent, planned: PlannedRequest): Promise<Outcome> {
  const { leave, later } = planned
  const wire = toWire(planned)
  if (!later) return exchange(url, agent, wire, leave)
  wire.headers['prefer'] = 'respond-async'
  const accepted = await exchange(url, agent, wire)
  const path = accepted.headers.location
  if (accepted.status !== 202 || path === undefined) return accepted
  const ask = (method: string) =>
    exchange(url, agent, { method, path, headers: { prefer: 'wait=10' }, body: Buffer.alloc(0) })
  let found = later === 'cancelled' ? await ask('DELETE') : await ask('GET')
  while (found.status === 202 && found.headers['x-pellet-job'] !== 'done') found = await ask('GET')
  return { ...found, sentAt: accepted.sentAt }
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

function exchange(url: string, agent: Agent, wire: Wire, leave?: PlannedRequest['leave']): Promise<Outcome> {
  const { method, path, headers, body } = wire
  const sentAt = performance.now()
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const end = (status: number, answer: IncomingHttpHeaders, broken?: string) => {
      const outcome = { sentAt, endedAt: performance.now(), status, headers: answer, body: Buffer.concat(chunks) }
      resolve({ ...outcome, ...(broken !== undefined && { broken }) })
    }
    let hasLeft = false
    const req = httpRequest(url + path, { method, agent, headers: { ...headers, 'content-length': body.length } })
    req.on('error', (error: NodeJS.ErrnoException) => end(0, {}, hasLeft ? undefined : (error.code ?? error.message)))
    req.on('response', (res) => {
      res.on('data', (chunk: Buffer) => void chunks.push(chunk))
      res.on('end', () => end(res.statusCode!, res.headers))
      res.on('error', (error) => (hasLeft ? end(0, {}) : end(res.statusCode!, res.headers, error.message)))
    })
    if (leave) {
      if (leave.inBody) req.write(body.subarray(0, body.length / 2))
      else req.end(body)
      void pause(leave.afterMs).then(() => {
        hasLeft = true
        req.destroy()
      })
    } else req.end(body)
  })
}

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

import { createHash } from 'node:crypto'
import { request, type ClientRequest } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { callSteps } from '../../runtime/deployments/calls.ts'
import type { BlobRef, DeployEvent, Draft, MissingBlob } from '../../runtime/deploys/protocol.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { identityModel } from '../deployments/tiny.ts'
import type { RunningPellet } from '../support/pellet.ts'

/** A draft, and the bytes of its blobs by their sha256. */
export interface Packed {
  draft: Draft
  blobs: Map<string, Buffer>
}

export interface PackOptions {
  manifest?: Partial<ManifestInput>
  /** Statements at the head of the function's module. */
  head?: string
  model?: Buffer
  /** What the step `answer` gives: an expression in which `request` is what came, and `context` the step's own. */
  answer?: string
  /** What its probes send, by the paths in its manifest. */
  probeInputs?: Record<string, Buffer>
}

/** A deployment at `POST /v1/NAME` that answers `{ says }`, ready to be sent; no process compiles it. */
export function pack(
  name: string,
  says: string,
  { manifest = {}, head = '', model, answer, probeInputs = {} }: PackOptions = {},
): Packed {
  const blobs = new Map<string, Buffer>()
  const add = (bytes: Buffer): BlobRef => {
    const ref = refOf(bytes)
    blobs.set(ref.sha256, bytes)
    return ref
  }
  const input: ManifestInput = { model: { onnx: 'm.onnx' }, pre: ['keep'], post: ['answer'], ...manifest }
  const normalized = normalizeManifest(input, { name, function: name }).manifest!
  const code = `import { defineFunction, step } from "pellet-own:pellet"
${head}
const requests = new WeakMap()
export default defineFunction({ steps: {
  keep: step.request((request, context) => {
    requests.set(context, request)
    return { x: { type: 'float32', dims: [1, 4], data: new Float32Array(4) } }
  }),
  answer: step.outputs(async (out, context) => {
    const request = requests.get(context)
    return ${answer ?? `{ says: ${JSON.stringify(says)}, labels: context.files.labels }`}
  }),
} })`
  const { routes, listen, probe } = normalized
  const draft: Draft = {
    name,
    manifest: normalized,
    bundle: add(Buffer.from(code)),
    models: { onnx: add(model ?? identityModel()) },
    files: Object.fromEntries(
      Object.keys(normalized.files).map((key) => [key, add(Buffer.from(`${key} of ${says}\n`))]),
    ),
    probeInputs: Object.fromEntries(Object.entries(probeInputs).map(([path, bytes]) => [path, add(bytes)])),
    origin: { manifest: `manifests/${name}.yaml` },
    places: {
      name: 'N',
      routes: routes.map(() => 'R'),
      ports: listen.map(() => 'P'),
      probes: probe.map((_, index) => `manifests/${name}.yaml:${index + 1}:1 probe[${index}]`),
      calls: callSteps(normalized).map(() => 'C'),
    },
    version: '0.0.0',
  }
  return { draft, blobs }
}

export function refOf(bytes: Uint8Array): BlobRef {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length }
}

/** A request to the admin socket; its body is sent when `begin` ends it. */
export function begin(pellet: RunningPellet, method: string, path: string, length: number): ClientRequest {
  const socketPath = join(pellet.folder, '.pellet/pellet.sock')
  return request({ socketPath, method, path, agent: false, headers: { 'content-length': length } })
}

export interface Said {
  status: number
  body: string
}

export function ask(pellet: RunningPellet, method: string, path: string, body: unknown = ''): Promise<Said> {
  const bytes = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const req = begin(pellet, method, path, Buffer.byteLength(bytes))
    req.once('error', reject)
    req.once('response', (res) => {
      text(res).then((said) => resolve({ status: res.statusCode!, body: said }), reject)
    })
    req.end(bytes)
  })
}

export async function missingOf(pellet: RunningPellet, blobs: BlobRef[]): Promise<MissingBlob[]> {
  const { body } = await ask(pellet, 'POST', '/api/blobs/missing', { blobs })
  return (JSON.parse(body) as { missing: MissingBlob[] }).missing
}

export async function put(pellet: RunningPellet, bytes: Buffer, sha256 = refOf(bytes).sha256): Promise<Said> {
  return ask(pellet, 'PUT', `/api/blobs/${sha256}?size=${bytes.length}`, bytes)
}

/** Uploads what lacks, and deploys: the phases that it went through, and how it ended. */
export async function deploy(pellet: RunningPellet, { draft, blobs }: Packed, query = ''): Promise<Outcome> {
  for (const { sha256 } of await missingOf(pellet, [...blobs.values()].map(refOf)))
    await put(pellet, blobs.get(sha256)!)
  return outcomeOf(await ask(pellet, 'POST', `/api/deployments/${draft.name}/revisions${query}`, draft))
}

export async function rollback(pellet: RunningPellet, name: string, revision?: string): Promise<Outcome> {
  return outcomeOf(await ask(pellet, 'POST', `/api/deployments/${name}/rollback`, revision ? { revision } : {}))
}

export interface Outcome {
  phases: string[]
  done?: Extract<DeployEvent, { type: 'done' }>
  failed?: Extract<DeployEvent, { type: 'failed' }>
}

// --- internal ---

function outcomeOf({ status, body }: Said): Outcome {
  if (status !== 200) throw new Error(`expected lines of JSON, found ${status}: ${body}`)
  const events = body
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DeployEvent)
  const last = events.at(-1)!
  const phases = events.flatMap((event) => (event.type === 'phase' ? [event.phase] : []))
  if (last.type === 'phase') throw new Error(`expected done or failed at the end, found ${body}`)
  return last.type === 'done' ? { phases, done: last } : { phases, failed: last }
}

import { join } from 'node:path'
import { answering, identityModel } from '../deployments/tiny.ts'
import { starterModel, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'

/** What the plan and the checks must know of a deployment. */
export interface SoakDeployment {
  route: string
  /** `tag`: a function that digests its input. `model`: a starter model. */
  kind: 'tag' | 'model'
  keepAlive: string
  timeoutMs: number
  /** Those whose crash may be this one's too, beside itself. */
  calls?: string[]
  /** Callers at once that it gets at most. */
  width: number
  /** Keys of its manifest beside route, keep_alive and timeout. */
  limits?: string
  /** Answers are kept. */
  isKept?: boolean
}

/** Ten, with keep_alive from 0 to 2 s. Waiting for memory takes its time, so most deadlines are far away. */
export const deployments = {
  depth: { route: '/v1/depth/estimate', kind: 'model', keepAlive: '2s', timeoutMs: 60_000, width: 3, isKept: true },
  scrfd: { route: '/v1/detect', kind: 'model', keepAlive: '1s', timeoutMs: 60_000, width: 4 },
  tcn: { route: '/infer', kind: 'model', keepAlive: '0', timeoutMs: 60_000, width: 6 },
  // Its file is changed while all goes on: what was kept of its answers must not be given any more.
  text: { route: '/v1/text', kind: 'tag', keepAlive: '500ms', timeoutMs: 60_000, width: 6, isKept: true },
  bytes: { route: '/v1/bytes', kind: 'tag', keepAlive: '1500ms', timeoutMs: 60_000, width: 4, limits: `body: '4MB'` },
  chain: { route: '/v1/chain', kind: 'tag', keepAlive: '500ms', timeoutMs: 60_000, width: 4, calls: ['leaf'] },
  leaf: { route: '/v1/leaf', kind: 'tag', keepAlive: '1s', timeoutMs: 60_000, width: 4 },
  // More callers than it has room for, and requests that take longer than they may.
  slow: {
    route: '/v1/slow',
    kind: 'tag',
    keepAlive: '500ms',
    timeoutMs: 4000,
    width: 12,
    limits: 'concurrency: 2, queue: { depth: 4 }',
  },
  camera: {
    route: '/v1/camera',
    kind: 'tag',
    keepAlive: '0',
    timeoutMs: 60_000,
    width: 8,
    limits: `concurrency: 1, queue: { depth: 2, drop: 'oldest' }`,
  },
  // Brings its process down when it is asked to.
  fragile: { route: '/v1/fragile', kind: 'tag', keepAlive: '1s', timeoutMs: 4000, width: 4, limits: `heap: '64MB'` },
} satisfies Record<string, SoakDeployment>

export type Name = keyof typeof deployments
export const names = Object.keys(deployments) as Name[]

export function deploymentOf(name: Name): SoakDeployment {
  return deployments[name]
}

export function soakProject(): ProjectFiles {
  const files: ProjectFiles = { 'models/identity.onnx': identityModel() }
  for (const name of names) {
    const { kind, keepAlive, isKept } = deploymentOf(name)
    if (kind === 'tag') files[`functions/${name}.ts`] = tagSource(name)
    else {
      files[`functions/${name}.ts`] = { from: join(projectRoot, 'functions', `${name}.ts`) }
      files[`models/${name}.onnx`] = starterModel(`${name}.onnx`)
      files[`manifests/${name}.yaml`] =
        `name: ${name}\nfunction: ${name}\nkeep_alive: ${keepAlive}\nlimits: { timeout: 60s }\n${isKept ? 'cache: true\n' : ''}`
    }
  }
  return files
}

/**
 * A function that answers `{ id, tag, version, back }`: the tag is a digest of all that the request brought, `back` as
 * many characters as were asked for. `chain` has its tag made by `leaf`.
 * @param version of the file: answers say which one they are from
 */
export function tagSource(name: Name, version = 1): string {
  const { route, keepAlive, timeoutMs, limits = '', isKept } = deploymentOf(name)
  const post =
    name === 'chain'
      ? `, post: ['answer', { call: { deployment: 'leaf', each: 'items', send: ['id', 'text', 'back'] } }, 'joined']`
      : ''
  const manifest = `route: 'POST ${route}', keep_alive: '${keepAlive}', limits: { timeout: ${timeoutMs / 1000}, ${limits} }${isKept ? ', cache: true' : ''}${post}`
  return answering(name === 'chain' ? chainBody : tagBody(name), { manifest, head: head(version) }).replace(
    'steps: {',
    `steps: {\n    joined: step.result(({ id, items }) => ({ id, version, tag: items[0].tag, back: items[0].back })),`,
  )
}

// --- internal ---

const head = (version: number) => `
import { createHash } from 'node:crypto'
const version = ${version}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))`

const chainBody = `
  const { id, text, back } = request.fields
  return { id, items: [{ id, text, back }] }`

const faults = `
  if (fields.fault === 'abort') process.abort()
  if (fields.fault === 'exit') process.exit(0)
  if (fields.fault === 'throw') throw new Error('as it was asked to')
  if (fields.fault === 'stuck') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  if (fields.fault === 'heap') { const kept = []; for (;;) kept.push({ list: new Array(1000).fill(Math.random()) }) }`

function tagBody(name: Name): string {
  return `
  const { fields, files } = request
  if (fields.ms) await pause(Number(fields.ms))
  ${name === 'fragile' ? faults : ''}
  const hash = createHash('sha256').update(String(fields.text ?? ''))
  for (const name of Object.keys(files).sort()) hash.update(name).update(files[name].bytes)
  const tag = hash.digest('hex')
  return { id: String(fields.id), tag, version, back: tag.repeat(Math.ceil((fields.back ?? 0) / 64)) }`
}

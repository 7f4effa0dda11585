import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownFile, sample, sampleWindow, shipped } from '../contracts/contract.ts'
import { yolox } from '../functions/detect-scene.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import type { ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import type { Content, Target } from './request.ts'

/** Nobody waits longer than this for an answer, however it is asked. */
export const timeoutMs = 20_000

/**
 * The starter deployments as they are shipped, save for their deadline; `tcn` also on a port of its own, and two that keep
 * answers.
 */
export function fuzzProject(ownPort: number): ProjectFiles {
  return {
    ...shipped('depth', 'scrfd', 'tcn'),
    'functions/detect.ts': ownFile('functions/detect.ts'),
    'functions/arcface.ts': ownFile('functions/arcface.ts'),
    'models/coco.txt': ownFile('models/coco.txt'),
    'models/yolox_nano.onnx': detectModel(),
    'models/arcface_mobilefacenet.onnx': embeddingModel(),
    ...Object.fromEntries(
      ['depth', 'scrfd', 'faces', 'detect'].map((name) => [`manifests/${name}.yaml`, manifest(name)]),
    ),
    'manifests/arcface.yaml': manifest('arcface', 'cache: { max: 1MB }'),
    'manifests/tcn.yaml': manifest('tcn', `listen: [${ownPort}]\ncache: { max: 1MB }`),
  }
}

/** Every route of the project, and Pellet's own pages. */
export const targets: Target[] = [
  ...pictures('depth', 'object', ['output_format', 'normalize', 'colormap'], ['model', 'depth_shape', 'stats'], {
    '/v1/depth/estimate': '/f/depth',
  }),
  ...pictures(
    'scrfd',
    'text',
    ['conf_threshold', 'max_faces', 'return_landmarks', 'annotate', 'size'],
    ['faces', 'num_faces', 'model'],
    { '/v1/detect': '/f/scrfd/v1/detect', '/v1/align': '/f/scrfd/v1/align' },
  ),
  ...pictures('faces', 'text', ['conf_threshold', 'max_faces', 'return_landmarks'], ['faces', 'num_faces'], {
    '/v1/faces': '/f/faces',
  }),
  ...pictures('arcface', 'pellet', ['landmarks'], ['embedding', 'dimensions'], { '/v1/embed': '/f/arcface' }),
  ...pictures('detect', 'deepstack', ['min_confidence', 'nms', 'max_objects', 'labels', 'annotate'], ['success'], {
    '/v1/vision/detection': '/f/detect',
  }),
  ...pictures('detect', 'deepstack', ['min_confidence', 'labels', 'annotate'], ['objects', 'image'], {
    '/v1/detect/objects': '/f/detect/v1/detect/objects',
  }),
  ...batches('depth', 'object', { stands: ['', '/v1/depth/estimate'] }),
  ...batches('arcface', 'pellet', { stands: ['', '/v1/embed'] }),
  ...batches('scrfd', 'text', { stands: ['', '/v1/detect', '/v1/align'] }),
  ...batches('faces', 'text', { stands: ['', '/v1/faces'] }),
  ...batches('detect', 'deepstack', { stands: ['', '/v1/vision/detection', '/v1/detect/objects'] }),
  ...batches('tcn', 'detail', { stands: ['', '/infer'], field: 'x' }),
  ...batches('tcn', 'detail', { stands: ['/encode'], field: 'imu_window' }),
  ...batches('tcn', 'detail', { stands: ['/test'], field: '' }),
  ...windows('/infer', 'x'),
  ...windows('/encode', 'imu_window'),
  ...windows('/test', '', 'nothing'),
  ...['/', '/docs', '/openapi.json', '/metrics', '/health', '/health/ready'].map((path) => page(path)),
  ...['/status', '/healthz'].map((path): Target => ({ ...page(`/f/tcn${path}`), errors: 'detail' })),
  ...['/health', '/health/ready', '/v1/info', '/v1/models'].map((path): Target => ({
    ...page(`/f/depth${path}`),
    errors: 'object',
  })),
  { ...page('/healthz'), name: 'own GET /healthz', listener: 'own', errors: 'detail' },
  { ...page('/f/scrfd/health'), errors: 'text' },
  // Not there, not there over TCP, and there with other methods.
  page('/v1/nothing'),
  page('/results/0f0e0d0c-0b0a-4908-8706-050403020100'),
  page('/results/0f0e0d0c-0b0a-4908-8706-050403020100', 'DELETE'),
  page('/api/deployments/tcn/unload', 'POST'),
  { ...page('/v1/detect', 'DELETE'), errors: 'text' },
]

/** What a good request to a route carries. */
export function goodContent({ takes, field, isBatch }: Target): Content {
  if (isBatch) {
    const value = takes === 'picture' ? facesPicture.toString('base64') : sampleWindow()
    const lines = `${JSON.stringify(takes === 'nothing' ? {} : { [field]: value })}\n`.repeat(2)
    return { body: Buffer.from(lines), headers: ['content-type: application/x-ndjson'] }
  }
  if (takes === 'picture') return { body: facesPicture, headers: ['content-type: image/jpeg'] }
  const fields = takes === 'window' ? { [field]: sampleWindow() } : {}
  return { body: Buffer.from(JSON.stringify(fields)), headers: ['content-type: application/json'] }
}

// --- internal ---

const facesPicture = sample('faces_1.jpg')

function manifest(name: string, more = ''): string {
  const text = readFileSync(join(projectRoot, `manifests/${name}.yaml`), 'utf8')
  const limits = `timeout: ${timeoutMs}ms`
  const isBounded = /^limits: \{/m.test(text)
  const bounded = isBounded ? text.replace(/^limits: \{/m, `limits: { ${limits},`) : `${text}\nlimits: { ${limits} }\n`
  return `${bounded}\n${more}\n`
}

function pictures(
  deployment: string,
  errors: Target['errors'],
  options: string[],
  stable: string[],
  paths: Record<string, string>,
): Target[] {
  return Object.entries(paths)
    .flat()
    .map((path) => ({
      name: `${deployment} POST ${path}`,
      listener: 'main',
      method: 'POST',
      path,
      takes: 'picture',
      field: 'image',
      options,
      errors,
      stable,
    }))
}

/** @param place `stands`: the routes as they stand behind `/f/{name}`; `field`: of a window, `''` where none is taken */
function batches(
  deployment: string,
  errors: Target['errors'],
  { stands, field }: { stands: string[]; field?: string },
): Target[] {
  const takes = field === undefined ? 'picture' : field === '' ? 'nothing' : 'window'
  const common = { listener: 'main', method: 'POST', options: [], stable: ['index', 'status'], isBatch: true } as const
  return stands.map((route) => {
    const path = `/f/${deployment}${route}/batch`
    return { ...common, name: `${deployment} POST ${path}`, path, takes, field: field ?? 'image', errors }
  })
}

function windows(path: string, field: string, takes: 'window' | 'nothing' = 'window'): Target[] {
  const stable = takes === 'window' ? ['latent', 'motif_scores', 'model'] : ['latent_range', 'motif_range', 'model']
  const one = { method: 'POST', takes, field, options: ['temperature'], errors: 'detail', stable } as const
  return [
    { ...one, name: `tcn POST ${path}`, listener: 'main', path },
    { ...one, name: `tcn POST /f/tcn${path}`, listener: 'main', path: `/f/tcn${path}` },
    { ...one, name: `own POST ${path}`, listener: 'own', path },
  ]
}

function page(path: string, method = 'GET'): Target {
  const name = `page ${method} ${path}`
  return {
    name,
    listener: 'main',
    method,
    path,
    takes: 'nothing',
    field: '',
    options: [],
    errors: 'pellet',
    stable: [],
  }
}

/** Whatever it sees: one bus, as YOLOX says it. */
function detectModel(): Buffer {
  const { dims, data } = yolox([{ box: [8, 8, 40, 40], score: 0.8, index: 5, stride: 8 }], { classes: 80 })
  return toOnnx({
    inputs: [{ name: 'images', type: 'float32', shape: [1, 3, 64, 64] }],
    outputs: [{ name: 'output', type: 'float32', shape: [...dims] }],
    nodes: [{ op: 'Identity', inputs: ['constant'], outputs: ['output'] }],
    constants: { constant: { type: 'float32', dims: [...dims], data: data as Float32Array } },
  })
}

/** The mean colour as an embedding, and one that is never zero. */
function embeddingModel(): Buffer {
  return toOnnx({
    inputs: [{ name: 'image', type: 'float32', shape: [1, 3, 112, 112] }],
    outputs: [{ name: 'embedding', type: 'float32', shape: [1, 4] }],
    nodes: [
      { op: 'GlobalAveragePool', inputs: ['image'], outputs: ['pooled'] },
      { op: 'Flatten', inputs: ['pooled'], outputs: ['mean'] },
      { op: 'Concat', inputs: ['mean', 'one'], outputs: ['embedding'], attributes: { axis: 1 } },
    ],
    constants: { one: { type: 'float32', dims: [1, 1], data: new Float32Array([1]) } },
  })
}

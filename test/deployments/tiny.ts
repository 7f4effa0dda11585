import type { Deployment } from '../../runtime/deployments/deployment.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { toOnnx } from '../support/onnx-writer.ts'

/** A model of one kilobyte: float32 `x` [1, 4] comes out as `y`. */
export function identityModel(): Buffer {
  return toOnnx({
    inputs: [{ name: 'x', type: 'float32', shape: [1, 4] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1, 4] }],
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  })
}

/** A classifier of pictures: `logits` [1, 3] are the means of the channels of `image` [1, 3, size, size]. */
export function colourModel(size = 8): Buffer {
  return toOnnx({
    inputs: [{ name: 'image', type: 'float32', shape: [1, 3, size, size] }],
    outputs: [{ name: 'logits', type: 'float32', shape: [1, 3] }],
    nodes: [
      { op: 'GlobalAveragePool', inputs: ['image'], outputs: ['pooled'] },
      { op: 'Flatten', inputs: ['pooled'], outputs: ['logits'] },
    ],
  })
}

/**
 * A function on `identityModel` whose one post step is the body of an arrow function `(request, context)`: what it gives
 * is the answer. The request is there in full; the model sees zeros.
 */
export function answering(
  body: string,
  { manifest = '', input = '', head = '' }: { manifest?: string; input?: string; head?: string } = {},
): string {
  return `
import { defineFunction, PelletError, step, withFormats, z } from 'pellet'
${head}
const requests = new WeakMap()
export default defineFunction({
  manifest: { model: { onnx: 'identity.onnx' }, pre: ['keep'], post: ['answer'], ${manifest} },
  input: { ${input} },
  steps: {
    keep: step.request((request, context) => {
      requests.set(context, request)
      return { x: { type: 'float32', dims: [1, 4], data: new Float32Array(4) } }
    }),
    answer: step.outputs(async (out, context) => {
      const request = requests.get(context)
      ${body}
    }),
  },
})
`
}

/** A deployment as plain data, from its manifest alone. */
export function deploymentOf(
  manifest: ManifestInput & { name: string },
  places: Partial<Deployment['places']> = {},
): Deployment {
  const { name } = manifest
  return {
    name,
    revision: '',
    manifest: normalizeManifest({ model: { onnx: 'a.onnx' }, ...manifest }, { name }).manifest!,
    origin: { manifest: `manifests/${name}.yaml` },
    places: { name: '', routes: [], ports: [], probes: [], calls: [], ...places },
    calls: [],
    engine: 'onnxruntime',
    model: { key: 'onnx', file: '', sizeBytes: 0, modifiedMs: 0, sha256: '' },
    files: {},
    probeInputs: {},
    input: {},
    isQuick: true,
    notes: [],
  }
}

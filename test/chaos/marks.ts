import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadConfig } from '../../runtime/config.ts'
import { compileFiles } from '../../runtime/deployments/compile.ts'
import { createMemo } from '../../runtime/deployments/memo.ts'
import type { BlobRef, Draft } from '../../runtime/deploys/protocol.ts'
import { bundlePortable } from '../../runtime/functions/bundle.ts'
import { createDataStore } from '../../runtime/storage/storage.ts'
import { readVersion } from '../../runtime/version.ts'
import { tagSource } from '../soak/project.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { toOnnx } from '../support/onnx-writer.ts'

/** A revision of the deployment `text` whose manifest, bundle and model each have its number, and put it into each answer. */
export interface Mark {
  number: number
  draft: Draft
  blobs: Map<string, Buffer>
}

/** What an answer says of where it comes from, beside what `tagSource` answers. */
export interface MarkedAnswer {
  manifest: number
  bundle: number
  model: number
}

/** Compiles as many revisions, numbered from 1. The model of each takes about `modelBytes`. */
export async function createMarks(count: number, modelBytes = 100_000): Promise<Mark[]> {
  const root = temporaryFolder()
  const config = await loadConfig({ root }, {})
  const options = { ...config, memo: createMemo(createDataStore({ folder: config.dataFolder })) }
  const marks: Mark[] = []
  for (let number = 1; number <= count; number++) {
    for (const [path, content] of Object.entries(markedFiles(number, modelBytes))) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    const { deployments, failures } = await compileFiles(['manifests/text.yaml'], options)
    const [deployment] = deployments
    if (!deployment) throw new Error(failures.flatMap(({ problems }) => problems).join('\n'))
    const bundle = await bundlePortable(join(root, 'functions/text.ts'), root)
    const blobs = new Map<string, Buffer>()
    const toBlob = (bytes: Buffer): BlobRef => {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      blobs.set(sha256, bytes)
      return { sha256, sizeBytes: bytes.length }
    }
    const { name, manifest, origin, places, model } = deployment
    const draft: Draft = {
      name,
      manifest,
      bundle: toBlob(Buffer.from(bundle.code)),
      bundleMap: toBlob(Buffer.from(bundle.map)),
      models: { onnx: toBlob(readFileSync(model.file)) },
      files: {},
      probeInputs: {},
      origin,
      places,
      version: readVersion(),
    }
    marks.push({ number, draft, blobs })
  }
  return marks
}

/** The files of a project that gives the revision of that number. */
export function markedFiles(number: number, modelBytes = 100_000): Record<string, string | Buffer> {
  const source = tagSource('text')
    .replace('answer: step.outputs(', 'answer: step.outputs({ options: { mark: z.number() } }, ')
    .replace('const version = 1', `const version = 1\nconst bundle = ${number}`)
    .replace('version, back:', 'version, manifest: context.options.mark, bundle, model: out.y.data[0], back:')
    .replace(/model: \{ onnx: '[^']*' \}/, `model: { onnx: 'text.onnx' }`)
  return {
    'functions/text.ts': source,
    'manifests/text.yaml': `name: text\nfunction: text\npost: [answer: { mark: ${number} }]\n`,
    'models/text.onnx': addingModel(number, modelBytes),
  }
}

/** float32 `x` [1, 4] comes out as `y`, a number larger. */
export function addingModel(number: number, sizeBytes: number): Buffer {
  const float32 = (dims: number[], data: Float32Array) => ({ type: 'float32' as const, dims, data })
  const ballast = new Float32Array(sizeBytes / 4).fill(number)
  return toOnnx({
    inputs: [{ name: 'x', type: 'float32', shape: [1, 4] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1, 4] }],
    nodes: [
      // Its size is in a constant that all of the answer depends on.
      { op: 'ReduceMax', inputs: ['ballast'], outputs: ['number'], attributes: { keepdims: 0 } },
      { op: 'Add', inputs: ['x', 'number'], outputs: ['y'] },
    ],
    constants: { ballast: float32([ballast.length], ballast) },
  })
}

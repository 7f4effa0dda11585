import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Session, TensorInfo } from '../../runtime/engines/engine.ts'
import { onnxruntime } from '../../runtime/engines/onnxruntime.ts'
import type { FunctionDefinition } from '../../runtime/functions/define.ts'
import type { Manifest, ModelEntry, StepUse } from '../../runtime/manifest/manifest.ts'
import { normalizeManifest } from '../../runtime/manifest/normalize.ts'
import { formatIssue, readManifest } from '../../runtime/manifest/read.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { Formats } from '../../runtime/steps/formats.ts'
import { builtinSteps } from '../../runtime/steps/index.ts'
import type { StepContext } from '../../runtime/steps/step.ts'
import type { Tensors } from '../../runtime/tensor.ts'
import { projectRoot } from '../support/root.ts'

/** A function with its manifest and a model, run step by step in this process. */
export interface Driver {
  definition: FunctionDefinition
  manifest: Manifest
  model: StepContext['model']
  files: Record<string, unknown>
  session?: Session
}

export interface DriverParts {
  /** Over the manifest's `model.onnx`. */
  entry?: Partial<ModelEntry>
  files?: Record<string, unknown>
  /** Instead of a model file: what a model would say of itself. */
  inputs?: TensorInfo[]
  outputs?: TensorInfo[]
  /** The project that the manifest is in. @default this one */
  root?: string
}

/** Reads `manifests/NAME.yaml` as a deployment does; every step of it checks the model. */
export async function drive(
  name: string,
  definition: FunctionDefinition,
  modelFile: string | undefined,
  { entry, files = {}, inputs, outputs, root = projectRoot }: DriverParts = {},
): Promise<Driver> {
  const source = readManifest(`manifests/${name}.yaml`, readFileSync(join(root, `manifests/${name}.yaml`), 'utf8'))
  const { manifest, issues } = normalizeManifest(source.value as ManifestInput, { name, written: source })
  if (!manifest) throw new Error(issues.map(formatIssue).join('\n'))
  const session = modelFile === undefined ? undefined : await onnxruntime.open(modelFile)
  const model = {
    engine: 'onnxruntime',
    entry: { ...(manifest.model.onnx ?? Object.values(manifest.model.hef ?? {})[0]!), ...entry },
    inputs: inputs ?? session?.inputs ?? [],
    outputs: outputs ?? session?.outputs ?? [],
  }
  return { definition, manifest, model, files, ...(session && { session }) }
}

/** Lets every step of the chain look at the model, with the manifest's options and these. @throws what they refuse */
export function check({ definition, manifest, model, files }: Driver, options: Record<string, unknown> = {}): void {
  for (const route of manifest.routes) {
    for (const use of [...route.pre, ...route.post])
      stepOf(definition, use).check?.({ options: optionsOf(definition, use, options), model, files })
  }
}

export interface DriverRequest {
  fields?: Record<string, unknown>
  image?: Uint8Array
  /** Options of the request; unlike a request's, also those of the steps. */
  options?: Record<string, unknown>
  route?: string
  /** Instead of what the model gives. */
  outputs?: Tensors
}

/** One request through pre, infer and post. */
export async function call(driver: Driver, { fields = {}, image, options = {}, route, outputs }: DriverRequest) {
  const { definition, manifest, model, files, session } = driver
  const found = manifest.routes.find(({ method, path }) => route === undefined || route === `${method} ${path}`)!
  const startedAt = performance.now()
  const context: StepContext = {
    options: {},
    model,
    files,
    source: undefined,
    input: undefined,
    limits: { pixels: 50_000_000 },
    signal: new AbortController().signal,
    elapsedMs: () => performance.now() - startedAt,
  }
  const run = async (chain: StepUse[], value: unknown) => {
    for (const use of chain) {
      context.options = optionsOf(definition, use, options)
      value = await stepOf(definition, use).run(value as never, context)
    }
    return value
  }
  const tensors = (await run(found.pre, { fields, files: {}, image: () => Promise.resolve(image!) })) as Tensors
  const result = await run(found.post, outputs ?? (await session!.run(tensors)))
  // Steps share one context: what is made later must not depend on the options of another step or request.
  context.options = {}
  return { tensors, result }
}

/** The answer as JSON, as a client reads it. */
export async function callJson<T>(driver: Driver, request: DriverRequest): Promise<T> {
  const { result } = await call(driver, request)
  const value = result instanceof Formats ? await result.types['application/json']!() : result
  return JSON.parse(value instanceof Uint8Array ? Buffer.from(value).toString() : JSON.stringify(value)) as T
}

// --- internal ---

function stepOf({ steps }: FunctionDefinition, { step }: StepUse) {
  const found = steps?.[step] ?? builtinSteps[step]
  if (!found) throw new Error(`no step ${step}`)
  return found
}

function optionsOf(definition: FunctionDefinition, use: StepUse, given: Record<string, unknown>) {
  const shape = { ...stepOf(definition, use).options, ...definition.input }
  return z.object(shape).parse({ ...use.options, ...given }) as Record<string, unknown>
}

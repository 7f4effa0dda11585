import { z } from '#zod'
import type { TensorInfo } from '../engines/engine.ts'
import type { ModelEntry } from '../manifest/manifest.ts'
import type { Tensors } from '../tensor.ts'
import type { Picture } from './picture.ts'
import type { RequestInput } from './request.ts'

/** What flows between steps. A chain runs request -> image -> tensors, then infer, then outputs -> result. */
export const kinds = ['request', 'image', 'tensors', 'outputs', 'result'] as const
export type Kind = (typeof kinds)[number]

export interface ValueOf {
  request: RequestInput
  image: Picture
  tensors: Tensors
  outputs: Tensors
  result: unknown
}

/** The model that is loaded: its manifest entry, and what the file itself says. */
export interface ModelInfo {
  engine: string
  entry: ModelEntry
  inputs: readonly TensorInfo[]
  outputs: readonly TensorInfo[]
}

/** What a step can see of the request beyond its value. */
export interface StepContext<Options = Record<string, unknown>> {
  /** Step options from the manifest and the function's `input`, overridden by the request where `input` names them. */
  options: Options
  model: ModelInfo
  /** The manifest's `files`: `.json` parsed, `.txt` as an array of lines, others as bytes. */
  files: Record<string, unknown>
  /** The picture that was posted, once `image.decode` ran; `source.width` and `height` are as shown (EXIF applied). */
  source: Picture | undefined
  /** The picture as the model saw it, once `tensor` ran: `input.toSource(x, y)` maps its pixels back to the source's. */
  input: Picture | undefined
  limits: { pixels: number }
  /** Aborts when the caller leaves or the deadline passes. */
  signal: AbortSignal
  /** Since the first pre step, in milliseconds. */
  elapsedMs(): number
}

/** What `check` may look at: everything that is known before a request. */
export interface CheckContext<Options = Record<string, unknown>> {
  options: Options
  model: ModelInfo
  files: Record<string, unknown>
}

export interface Step<From extends Kind = Kind, To extends Kind = Kind, Options = any> {
  readonly from: From
  readonly to: To
  /** Zod shape of the options that a manifest may give. */
  readonly options: z.ZodRawShape
  /** Its options are the manifest's alone: neither a request nor the function's `input` reaches them. */
  readonly isFixed?: boolean
  /** Called once at deploy with the model's own inputs and outputs; throws what does not fit, as a sentence. */
  readonly check?: (context: CheckContext<Options>) => void
  run(value: ValueOf[From], context: StepContext<Options>): ValueOf[To] | Promise<ValueOf[To]>
}

export interface StepSettings<To extends Kind> {
  /** The kind of what the step returns. */
  to: To
  options?: z.ZodRawShape
  check?: (context: CheckContext<any>) => void
}

/**
 * Makes steps, by the kind they take: `step.outputs((out, { options }) => ({ ... }))`. Each takes the function alone, or
 * settings and the function. Without `to`: image -> image, request and tensors -> tensors, outputs and result -> result.
 */
export const step = {
  request: maker('request', 'tensors'),
  image: maker('image', 'image'),
  tensors: maker('tensors', 'tensors'),
  outputs: maker('outputs', 'result'),
  result: maker('result', 'result'),
}

// --- internal ---

type Run<From extends Kind, To extends Kind> = (
  value: ValueOf[From],
  context: StepContext<any>,
) => ValueOf[To] | Promise<ValueOf[To]>

function maker<From extends Kind, Default extends Kind>(from: From, defaultTo: Default) {
  function define(run: Run<From, Default>): Step<From, Default>
  // One overload for each kind: a type parameter would keep literals such as `type: 'float32'` from being checked.
  function define(settings: StepSettings<'image'>, run: Run<From, 'image'>): Step<From, 'image'>
  function define(settings: StepSettings<'tensors'>, run: Run<From, 'tensors'>): Step<From, 'tensors'>
  function define(settings: StepSettings<'outputs'>, run: Run<From, 'outputs'>): Step<From, 'outputs'>
  function define(settings: StepSettings<'result'>, run: Run<From, 'result'>): Step<From, 'result'>
  function define(settings: Omit<StepSettings<Default>, 'to'>, run: Run<From, Default>): Step<From, Default>
  function define(first: unknown, second?: unknown): Step<From, Kind> {
    const settings = (second === undefined ? {} : first) as Partial<StepSettings<Kind>>
    const run = (second ?? first) as Run<From, Kind>
    if (typeof run !== 'function') throw new TypeError(`step.${from}: expected a function, found ${typeof run}`)
    return {
      from,
      to: settings.to ?? defaultTo,
      options: settings.options ?? {},
      ...(settings.check && { check: settings.check }),
      run,
    }
  }
  return define
}

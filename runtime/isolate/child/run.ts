import type { Inference, LoadedModel } from '../../engines/loaded-model.ts'
import { messageOf, PelletError } from '../../errors.ts'
import type { CallContext } from '../../steps/call.ts'
import type { DecodeContext } from '../../steps/image.ts'
import type { ModelInfo } from '../../steps/step.ts'
import { tensorStep } from '../../steps/tensor.ts'
import type { Tensors } from '../../tensor.ts'
import type { CallClient } from './call-client.ts'
import type { OptionReader } from './options.ts'
import type { ParsedRequest } from './parse.ts'
import type { BoundStep, Pipeline } from './pipeline.ts'
import type { AskForResult } from './result-client.ts'
import type { Turnstile } from './turnstile.ts'

/** Times of one request, in milliseconds, by phase; `wait` is for the engine, behind other requests of the isolate. */
export type Phases = Record<'receive' | 'pre' | 'wait' | 'infer' | 'post', number> & {
  /** Spent in other deployments, where the route calls any; no part of `post`. */
  call?: number
  /** Until main had said whether it has the answer, where answers are kept. */
  cache?: number
}

/** What a request brings beside its input. */
export interface RequestScope {
  /** Main's number for it. */
  exchange: string
  /** Filled as it goes. */
  phases: Phases
  /** Aborts when the caller leaves or the deadline passes. */
  signal: AbortSignal
  /** When nobody waits any more, on `performance`'s clock. */
  deadlineAt?: number
}

/** What all requests of an isolate share. */
export interface Loaded {
  engine: LoadedModel
  model: ModelInfo
  files: Record<string, unknown>
  options: OptionReader
  pixels: number
  engineTurn: Turnstile
  /** As wide as `pixels`: several small pictures may be worked on at a time, but only one that is as large as may be. */
  pixelTurn: Turnstile
  call: CallClient
  askForResult: AskForResult
}

/** Runs one request through a route: pre, infer, post. @throws PelletError */
export async function runPipeline(
  loaded: Loaded,
  pipeline: Pipeline,
  request: ParsedRequest,
  scope: RequestScope,
): Promise<unknown> {
  const { phases, signal } = scope
  const startedAt = performance.now()
  const { tensors, context, given, isOwn } = await prepare(loaded, pipeline, request, scope)
  const preparedAt = performance.now()
  phases.pre = preparedAt - startedAt
  await loaded.engineTurn.enter()
  let inference: Inference
  try {
    // Checked after the wait: the engine's time is not spent on a caller who left meanwhile.
    signal.throwIfAborted()
    const timeoutMs = scope.deadlineAt && scope.deadlineAt - performance.now()
    inference = await loaded.engine.run(tensors, { mayKeep: isOwn, signal, timeoutMs })
  } finally {
    loaded.engineTurn.leave()
  }
  const inferredAt = performance.now()
  phases.infer = inference.inferMs
  phases.wait = inferredAt - preparedAt - inference.inferMs
  signal.throwIfAborted()
  const result = await runSteps(pipeline.post, inference.outputs, context, given)
  phases.post = performance.now() - inferredAt - (phases.call ?? 0)
  return result
}

/** A request as its route's pre steps leave it: what the model takes. */
export interface Prepared {
  tensors: Tensors
  /** No code of the function has seen the tensors: their memory is ours to give. */
  isOwn: boolean
  context: CallContext
  /** The options that the request brings. */
  given: Record<string, unknown>
}

/** Runs the pre steps of a route. @throws PelletError */
export async function prepare(
  loaded: Loaded,
  pipeline: Pipeline,
  request: ParsedRequest,
  scope: RequestScope,
): Promise<Prepared> {
  const { phases, signal } = scope
  const startedAt = performance.now()
  const given = request.options.length === 0 ? {} : loaded.options.read(request.options, pipeline.route.input)
  const context: CallContext & DecodeContext = {
    options: {},
    model: loaded.model,
    files: loaded.files,
    source: undefined,
    input: undefined,
    limits: { pixels: loaded.pixels },
    signal,
    elapsedMs: () => performance.now() - startedAt,
    takePixels: async (count) => {
      await loaded.pixelTurn.enter(count)
      ;(request.held ??= []).push(() => loaded.pixelTurn.leave(count))
      signal.throwIfAborted()
    },
    call: async (deployment, route, items) => {
      const calledAt = performance.now()
      const answers = await loaded.call(deployment, route, items, scope)
      phases.call = (phases.call ?? 0) + performance.now() - calledAt
      return answers
    },
  }
  const tensors = (await runSteps(pipeline.pre, request.input, context, given)) as Tensors | undefined
  const last = pipeline.pre.at(-1)
  if (typeof tensors !== 'object' || tensors === null)
    throw new PelletError(
      'function_failed',
      `step ${last?.name}: expected the inputs of the model by name, found ${tensors}`,
    )
  return { tensors, isOwn: last?.step === tensorStep, context, given }
}

// --- internal ---

async function runSteps(
  steps: BoundStep[],
  value: unknown,
  context: CallContext,
  given: Record<string, unknown>,
): Promise<unknown> {
  const override = Object.keys(given).length > 0
  for (const { name, step, options } of steps) {
    context.options = override && !step.isFixed ? { ...options, ...given } : options
    try {
      const next = step.run(value as never, context)
      value = next instanceof Promise ? await next : next
    } catch (error) {
      if (error instanceof PelletError || context.signal.aborted) throw error
      throw new PelletError('function_failed', `step ${name}: ${messageOf(error)}`, { cause: error })
    }
  }
  return value
}

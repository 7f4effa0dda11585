import type { Session } from '../../engines/engine.ts'
import { messageOf, PelletError } from '../../errors.ts'
import type { ModelInfo, StepContext } from '../../steps/step.ts'
import type { Tensors } from '../../tensor.ts'
import type { OptionReader } from './options.ts'
import type { ParsedRequest } from './parse.ts'
import type { BoundStep, Pipeline } from './pipeline.ts'
import type { Turnstile } from './turnstile.ts'

/** Times of one request, in milliseconds, by phase; `wait` is for the engine, behind other requests of the isolate. */
export type Phases = Record<'receive' | 'pre' | 'wait' | 'infer' | 'post', number>

/** What all requests of an isolate share. */
export interface Loaded {
  session: Session
  model: ModelInfo
  files: Record<string, unknown>
  options: OptionReader
  pixels: number
  engineTurn: Turnstile
}

/** Runs one request through a route: pre, infer, post. @throws PelletError */
export async function runPipeline(
  loaded: Loaded,
  pipeline: Pipeline,
  request: ParsedRequest,
  phases: Phases,
  signal: AbortSignal,
): Promise<unknown> {
  const startedAt = performance.now()
  const given = request.options.length === 0 ? {} : loaded.options.read(request.options, pipeline.route.input)
  const context: StepContext = {
    options: {},
    model: loaded.model,
    files: loaded.files,
    source: undefined,
    input: undefined,
    limits: { pixels: loaded.pixels },
    signal,
    elapsedMs: () => performance.now() - startedAt,
  }
  const tensors = (await runSteps(pipeline.pre, request.input, context, given)) as Tensors
  const preparedAt = performance.now()
  phases.pre = preparedAt - startedAt
  const leave = await loaded.engineTurn.enter()
  const enteredAt = performance.now()
  let outputs: Tensors
  try {
    // Checked after the wait: the engine's time is not spent on a caller who left meanwhile.
    signal.throwIfAborted()
    outputs = await loaded.session.run(tensors)
  } finally {
    leave()
  }
  const inferredAt = performance.now()
  phases.wait = enteredAt - preparedAt
  phases.infer = inferredAt - enteredAt
  signal.throwIfAborted()
  const result = await runSteps(pipeline.post, outputs, context, given)
  phases.post = performance.now() - inferredAt
  return result
}

// --- internal ---

async function runSteps(
  steps: BoundStep[],
  value: unknown,
  context: StepContext,
  given: Record<string, unknown>,
): Promise<unknown> {
  const override = Object.keys(given).length > 0
  for (const { name, step, options } of steps) {
    context.options = override ? { ...options, ...given } : options
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

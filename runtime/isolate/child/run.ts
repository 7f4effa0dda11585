import type { Session } from '../../engines/engine.ts'
import { messageOf, PelletError } from '../../errors.ts'
import type { ModelInfo, StepContext } from '../../steps/step.ts'
import type { Tensors } from '../../tensor.ts'
import type { OptionReader } from './options.ts'
import type { ParsedRequest } from './parse.ts'
import type { BoundStep, Pipeline } from './pipeline.ts'

/** Times of one request, in milliseconds, by phase. */
export type Phases = Record<'receive' | 'pre' | 'infer' | 'post', number>

/** What all requests of an isolate share. */
export interface Loaded {
  session: Session
  model: ModelInfo
  files: Record<string, unknown>
  options: OptionReader
  pixels: number
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
  signal.throwIfAborted()
  const outputs = await loaded.session.run(tensors)
  const inferredAt = performance.now()
  phases.infer = inferredAt - preparedAt
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

import { z } from '#zod'
import type { FunctionDefinition } from '../../functions/define.ts'
import type { Manifest, Route, StepUse } from '../../manifest/manifest.ts'
import { builtinSteps } from '../../steps/index.ts'
import type { Kind, ModelInfo, Step } from '../../steps/step.ts'
import { createOptionReader, type OptionReader } from './options.ts'

/** A step with the options that it has when the request gives none. */
export interface BoundStep {
  name: string
  /** In the manifest's chain. */
  index: number
  step: Step
  options: Record<string, unknown>
}

/** What one route does. */
export interface Pipeline {
  route: Route
  pre: BoundStep[]
  post: BoundStep[]
}

/** Something that does not fit, and where in the normalised manifest it stands. */
export interface ChainProblem {
  route: number
  stage: 'pre' | 'post' | 'input'
  /** Index of the step; absent: the chain as a whole. */
  index?: number
  /** Below the step's options or the route's input. */
  path: (string | number)[]
  expected: string
  found: string
}

export interface BoundChains {
  pipelines: Pipeline[]
  options: OptionReader
  problems: ChainProblem[]
}

/** Binds the steps that a manifest names, and checks that they exist, follow each other and take their options. */
export function bindChains(manifest: Manifest, definition: FunctionDefinition | undefined): BoundChains {
  const own = definition?.steps ?? {}
  const input = definition?.input ?? {}
  const options = createOptionReader(input)
  const problems: ChainProblem[] = []

  const pipelines = manifest.routes.map((route, index): Pipeline => {
    const defaults = { ...options.defaults, ...checkInput(route, index) }
    const bind = (stage: 'pre' | 'post', from: Kind, to: Kind): BoundStep[] => {
      const chain: BoundStep[] = []
      let kind: Kind | undefined = from
      for (const [at, use] of route[stage].entries()) {
        const step = ownValue(own, use.step) ?? ownValue(builtinSteps, use.step)
        const report = (path: (string | number)[], expected: string, found: string) =>
          problems.push({ route: index, stage, index: at, path, expected, found })
        if (!step) {
          const names = [...Object.keys(own), ...Object.keys(builtinSteps)]
          report([], `a step: ${names.join(', ')}`, JSON.stringify(use.step))
          // What it would have given is not known: the next one is taken at its word.
          kind = undefined
          continue
        }
        if (kind !== undefined && step.from !== kind)
          report([], `a step that takes ${kind}`, `${use.step}, which takes ${step.from}`)
        kind = step.to
        chain.push({ name: use.step, index: at, step, options: bindOptions(use, step, defaults, report) })
      }
      if (kind !== undefined && kind !== to) {
        const found = chain.length === 0 ? 'no step' : `${chain.at(-1)!.name}, which gives ${kind}`
        problems.push({ route: index, stage, path: [], expected: `a chain that ends in ${to}`, found })
      }
      return chain
    }
    return { route, pre: bind('pre', 'request', 'tensors'), post: bind('post', 'outputs', 'result') }
  })

  function checkInput(route: Route, index: number): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(route.input)) {
      const schema = ownValue(input, key)
      const parsed = schema && z.safeParse(schema, value)
      if (parsed?.success) values[key] = parsed.data
      else {
        const expected = parsed ? parsed.error.issues.map(toExpected).join('; ') : knownOptions(input)
        problems.push({ route: index, stage: 'input', path: [key], expected, found: JSON.stringify(value) })
      }
    }
    return values
  }

  /** Step options: the step's own defaults, then the function's, then what the manifest says for this step. */
  function bindOptions(
    use: StepUse,
    step: Step,
    defaults: Record<string, unknown>,
    report: (path: (string | number)[], expected: string, found: string) => void,
  ) {
    const bound: Record<string, unknown> = {}
    for (const [key, schema] of Object.entries(step.options)) {
      const value = ownValue(use.options, key)
      const parsed = z.safeParse(schema, value)
      if (parsed.success) {
        if (parsed.data !== undefined) bound[key] = parsed.data
      } else reportIssues(report, key, parsed.error, value)
    }
    const shared = step.isFixed ? {} : input
    if (!step.isFixed) Object.assign(bound, defaults)
    for (const [key, value] of Object.entries(use.options)) {
      const schema = ownValue(step.options, key) ?? ownValue(shared, key)
      if (!schema) {
        report([key], knownOptions({ ...step.options, ...shared }), `the unknown option ${JSON.stringify(key)}`)
        continue
      }
      const parsed = z.safeParse(schema, value)
      if (parsed.success) bound[key] = parsed.data
      else if (!Object.hasOwn(step.options, key)) reportIssues(report, key, parsed.error, value)
    }
    return bound
  }
  return { pipelines, options, problems }
}

/** Lets every step look at the model it will run with, save those whose options are among the `known` problems. */
export function checkChains(
  pipelines: Pipeline[],
  model: ModelInfo,
  files: Record<string, unknown>,
  known: ChainProblem[] = [],
): ChainProblem[] {
  const problems: ChainProblem[] = []
  for (const [route, { pre, post }] of pipelines.entries()) {
    for (const [stage, chain] of [['pre', pre] as const, ['post', post] as const]) {
      for (const { index, step, options } of chain) {
        if (known.some((one) => one.route === route && one.stage === stage && one.index === index)) continue
        try {
          step.check?.({ options, model, files })
        } catch (error) {
          const expected = (error as Error).message
          problems.push({ route, stage, index, path: [], expected, found: '' })
        }
      }
    }
  }
  return problems
}

// --- internal ---

/** What every object inherits (`constructor`, `toString`) is no step and no option. */
function ownValue<Value>(values: Record<string, Value>, key: string): Value | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined
}

function knownOptions(shape: z.ZodRawShape): string {
  const names = Object.keys(shape)
  return names.length === 0 ? 'no options' : `an option among ${names.join(', ')}`
}

function reportIssues(
  report: (path: (string | number)[], expected: string, found: string) => void,
  key: string,
  error: z.ZodError,
  value: unknown,
) {
  for (const issue of error.issues)
    report(
      [key, ...(issue.path as (string | number)[])],
      toExpected(issue),
      value === undefined ? 'nothing' : JSON.stringify(value),
    )
}

/** `Invalid option: expected one of "a"|"b"` as what was expected; what was found stands elsewhere. */
function toExpected({ message }: { message: string }): string {
  return message.replace(/^[A-Z][a-z ]+: expected /, '').replace(/, received .*$/, '')
}

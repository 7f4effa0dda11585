import { z } from '#zod'
import { PelletError } from '../errors.ts'
import type { Tensor, Tensors } from '../tensor.ts'
import { step, type CheckContext, type ModelInfo, type Step } from './step.ts'
import { l2Normalize, softmax, topK } from './vector.ts'

/** Which output a step reads. Without it: the only one there is. */
const output = z.string().min(1).optional()

/** Built-in steps behind the model. */
export const outputSteps: Record<string, Step> = {
  softmax: step.outputs(
    {
      to: 'outputs',
      options: { output, axis: z.number().int().default(-1) },
      check: ({ options, model }) => {
        const { name, shape } = outputOf('softmax', model, options.output)
        const axis: number = options.axis ?? -1
        if (axis < -shape.length || axis >= shape.length)
          throw mismatch(`softmax: expected an axis of output "${name}" [${shape.join(', ')}], found ${axis}`)
      },
    },
    (outputs, { options, model }) =>
      replace('softmax', outputs, model, options, (tensor) => softmax(tensor, options.axis)),
  ),

  l2: step.outputs(
    { to: 'outputs', options: { output }, check: ({ options, model }) => void outputOf('l2', model, options.output) },
    (outputs, { options, model }) => replace('l2', outputs, model, options, l2Normalize),
  ),

  topk: step.outputs(
    {
      options: { output, k: z.number().int().min(1).max(10_000).default(5) },
      check: (context) => checkRow('topk', context),
    },
    (outputs, { options, model, files }) => ({
      top: topK(read('topk', outputs, model, options.output), options.k ?? 5, labelsOf('topk', files)),
    }),
  ),

  argmax: step.outputs(
    { options: { output }, check: (context) => checkRow('argmax', context) },
    (outputs, { options, model, files }) => {
      const [first] = topK(read('argmax', outputs, model, options.output), 1, labelsOf('argmax', files))
      if (!first) throw new PelletError('function_failed', 'argmax: expected a number in the output, found only NaN')
      return first
    },
  ),
}

// --- internal ---

type Options = { output?: string }

function mismatch(sentence: string): PelletError {
  return new PelletError('invalid_manifest', sentence)
}

function outputOf(what: string, model: ModelInfo, name: string | undefined) {
  const names = model.outputs.map((info) => `"${info.name}"`).join(', ')
  if (name === undefined && model.outputs.length !== 1)
    throw mismatch(
      `${what}: expected the option output, since the model has ${model.outputs.length} outputs (${names}), found none`,
    )
  const info = name === undefined ? model.outputs[0] : model.outputs.find((info) => info.name === name)
  if (!info) throw mismatch(`${what}: expected output to be one of the model's, ${names}, found "${name}"`)
  return info
}

function checkRow(what: string, { options, model, files }: CheckContext<Options>): void {
  const { name, shape } = outputOf(what, model, options.output)
  const wide = shape.filter((size) => typeof size === 'number' && size !== 1)
  if (wide.length > 1)
    throw mismatch(`${what}: expected output "${name}" to be one row such as [1, 1000], found [${shape.join(', ')}]`)
  const labels = labelsOf(what, files)
  const length = wide[0]
  if (labels && typeof length === 'number' && labels.length !== length)
    throw mismatch(
      `${what}: expected ${length} labels in files.labels, one for each value of "${name}", found ${labels.length}`,
    )
}

/** `files.labels`, an array of strings; blank lines at the end do not count. */
function labelsOf(what: string, files: Record<string, unknown>): string[] | undefined {
  const { labels } = files
  if (labels === undefined) return undefined
  if (!Array.isArray(labels) || labels.some((label) => typeof label !== 'string'))
    throw mismatch(`${what}: expected files.labels to be a list of texts (.json or .txt), found ${kindOf(labels)}`)
  const last = labels.findLastIndex((label) => label.trim() !== '')
  return labels.slice(0, last + 1)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list with something else in it'
  return value instanceof Uint8Array ? 'bytes' : `a value of type ${typeof value}`
}

function read(what: string, outputs: Tensors, model: ModelInfo, name: string | undefined): Tensor {
  const wanted = outputOf(what, model, name).name
  const tensor = outputs[wanted]
  if (tensor) return tensor
  throw new PelletError(
    'function_failed',
    `${what}: expected an output "${wanted}", found ${Object.keys(outputs).join(', ') || 'none'}`,
  )
}

function replace(
  what: string,
  outputs: Tensors,
  model: ModelInfo,
  options: Options,
  change: (tensor: Tensor) => Tensor,
): Tensors {
  const tensor = read(what, outputs, model, options.output)
  return { ...outputs, [outputOf(what, model, options.output).name]: change(tensor) }
}

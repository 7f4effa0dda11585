import { defineFunction, PelletError, step, toFloat32, toTensor, z } from 'pellet'
import type { CheckContext, ErrorDetail, ModelInfo, Tensor, TensorInfo, Tensors } from 'pellet'

/** Channels of an IMU window, their units, and the largest magnitude that a sensor can mean. */
const channels = [
  ...['ax', 'ay', 'az'].map((name) => ({ name, limit: 500, unit: 'm/s2' })),
  ...['gx', 'gy', 'gz'].map((name) => ({ name, limit: 35, unit: 'rad/s' })),
  ...['mx', 'my', 'mz'].map((name) => ({ name, limit: 2000, unit: 'uT' })),
]
const motifs = 12
/** A window that is wrong in many places is told about the first ones. */
const maxDetails = 20

/** Encodes a window of IMU samples: a latent vector, and how much the motion is like each of twelve motifs. */
export default defineFunction({
  manifest: {
    model: {
      onnx: {
        name: 'starter-tcn',
        file: 'tcn.onnx',
        mean: [0.12, -0.08, 9.78, 0.002, -0.001, 0.003, 22.4, -8.7, 43.2],
        std: [3.92, 3.87, 2.45, 1.24, 1.31, 0.98, 28.5, 31.2, 24.8],
      },
    },
    routes: {
      'POST /infer': { pre: [{ 'tcn.window': { field: 'x' } }], post: ['tcn.answer'] },
      'POST /encode': { pre: [{ 'tcn.window': { field: 'imu_window' } }], post: ['tcn.answer'] },
      'POST /test': { pre: ['tcn.zeros'], post: ['tcn.answer', 'tcn.test'] },
    },
    errors: 'detail',
  },
  steps: {
    /** The rows of the JSON field `field`, checked, then (x - mean) / std for each channel in float32, as it was trained. */
    'tcn.window': step.request(
      { options: { field: z.string().min(1).default('x') }, check: ({ model }) => void scalingOf(model) },
      ({ fields }, { options, model }): Tensors => {
        const scaling = scalingOf(model)
        const { rows } = scaling
        const details: ErrorDetail[] = []
        const data = new Float32Array(rows * channels.length)
        const wrong = readWindow(fields[options.field], rows, data, details, ['body', options.field])
        if (wrong > 0) {
          const more = wrong > 1 ? `; ${wrong - 1} more` : ''
          throw new PelletError('invalid_input', `${options.field}: ${details[0]!.msg}${more}`, { details })
        }
        return toInput(scaling, data)
      },
    ),

    /** A window whose samples are all 0, whatever the request says: raw zeros, scaled as any other window is. */
    'tcn.zeros': step.request({ check: ({ model }) => void scalingOf(model) }, (_, { model }): Tensors => {
      const scaling = scalingOf(model)
      return toInput(scaling, new Float32Array(scaling.rows * channels.length))
    }),

    /**
     * `{ latent, motif_scores, model }`. Scores are the model's own output `motif_scores`. A model without one needs
     * `files: { centroids: NAME.json }`, twelve rows as long as the latent: score[k] = exp(-|z - c[k]|^2 / T) / sum over k,
     * with T = `temperature`.
     */
    'tcn.answer': step.outputs(
      { options: { temperature: z.number().positive().default(1) }, check: (context) => void scorerOf(context) },
      (outputs, context) => {
        const latent = toFloat32(outputs[latentOf(context.model).name])
        const scores = scorerOf(context)(outputs, latent)
        if (!latent.every(Number.isFinite))
          throw new PelletError(
            'function_failed',
            'tcn.answer: expected a finite latent from the model, found NaN or Infinity',
          )
        const odd = scores.find((score) => !(score >= -1e-3 && score <= 1.001))
        if (odd !== undefined)
          throw new PelletError(
            'function_failed',
            `tcn.answer: expected motif_scores from 0 to 1, found ${odd}; a model that gives logits needs its softmax inside`,
          )
        return { latent: Array.from(latent), motif_scores: Array.from(scores), model: context.model.entry.name }
      },
    ),

    /** The sidecar's report of its own test, of what `tcn.answer` says; ranges are [least, largest]. */
    'tcn.test': step.result((result, { elapsedMs }) => {
      const { latent, motif_scores, model } = result as Answer
      return {
        test_status: 'success',
        latent_shape: latent.length,
        motif_shape: motif_scores.length,
        latent_range: rangeOf(latent),
        motif_range: rangeOf(motif_scores),
        inference_time_ms: Math.round(elapsedMs() * 100) / 100,
        model,
      }
    }),
  },
})

// --- internal ---

interface Answer {
  latent: number[]
  motif_scores: number[]
  model: string
}

interface Scaling {
  input: TensorInfo
  rows: number
  mean: Float32Array
  std: Float32Array
}

/** What depends on the model or on its files alone is made once. */
const scalings = new WeakMap<ModelInfo, Scaling>()
const centroidRows = new WeakMap<object, number[][]>()

/** The window's input and how to scale it. @throws Error when the model or its entry does not fit */
function scalingOf(model: ModelInfo): Scaling {
  let scaling = scalings.get(model)
  if (!scaling) scalings.set(model, (scaling = readScaling(model)))
  return scaling
}

function readScaling(model: ModelInfo): Scaling {
  const found = model.inputs.map(describe).join(', ')
  const input = model.inputs[0]
  // A free batch is 1; an NPU may write [100, 9] or [100, 1, 9].
  const [rows, columns, ...more] =
    input?.shape.filter((size, i) => size !== 1 && !(i === 0 && typeof size === 'string')) ?? []
  if (
    !input ||
    model.inputs.length !== 1 ||
    !(input.type === 'float32' || input.quant) ||
    typeof rows !== 'number' ||
    columns !== 9 ||
    more.length > 0
  )
    throw new Error(
      `tcn.window: expected a model with one input of float32, or quantised, such as [1, 100, 9], samples by channels, found ${found}`,
    )
  const { mean, std } = model.entry
  for (const [key, values] of Object.entries({ mean, std }))
    if (!Array.isArray(values) || values.length !== channels.length)
      throw new Error(
        `tcn.window: expected ${key} in the model's entry as 9 numbers, one for each of ${names}, found ${JSON.stringify(values) ?? 'none'}`,
      )
  return { input, rows, mean: Float32Array.from(mean as number[]), std: Float32Array.from(std as number[]) }
}

/** The model's input of raw samples, which it writes over: (x - mean) / std for each channel. */
function toInput({ input, mean, std }: Scaling, data: Float32Array): Tensors {
  for (let i = 0, channel = 0; i < data.length; i++, channel = channel === 8 ? 0 : channel + 1)
    data[i] = Math.fround(data[i]! - mean[channel]!) / std[channel]!
  return { [input.name]: toTensor(input, data) }
}

const names = channels.map(({ name }) => name).join(' ')

/** Copies rows of numbers into `data`; puts what is wrong into `details`, up to a bound. @returns how much is wrong */
function readWindow(
  window: unknown,
  rows: number,
  data: Float32Array,
  details: ErrorDetail[],
  loc: ErrorDetail['loc'],
): number {
  let wrong = 0
  const report = (at: (string | number)[], type: string, expected: string, found: string) => {
    if (wrong++ < maxDetails) details.push({ loc: [...loc, ...at], msg: `expected ${expected}, found ${found}`, type })
  }
  const wanted = `${rows} rows of ${channels.length} numbers (${names})`
  if (!Array.isArray(window)) {
    const isMissing = window === undefined
    report([], isMissing ? 'missing' : 'list_type', wanted, isMissing ? 'no such field' : typeName(window))
    return wrong
  }
  if (window.length !== rows)
    report(
      [],
      window.length < rows ? 'too_short' : 'too_long',
      wanted,
      `${window.length} ${window.length === 1 ? 'row' : 'rows'}`,
    )
  for (let row = 0; row < Math.min(window.length, rows); row++) {
    const values: unknown = window[row]
    if (!Array.isArray(values)) {
      report([row], 'list_type', `row ${row} to be 9 numbers (${names})`, typeName(values))
      continue
    }
    if (values.length !== channels.length)
      report(
        [row],
        values.length < 9 ? 'too_short' : 'too_long',
        `row ${row} to be 9 numbers (${names})`,
        `${values.length}`,
      )
    for (let channel = 0; channel < Math.min(values.length, channels.length); channel++) {
      const value: unknown = values[channel]
      const { name, limit, unit } = channels[channel]!
      if (typeof value !== 'number')
        report([row, channel], 'float_type', `row ${row}, ${name} to be a number`, typeName(value))
      else if (!Number.isFinite(value))
        report([row, channel], 'finite_number', `row ${row}, ${name} to be finite`, String(value))
      else if (Math.abs(value) > limit)
        report([row, channel], 'out_of_range', `row ${row}, ${name} to be within ${limit} ${unit} of 0`, String(value))
      else data[row * channels.length + channel] = value
    }
  }
  return wrong
}

/** The latent among the outputs: by its name, else the only one beside the scores. @throws Error when there is none */
function latentOf(model: ModelInfo): TensorInfo {
  const others = model.outputs.filter(({ name }) => name !== 'motif_scores')
  const latent =
    others.find(({ name }) => name === 'latent_embeddings') ?? (others.length === 1 ? others[0] : undefined)
  if (latent) return latent
  throw new Error(
    `tcn.answer: expected a model with the output latent_embeddings, or only one beside motif_scores, found ${model.outputs.map(describe).join(', ')}`,
  )
}

type Scorer = (outputs: Record<string, Tensor>, latent: Float32Array) => Float32Array

/** How motif scores are made; they are never invented. @throws Error when there is no way */
function scorerOf({ model, files, options }: CheckContext<{ temperature: number }>): Scorer {
  const { shape } = latentOf(model)
  const scores = model.outputs.find((output) => output.name === 'motif_scores')
  if (scores) {
    const count = sizeOf(scores)
    if (Number.isInteger(count) && count !== motifs)
      throw new Error(`tcn.answer: expected ${motifs} values in the output motif_scores, found ${describe(scores)}`)
    return (outputs) => toFloat32(outputs['motif_scores'])
  }
  if (files['centroids'] === undefined)
    throw new Error(
      `tcn.answer: expected the output motif_scores, or files: { centroids: NAME.json } in the manifest with ${motifs} rows of latent values, found neither (outputs: ${model.outputs.map(describe).join(', ')}); name centroids, or use a model that has the output`,
    )
  const length = sizeOf({ shape })
  const rows = centroidsOf(files, Number.isInteger(length) ? length : undefined)
  return (_, latent) => nearness(latent, rows, options.temperature)
}

function centroidsOf(files: Record<string, unknown>, length: number | undefined): number[][] {
  const known = centroidRows.get(files)
  if (known) return known
  const parsed = z.array(z.array(z.number())).safeParse(files['centroids'])
  const rows = parsed.data ?? []
  const wanted = length ?? rows[0]?.length
  const wrong = rows.findIndex((row) => row.length !== wanted)
  if (!parsed.success || rows.length !== motifs || wrong !== -1) {
    const found = !parsed.success
      ? 'other JSON'
      : wrong === -1
        ? `${rows.length} rows`
        : `${rows[wrong]!.length} in row ${wrong}`
    throw new Error(
      `tcn.answer: expected files.centroids to hold ${motifs} rows of ${wanted ?? 'latent'} numbers, [[...], ...], found ${found}`,
    )
  }
  centroidRows.set(files, rows)
  return rows
}

/** Softmax over negative squared distances; the least distance is taken off first, so that far latents do not underflow. */
function nearness(latent: Float32Array, centroids: number[][], temperature: number): Float32Array {
  const distances = centroids.map((row) => row.reduce((sum, value, i) => sum + (latent[i]! - value) ** 2, 0))
  const least = Math.min(...distances)
  const weights = distances.map((distance) => Math.exp((least - distance) / temperature))
  const sum = weights.reduce((all, weight) => all + weight, 0)
  return Float32Array.from(weights, (weight) => weight / sum)
}

function rangeOf(values: readonly number[]): [least: number, largest: number] {
  return [Math.min(...values), Math.max(...values)]
}

function sizeOf({ shape }: Pick<TensorInfo, 'shape'>): number {
  return shape.reduce<number>((size, length, i) => size * (typeof length === 'number' ? length : i === 0 ? 1 : NaN), 1)
}

function describe({ name, type, shape }: TensorInfo): string {
  return `"${name}" ${type} [${shape.join(', ')}]`
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'string' ? `the string ${JSON.stringify(value.slice(0, 40))}` : String(value)
}

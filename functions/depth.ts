import {
  colorize,
  colormapNames,
  defineFunction,
  mapStats,
  normalizeMap,
  PelletError,
  percentilesOf,
  quantizeMap,
  resizeMap,
  step,
  toFloat32,
  toJsonBytes,
  toNpz,
  toPng16Grey,
  toPng8Rgb,
  withFormats,
  z,
} from 'pellet'
import type { FloatMap, MapRegion, StepContext, Tensor, TensorInfo, ValueRange } from 'pellet'

/** Depth of one picture: a model's map brought to the picture's size, as numbers and as colours. */
export default defineFunction({
  manifest: {
    route: 'POST /v1/depth/estimate',
    model: { onnx: { name: 'starter-depth', file: 'depth.onnx', mean: 114.75, std: 57.375, decode: 'scdepth' } },
    pre: ['image.decode', 'image.resize', 'tensor'],
    post: ['depth.map', 'depth.answer'],
    errors: 'object',
  },
  input: {
    output_format: z.enum(['numpy', 'image', 'both', 'depth_png_16']).default('both'),
    normalize: z.boolean().default(true),
    colormap: z.enum(colormapNames).default('viridis'),
  },
  steps: {
    /**
     * The model's output as depth in the picture's own pixels, from 0 to 1 when `normalize`. `percentiles: [1, 99]` takes
     * these as the ends instead of the smallest and largest value, for models with outliers; what lies beyond is cut.
     * `output` names the map of a model that has several.
     */
    'depth.map': step.outputs(
      {
        options: {
          output: z.string().min(1).optional(),
          percentiles: z.tuple([z.number().min(0).max(100), z.number().min(0).max(100)]).optional(),
        },
        check({ model, options }) {
          const { decode } = model.entry
          if (decode !== undefined && !Object.hasOwn(decoders, decode))
            throw new Error(`depth.map: expected decode: scdepth or plain in the model's entry, found ${decode}`)
          if (!mapAmong(model.outputs, options.output))
            throw new Error(`depth.map: ${noMap(model.outputs, options.output)}`)
          if (options.percentiles && options.percentiles[0] >= options.percentiles[1])
            throw new Error(
              `depth.map: expected percentiles to rise, e.g. [1, 99], found [${options.percentiles.join(', ')}]`,
            )
        },
      },
      (outputs, context): Depth => {
        const { options, model, source } = context
        const found = Object.entries(outputs).map(([name, { type, dims }]) => ({ name, type, shape: dims }))
        const chosen = mapAmong(found, options.output)
        if (!chosen) throw new PelletError('function_failed', `depth.map: ${noMap(found, options.output)}`)
        const [height, width] = chosen.size as [number, number]
        const decoded = decoders[model.entry.decode ?? 'plain']!(outputs[chosen.name]!)
        const { data, replaced } = withoutGaps(decoded)
        const small = { data, width, height }
        const map = resizeMap(small, source?.width ?? width, source?.height ?? height, shownPart(small, context))

        let { range } = map
        if (options.percentiles) {
          const [min = 0, max = 0] = percentilesOf(map.data, options.percentiles)
          range = { min, max }
        }
        if (options.normalize) normalizeMap(map, range)
        return { map, range, replaced }
      },
    ),

    /**
     * The answer as JSON, or as the bytes of the picture or the NPZ alone when `Accept` asks. `stats.range` holds the depths
     * that stand for 0 and 1 of a normalised map, and for 0 and 65535 of the 16-bit PNG:
     * depth = range[0] + value * (range[1] - range[0]), with value = pixel / 65535 there.
     */
    'depth.answer': step.result((result, { options, model, elapsedMs }) => {
      const { map, range, replaced } = result as Depth
      const { data, width, height } = map
      const { output_format: format, colormap, normalize } = options
      const shown = normalize ? { min: 0, max: 1 } : range
      const npz = () => toNpz('depth', { data, dims: [height, width] })
      const image = () => toPng8Rgb(colorize(map, colormap, shown))
      const png16 = () => toPng16Grey({ data: quantizeMap(map, shown), width, height })

      return withFormats({
        'application/json': async () => {
          // PNGs are encoded by the thread pool; meanwhile this thread packs the NPZ and measures.
          const images = Promise.all([
            format === 'image' || format === 'both' ? image() : undefined,
            format === 'depth_png_16' ? png16() : undefined,
          ])
          const depth_map = format === 'numpy' || format === 'both' ? npz() : undefined
          const stats = { ...mapStats(data), range: [range.min, range.max] }
          const [depth_image, depth_png_16] = await images
          return toJsonBytes({
            model: model.entry.name,
            model_type: 'monocular',
            input_shape: [height, width, 3],
            depth_shape: [height, width],
            inference_time_ms: Math.round(elapsedMs() * 100) / 100,
            normalized: normalize,
            stats,
            non_finite: replaced > 0 ? replaced : undefined,
            depth_map,
            depth_image,
            depth_png_16,
          })
        },
        'image/png': format === 'depth_png_16' ? png16 : image,
        'application/x-npz': npz,
      })
    }),
  },
})

// --- internal ---

interface Depth {
  map: FloatMap
  /** The depths that become 0 and 1. */
  range: ValueRange
  /** How many of the model's values were NaN or infinite. */
  replaced: number
}

/** What the model's numbers mean, by the word `decode` of its entry. */
const decoders: Record<string, (output: Tensor) => Float32Array> = {
  plain: (output) => toFloat32(output),
  /** SCDepthV3 gives logits: depth = 1 / (10 * sigmoid(x) + 0.009), Hailo Model Zoo, scdepthv3 post-processing. */
  scdepth: (output) => toFloat32(output).map((logit) => 1 / (10 / (1 + Math.exp(-logit)) + 0.009)),
}

/** The output that is a map, and its height and width; the one named, else the first. */
function mapAmong(outputs: readonly TensorInfo[], name: string | undefined) {
  const named = outputs.filter((output) => name === undefined || output.name === name)
  return named
    .map((output) => ({ name: output.name, size: mapSize(output.shape) }))
    .find(({ size }) => size !== undefined)
}

/** Height and width of [1, 1, h, w], [1, h, w, 1], [1, h, w], [h, w, 1] or [h, w]. A free dimension fits everywhere. */
function mapSize(shape: TensorInfo['shape']): TensorInfo['shape'] | undefined {
  const isOne = (at: number) => shape[at] === 1 || typeof shape[at] === 'string'
  let size: TensorInfo['shape'] = []
  if (shape.length === 4 && isOne(0)) size = isOne(1) ? shape.slice(2) : isOne(3) ? shape.slice(1, 3) : []
  if (shape.length === 3) size = isOne(0) ? shape.slice(1) : isOne(2) ? shape.slice(0, 2) : []
  if (shape.length === 2) size = shape
  return size.length === 2 && size.every((length) => typeof length === 'string' || length > 1) ? size : undefined
}

function noMap(outputs: readonly TensorInfo[], name: string | undefined): string {
  const all = outputs.map((output) => `"${output.name}" [${output.shape.join(', ')}]`).join(', ')
  const wanted =
    name === undefined ? 'a model with a depth map among its outputs' : `a depth map as the output "${name}"`
  return `expected ${wanted}, such as [1, 1, height, width] or [1, height, width, 1], found ${all}`
}

/** NaN and -Infinity become the smallest value that there is, Infinity the largest: a hole must not swallow the map. */
function withoutGaps(values: Float32Array): { data: Float32Array; replaced: number } {
  let replaced = 0
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) replaced++
  if (replaced === 0) return { data: values, replaced }
  if (replaced === values.length)
    throw new PelletError(
      'function_failed',
      'depth.map: expected depths, found no finite value in the output of the model',
    )
  const [min = 0, max = 0] = percentilesOf(values, [0, 100])
  const data = values.map((value) => (value > max ? max : value >= min ? value : min))
  return { data, replaced }
}

/** The part of the map that shows the posted picture: all of it after a plain resize, less after a letterbox. */
function shownPart(map: FloatMap, { source, input }: StepContext): MapRegion | undefined {
  if (!source || !input) return undefined
  const [left, top] = input.toSource(0, 0)
  const [right, bottom] = input.toSource(input.width, input.height)
  const x = map.width / (right - left)
  const y = map.height / (bottom - top)
  return { left: -left * x, top: -top * y, width: source.width * x, height: source.height * y }
}

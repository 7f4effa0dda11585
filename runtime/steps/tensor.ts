import { z } from 'zod'
import { PelletError } from '../errors.ts'
import type { TensorData, TensorType } from '../tensor.ts'
import { toFloat16 } from './float16.ts'
import { imageInputOf, type ImageInput } from './image-input.ts'
import type { Pixels } from './picture.ts'
import { step, type ModelInfo, type Step } from './step.ts'

/**
 * `tensor`: the picture as the model's input. Layout and type are the model's own, mean, std and channel order its entry's,
 * so that one manifest serves a uint8 NHWC HEF and a float32 NCHW ONNX: (value - mean) / std, values 0 to 255. Integer
 * inputs take the result rounded and clamped to their range; one channel takes the luma.
 */
export const tensorStep: Step = step.image(
  {
    to: 'tensors',
    options: { input: z.string().min(1).optional() },
    check: ({ options, model }) => void planFor(model, options.input),
  },
  async (picture, context) => {
    const plan = planFor(context.model, context.options.input)
    const { input } = plan
    const width = input.width ?? picture.width
    const height = input.height ?? picture.height
    if (width !== picture.width || height !== picture.height)
      throw new PelletError(
        'invalid_input',
        `tensor: expected ${width} x ${height} pixels for the model's input "${input.name}", found a picture of ${picture.width} x ${picture.height}; put image.resize or image.letterbox before tensor`,
      )
    context.input = picture
    const pixels = await picture.pixels()
    const dims = input.layout === 'nchw' ? [1, input.channels, height, width] : [1, height, width, input.channels]
    return { [input.name]: { type: input.type, dims, data: packPixels(pixels, plan) } }
  },
)

// --- internal ---

type Values = Exclude<TensorData, BigUint64Array | BigInt64Array>

/** What a model's input needs, worked out once for a model. */
interface Plan {
  input: ImageInput
  /** For each of the model's channels: where it is in RGB, and the element that each level 0 to 255 becomes. */
  tables: Table[]
  /** The model takes the pixels as they are. */
  isPlain: boolean
}

interface Table {
  from: number
  values: Values
}

const arrays: Partial<Record<TensorType, new (length: number) => Values>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
}

const ranges: Partial<Record<TensorType, [low: number, high: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
  uint32: [0, 4_294_967_295],
  int32: [-2_147_483_648, 2_147_483_647],
}

const plans = new WeakMap<ModelInfo, Map<string | undefined, Plan>>()

function planFor(model: ModelInfo, name: string | undefined): Plan {
  let known = plans.get(model)
  if (!known) plans.set(model, (known = new Map()))
  let plan = known.get(name)
  if (!plan) known.set(name, (plan = createPlan(model, name)))
  return plan
}

function createPlan(model: ModelInfo, name: string | undefined): Plan {
  const input = imageInputOf('tensor', model, name)
  const ArrayOf = arrays[input.type]
  if (!ArrayOf)
    throw new PelletError(
      'invalid_manifest',
      `tensor: expected input "${input.name}" of type ${Object.keys(arrays).join(', ')}, found ${input.type}`,
    )
  const means = perChannel('mean', model.entry.mean ?? 0, input.channels)
  const stds = perChannel('std', model.entry.std ?? 1, input.channels)
  if (stds.some((std) => std === 0))
    throw new PelletError('invalid_manifest', `tensor: expected std other than 0 in the model's entry, found 0`)
  const order = input.channels === 1 ? [0] : model.entry.channels === 'bgr' ? [2, 1, 0] : [0, 1, 2]
  const tables = order.map((from, channel) => {
    const values = new ArrayOf(256)
    for (let level = 0; level < 256; level++)
      values[level] = elementOf((level - means[channel]!) / stds[channel]!, input.type)
    return { from, values }
  })
  const isIdentity = ({ from, values }: Table, channel: number) =>
    from === channel && values.every((value, level) => value === level)
  const isPlain = input.type === 'uint8' && input.layout === 'nhwc' && tables.length === 3 && tables.every(isIdentity)
  return { input, tables, isPlain }
}

function perChannel(key: string, value: number | number[], channels: number): number[] {
  if (typeof value === 'number') return Array.from({ length: channels }, () => value)
  if (value.length === channels) return value
  throw new PelletError(
    'invalid_manifest',
    `tensor: expected ${key} in the model's entry as a number or ${channels} of them, found ${value.length}`,
  )
}

function elementOf(value: number, type: TensorType): number {
  if (type === 'float16') return toFloat16(value)
  const range = ranges[type]
  return range ? Math.min(Math.max(Math.round(value), range[0]), range[1]) : value
}

function packPixels({ data, width, height }: Pixels, { input, tables, isPlain }: Plan): Values {
  if (isPlain) return data
  const count = width * height
  const [first, second, third] = tables
  const packed = new arrays[input.type]!(count * tables.length)
  if (!second || !third) return packGrey(packed, data, first!.values)
  const [step, plane] = input.layout === 'nchw' ? [1, count] : [3, 1]
  const planes = tables.map((_, channel) => channel * plane)
  // Tables and planes in the order red, green, blue.
  const [red, green, blue] = [0, 1, 2].map((color) => tables.findIndex(({ from }) => from === color))
  spread(packed, data, count, step, [tables[red!]!.values, tables[green!]!.values, tables[blue!]!.values], [
    planes[red!]!,
    planes[green!]!,
    planes[blue!]!,
  ])
  return packed
}

/** Luma by the weights of ITU-R BT.601 in 16 bits, as PIL's convert('L') has it; grey pixels stay what they are. */
function packGrey(packed: Values, data: Uint8Array, values: Values): Values {
  for (let at = 0, to = 0; to < packed.length; at += 3, to++)
    packed[to] = values[(data[at]! * 19595 + data[at + 1]! * 38470 + data[at + 2]! * 7471 + 0x8000) >>> 16]!
  return packed
}

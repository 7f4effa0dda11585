import sharp from 'sharp'
import detect from '../../functions/detect.ts'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import { callJson, drive, type Driver, type DriverParts } from './driver.ts'

/** What `/v1/detect/objects` answers. */
export interface Answer {
  objects: { label: string; class_id: number; confidence: number; bbox: number[] }[]
  num_objects: number
  model: string
  inference_time_ms: number
  image: { width: number; height: number }
  annotated_image?: string
}

/** An object in pixels of the model's input; its box's middle must lie in a cell of its own. */
export interface Thing {
  box: [left: number, top: number, right: number, bottom: number]
  score: number
  index: number
  stride: number
}

export const labels = ['cat', 'dog', 'owl']
/** Side of the square input, unless a test says otherwise. */
export const side = 64
const strides = [8, 16, 32]

export function picture(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#808080' } })
    .png()
    .toBuffer()
}

/** The shipped manifest with a model that says these outputs of itself. */
export function driverOf(outputs: readonly TensorInfo[], parts: DriverParts & { size?: number } = {}): Promise<Driver> {
  const { entry, size = side, ...rest } = parts
  const inputs: TensorInfo[] = [{ name: 'images', type: 'float32', shape: [1, 3, size, size] }]
  const own = { decode: undefined, ...entry } as NonNullable<DriverParts['entry']>
  return drive('detect', detect, undefined, { inputs, outputs: [...outputs], files: { labels }, ...rest, entry: own })
}

export function infosOf(outputs: Tensors): TensorInfo[] {
  return Object.entries(outputs).map(([name, { type, dims }]) => ({ name, type, shape: dims }))
}

/** What a model that gives these outputs finds in a picture that fits it. */
export async function answerFor(
  outputs: Tensors,
  options: Record<string, unknown> = {},
  { image, ...parts }: DriverParts & { size?: number; image?: Uint8Array } = {},
): Promise<Answer> {
  const driver = await driverOf(infosOf(outputs), parts)
  const shown = image ?? (await picture(parts.size ?? side, parts.size ?? side))
  return callJson<Answer>(driver, { route: 'POST /v1/detect/objects', image: shown, outputs, options })
}

export function floats(dims: number[], data: Float32Array): Tensor {
  return { type: 'float32', dims, data }
}

/** YOLOX: [1, cells, 5 + classes]. */
export function yolox(things: Thing[], { size = side, classes = labels.length } = {}): Tensor {
  const columns = 5 + classes
  const data = new Float32Array(cellsBefore(Infinity, size) * columns)
  for (const { box, score, index, stride } of things) {
    const { column, row, x, y, width, height } = placeOf(box, stride)
    const at = (cellsBefore(stride, size) + row * (size / stride) + column) * columns
    data.set([x / stride - column, y / stride - row, Math.log(width / stride), Math.log(height / stride), 0.9], at)
    data[at + 5 + index] = score / 0.9
  }
  return floats([1, data.length / columns, columns], data)
}

/** YOLOv8's export: [1, 4 + classes, cells]. */
export function exported(things: Thing[], { size = side, classes = labels.length } = {}): Tensor {
  const cells = cellsBefore(Infinity, size)
  const data = new Float32Array((4 + classes) * cells)
  for (const { box, score, index, stride } of things) {
    const { column, row, x, y, width, height } = placeOf(box, stride)
    const cell = cellsBefore(stride, size) + row * (size / stride) + column
    for (const [channel, value] of [x, y, width, height].entries()) data[channel * cells + cell] = value
    data[(4 + index) * cells + cell] = score
  }
  return floats([1, 4 + classes, cells], data)
}

export interface HeadLayout {
  isNchw?: boolean
  hasBatch?: boolean
  isJoined?: boolean
  isLogits?: boolean
  size?: number
  classes?: number
  boxesTo?: (tensor: Tensor) => Tensor
  scoresTo?: (tensor: Tensor) => Tensor
}

/** YOLOv8's heads, a distance of 1.25 as bins 1 and 2 with weights 0.75 and 0.25. */
export function heads(things: Thing[], layout: HeadLayout = {}): Tensors {
  const { isNchw, hasBatch, isJoined, isLogits, size = side, classes = labels.length } = layout
  const { boxesTo = (tensor) => tensor, scoresTo = (tensor) => tensor } = layout
  const outputs: Tensors = {}
  const put = (name: string, channels: number, cells: number, value: (cell: number, channel: number) => number) => {
    const data = new Float32Array(cells * channels)
    for (let cell = 0; cell < cells; cell++)
      for (let channel = 0; channel < channels; channel++)
        data[isNchw ? channel * cells + cell : cell * channels + channel] = value(cell, channel)
    const length = Math.sqrt(cells)
    const dims = isNchw ? [channels, length, length] : [length, length, channels]
    outputs[name] = floats(hasBatch ? [1, ...dims] : dims, data)
  }
  for (const stride of strides) {
    const width = size / stride
    const own = new Map(things.filter((thing) => thing.stride === stride).map((thing) => [cellOf(thing, width), thing]))
    const distance = (cell: number, channel: number) => {
      const thing = own.get(cell)
      if (!thing) return 0
      const { column, row } = placeOf(thing.box, stride)
      const middle = [column + 0.5, row + 0.5]
      const value = Math.abs(thing.box[channel >> 4]! / stride - middle[(channel >> 4) % 2]!)
      const weight = 1 - Math.abs(value - (channel % 16))
      return weight > 0 ? Math.log(weight) : -15
    }
    const score = (cell: number, channel: number) => {
      const thing = own.get(cell)
      const found = thing?.index === channel ? thing.score : 0
      if (!isLogits) return found
      return found === 0 ? -9 + (channel % 3) : Math.log(found / (1 - found))
    }
    if (isJoined)
      put(`out${stride}`, 64 + classes, width * width, (cell, channel) =>
        channel < 64 ? distance(cell, channel) : score(cell, channel - 64),
      )
    else {
      put(`box${stride}`, 64, width * width, distance)
      put(`class${stride}`, classes, width * width, score)
      outputs[`box${stride}`] = boxesTo(outputs[`box${stride}`]!)
      outputs[`class${stride}`] = scoresTo(outputs[`class${stride}`]!)
    }
  }
  return outputs
}

/** HailoRT's NMS by class: [classes, 1 + 5 * most], packed; behind the last class lies rubbish. */
export function nmsByClass(things: Thing[], { size = side, classes = labels.length, most = 4 } = {}): Tensor {
  const data = new Float32Array(classes * (1 + 5 * most)).fill(77)
  let at = 0
  for (let index = 0; index < classes; index++) {
    const own = things.filter((thing) => thing.index === index)
    data[at++] = own.length
    for (const { box, score } of own) {
      const [left, top, right, bottom] = box.map((edge) => edge / size)
      data.set([top!, left!, bottom!, right!, score], at)
      at += 5
    }
  }
  return floats([classes, 1 + 5 * most], data)
}

/** The tensor as an NPU hands it out: integers with scale and zero point. */
export function quantised(
  ArrayOf: new (length: number) => Uint8Array | Int8Array | Uint16Array,
  scale: number,
  zeroPoint: number,
) {
  return ({ dims, data: values }: Tensor): Tensor => {
    const data = new ArrayOf(values.length)
    for (let i = 0; i < data.length; i++) data[i] = Math.round((values[i] as number) / scale) + zeroPoint
    const type = data.constructor.name.slice(0, -'Array'.length).toLowerCase() as Tensor['type']
    return { type, dims, data, quant: { scale, zeroPoint } }
  }
}

/** The same with a scale and a zero point for each feature. */
export function byFeature(scale: number, zeroPoint: number) {
  return ({ dims, data: values }: Tensor): Tensor => {
    const features = dims.at(-1)!
    const scales = Array.from({ length: features }, (_, i) => scale * (1 + (i % 3) / 10))
    const zeroPoints = Array.from({ length: features }, (_, i) => zeroPoint + (i % 2))
    // A chip stays at the end of its range.
    const data = Uint8Array.from(values as Float32Array, (value, i) =>
      Math.max(0, Math.round(value / scales[i % features]! + zeroPoints[i % features]!)),
    )
    return { type: 'uint8', dims, data, quant: { scale: scales, zeroPoint: zeroPoints } }
  }
}

// --- internal ---

function placeOf([left, top, right, bottom]: Thing['box'], stride: number) {
  const [x, y] = [(left + right) / 2, (top + bottom) / 2]
  return {
    column: Math.floor(x / stride),
    row: Math.floor(y / stride),
    x,
    y,
    width: right - left,
    height: bottom - top,
  }
}

function cellOf({ box, stride }: Thing, width: number): number {
  const { column, row } = placeOf(box, stride)
  return row * width + column
}

/** Cells of the grids that are finer than this one. */
function cellsBefore(stride: number, size: number): number {
  return strides.filter((finer) => finer < stride).reduce((sum, finer) => sum + (size / finer) ** 2, 0)
}

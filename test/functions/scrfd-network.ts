import sharp from 'sharp'
import scrfd from '../../functions/scrfd.ts'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { toFloat16 } from '../../runtime/steps/float16.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import { call, callJson, drive, type Driver } from './driver.ts'

export interface Answer {
  faces: { bbox: number[]; confidence: number; landmarks?: { type: string; x: number; y: number }[] }[]
  num_faces: number
  inference_time_ms: number
  model: string
  annotated_image?: string
}

/** A face as an anchor tells it: distances of the four edges, in strides. */
export interface Anchor {
  stride: number
  row: number
  column: number
  anchor: number
  score: number
  distances: number[]
}

export interface Detections {
  faces: { score: number; box: number[]; landmarks?: number[] }[]
}

export const size = { width: 96, height: 64 }
/** Two faces, and a shadow of the first that overlaps it. */
export const anchors: Anchor[] = [
  { stride: 8, row: 3, column: 2, anchor: 1, score: 0.9, distances: [1, 2, 2, 3] },
  { stride: 8, row: 3, column: 2, anchor: 0, score: 0.7, distances: [1, 2, 2, 3] },
  { stride: 16, row: 2, column: 4, anchor: 0, score: 0.8, distances: [1, 2, 2, 2] },
]
/** Of every face: the points around its anchor, in strides. */
const offsets = [-0.5, -0.5, 0.5, -0.5, 0, 0, -0.5, 0.5, 0.5, 0.5]
export interface Layout {
  isMap: boolean
  hasBatch: boolean
  to?: (values: Float32Array, dims: number[]) => Tensor
}

export const rows: Layout = { isMap: false, hasBatch: true }

/** What a network with strides 8, 16 and 32 gives for faces at these anchors; 0.001 is the score of all others. */
export function outputsOf(anchors: Anchor[], { width, height }: typeof size, layout = rows): Tensors {
  const { isMap, hasBatch, to = floats } = layout
  const outputs: Tensors = {}
  for (const stride of [8, 16, 32]) {
    const [rows, columns] = [height / stride, width / stride]
    const count = rows * columns * 2
    const score = new Float32Array(count).fill(0.001)
    const box = new Float32Array(count * 4).fill(0.25)
    const points = new Float32Array(count * 10)
    for (const face of anchors.filter((one) => one.stride === stride)) {
      const at = (face.row * columns + face.column) * 2 + face.anchor
      score[at] = face.score
      box.set(face.distances, at * 4)
      points.set(offsets, at * 10)
    }
    for (const [part, values] of Object.entries({ score, box, points })) {
      const each = values.length / count
      const dims = isMap ? [rows, columns, each * 2] : [count, each]
      outputs[`${part}_${stride}`] = to(values, hasBatch ? [1, ...dims] : dims)
    }
  }
  return outputs
}

export function halves(values: Float32Array, dims: number[]): Tensor {
  return { type: 'float16', dims, data: Uint16Array.from(values, toFloat16) }
}

export function quantised(
  array: Uint8ArrayConstructor | Int8ArrayConstructor | Uint16ArrayConstructor,
  type: 'uint8' | 'int8' | 'uint16',
  scale: number,
  zeroPoint: number,
) {
  return (values: Float32Array, dims: number[]): Tensor => {
    const data = array.from(Array.from(values, (value) => Math.round(value / scale) + zeroPoint))
    return { type, dims, data, quant: { scale, zeroPoint } }
  }
}

/** As a HEF has it whose features have a scale and a zero point each. */
export function byFeature(values: Float32Array, dims: number[]): Tensor {
  const features = dims.at(-1)!
  const scale = Array.from({ length: features }, (_, i) => 1 / (60 + (i % 2) * 4))
  const zeroPoint = Array.from({ length: features }, (_, i) => 40 + i)
  const data = Uint8Array.from(
    values,
    (value, i) => Math.round(value / scale[i % features]!) + zeroPoint[i % features]!,
  )
  return { type: 'uint8', dims, data, quant: { scale, zeroPoint } }
}

export function info(name: string, shape: TensorInfo['shape']): TensorInfo {
  return { name, type: 'float32', shape }
}

export function infosOf(outputs: Tensors): TensorInfo[] {
  return Object.entries(outputs).map(([name, { type, dims }]) => ({ name, type, shape: dims }))
}

/** The function without a model file: requests bring the outputs. */
export function driverOf(outputs: readonly TensorInfo[], { width, height }: typeof size): Promise<Driver> {
  const inputs: TensorInfo[] = [{ name: 'input', type: 'float32', shape: [1, 3, height, width] }]
  return drive('scrfd', scrfd, undefined, { inputs, outputs: [...outputs] })
}

/** Of the step scrfd.decode alone. */
export async function decoded(
  driver: Driver,
  outputs: Tensors,
  posted: typeof size | Uint8Array,
  options: Record<string, unknown> = {},
): Promise<Detections> {
  const { manifest } = driver
  const [first] = manifest.routes
  const routes = [{ ...first!, post: first!.post.slice(0, 1) }]
  const image = posted instanceof Uint8Array ? posted : await blank(posted)
  const { result } = await call({ ...driver, manifest: { ...manifest, routes } }, { image, outputs, options })
  return result as Detections
}

export async function answerOf(
  driver: Driver,
  outputs: Tensors,
  posted: typeof size,
  options: Record<string, unknown> = {},
): Promise<Answer> {
  return callJson(driver, { image: await blank(posted), outputs, options, route: 'POST /v1/detect' })
}

// --- internal ---

function floats(data: Float32Array, dims: number[]): Tensor {
  return { type: 'float32', dims, data }
}

function blank({ width, height }: typeof size): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: 'black' } })
    .png()
    .toBuffer()
}

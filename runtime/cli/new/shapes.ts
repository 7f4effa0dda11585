import { imageInputOf, type ImageInput } from '../../steps/image-input.ts'
import type { ModelShape, OutputInfo } from './model.ts'

/** The one input of a model that takes a picture and nothing else. */
export function pictureOf({
  inputs,
  outputs,
  chip,
}: Pick<ModelShape, 'inputs' | 'outputs' | 'chip'>): ImageInput | undefined {
  if (inputs.length !== 1) return undefined
  try {
    return imageInputOf('new', {
      engine: chip ? 'hailort' : 'onnxruntime',
      entry: { name: '', file: '' },
      inputs,
      outputs,
    })
  } catch {
    return undefined
  }
}

/** Outputs that are one row of numbers, such as [1, 1000], with its length. */
export function rowsOf({ outputs }: Pick<ModelShape, 'outputs'>): { output: OutputInfo; length: number }[] {
  return outputs.flatMap((output) => {
    const wide = output.shape.filter((size): size is number => typeof size === 'number' && size !== 1)
    const isBatchOnly = output.shape.every((size, axis) => typeof size === 'number' || axis === 0)
    return wide.length === 1 && wide[0]! > 1 && isBatchOnly ? [{ output, length: wide[0]! }] : []
  })
}

/** Whether a row of numbers is one of probabilities: it comes from a softmax, or its quantised values end at 0 and 1. */
export function givesProbabilities({ operator, type, quant }: OutputInfo): boolean {
  if (operator === 'Softmax') return true
  if (type !== 'uint8' || typeof quant?.scale !== 'number') return false
  return quant.zeroPoint === 0 && Math.abs(quant.scale * 255 - 1) < 0.01
}

/** How a detector gives what it found; `classes` undefined where the shapes do not say. */
export type Layout =
  | { kind: 'yolox' | 'yolov5' | 'yolov8' | 'nms'; output: string; classes: number }
  | { kind: 'finished'; output: string; classes?: undefined }
  | { kind: 'boxes'; boxes: string; scores: string; labels?: string; classes?: number | undefined }
  | { kind: 'scrfd'; anchors: number; maps: { stride: number; scores: string; boxes: string }[]; classes: 1 }

/** In words, for people. */
export const layouts: Record<Layout['kind'], string> = {
  yolox: 'YOLOX: [1, cells, 5 + classes]',
  yolov5: 'YOLOv5: [1, 3 * cells, 5 + classes]',
  yolov8: 'YOLOv8, YOLO11: [1, 4 + classes, cells]',
  finished: 'boxes after NMS: [1, boxes, 6]',
  nms: 'boxes by class, after the NMS of a HEF',
  boxes: 'boxes and scores: [boxes, 4] and [boxes], or [boxes, classes]',
  scrfd: 'SCRFD: scores and boxes for each of three strides',
}

/** How the outputs hold boxes; undefined where they hold none that are known. */
export function layoutOf({ outputs, metadata, chip }: ModelShape, picture: ImageInput): Layout | undefined {
  // Ultralytics' other tasks have more in a row than boxes and classes.
  if (metadata['task'] !== undefined && metadata['task'] !== 'detect') return undefined
  const { width = fallbackSide, height = fallbackSide } = picture
  if (chip && outputs.length === 1) return boxesByClassOf(outputs[0]!)
  return outputs.length === 1
    ? yoloOf(outputs[0]!, width, height)
    : (scrfdOf(outputs, width, height) ?? boxesOf(outputs))
}

/** Where a model leaves its picture's size open. */
export const fallbackSide = 640

// --- internal ---

const strides = [8, 16, 32]

function cellsOf(width: number, height: number, stride: number): number {
  return Math.ceil(width / stride) * Math.ceil(height / stride)
}

function yoloOf({ name, shape }: OutputInfo, width: number, height: number): Layout | undefined {
  const [rows, columns] = shape.slice(-2)
  if (shape.length !== 3 || (typeof shape[0] === 'number' && shape[0] !== 1)) return undefined
  const cells = strides.reduce((sum, stride) => sum + cellsOf(width, height, stride), 0)
  if (typeof rows === 'number' && rows > 4 && (columns === cells || (typeof columns === 'string' && rows < 2000)))
    return { kind: 'yolov8', output: name, classes: rows - 4 }
  if (typeof columns !== 'number' || columns < 6) return undefined
  if (rows === cells) return { kind: 'yolox', output: name, classes: columns - 5 }
  if (rows === 3 * cells) return { kind: 'yolov5', output: name, classes: columns - 5 }
  return columns === 6 ? { kind: 'finished', output: name } : undefined
}

/** Of a HEF: [classes, 1 + 5 * boxes]. Other tensors of HEFs have a batch. */
function boxesByClassOf({ name, type, shape, quant }: OutputInfo): Layout | undefined {
  const [classes, length] = shape as number[]
  const isPacked = shape.length === 2 && type === 'float32' && !quant && length! > 1 && length! % 5 === 1
  return isPacked ? { kind: 'nms', output: name, classes: classes! } : undefined
}

/**
 * [1, N, 1], [1, N, 4] and mostly [1, N, 10] for each stride, with or without the 1; or maps of two anchors a cell, as a HEF has
 * them, [1, h, w, 2], [1, h, w, 8] and [1, h, w, 20], which lie alike in memory.
 */
function scrfdOf(maps: readonly OutputInfo[], width: number, height: number): Layout | undefined {
  const outputs = maps.map(toRows)
  const levels = strides.map((stride) => {
    const cells = cellsOf(width, height, stride)
    const among = (last: number) =>
      outputs.filter(({ shape }) => {
        const rows = shape.at(-2)
        return shape.at(-1) === last && typeof rows === 'number' && rows % cells === 0 && rows / cells <= 2
      })
    const [scores, boxes] = [among(1), among(4)].map((found) => found.toSorted((a, b) => rowCount(a) - rowCount(b)))
    return { stride, cells, scores: scores![0], boxes: boxes![0] }
  })
  const anchors = levels.map(({ scores, cells }) => (scores ? rowCount(scores) / cells : 0))
  if (levels.some(({ scores, boxes }) => !scores || !boxes || rowCount(scores) !== rowCount(boxes))) return undefined
  if (new Set(anchors).size !== 1 || ![6, 9].includes(outputs.length)) return undefined
  return {
    kind: 'scrfd',
    anchors: anchors[0]!,
    maps: levels.map(({ stride, scores, boxes }) => ({ stride, scores: scores!.name, boxes: boxes!.name })),
    classes: 1,
  }
}

/** A map of two anchors a cell as a row for each anchor. */
function toRows(output: OutputInfo): OutputInfo {
  const [batch, height, width, values] = output.shape as number[]
  const isMap = output.shape.length === 4 && [2, 8, 20].includes(values!)
  return isMap ? { ...output, shape: [batch!, height! * width! * 2, values! / 2] } : output
}

function rowCount({ shape }: OutputInfo): number {
  return Number(shape.at(-2))
}

/** torchvision's boxes, labels and scores, and the like. */
function boxesOf(outputs: readonly OutputInfo[]): Layout | undefined {
  const isWhole = ({ type }: OutputInfo) => /int/.test(type)
  const boxes = outputs.filter((output) => output.shape.at(-1) === 4 && output.shape.length >= 2 && !isWhole(output))
  const rest = outputs.filter((output) => output !== boxes[0])
  const labels = rest.filter(isWhole)
  const scores = rest.filter((output) => !isWhole(output))
  if (boxes.length !== 1 || scores.length !== 1 || labels.length > 1) return undefined
  const [box, score] = [boxes[0]!.shape, scores[0]!.shape]
  const classes = score.length === box.length ? score.at(-1) : 1
  if (typeof classes !== 'number' || ![box.length, box.length - 1].includes(score.length)) return undefined
  return {
    kind: 'boxes',
    boxes: boxes[0]!.name,
    scores: scores[0]!.name,
    ...(labels.length === 1 ? { labels: labels[0]!.name } : { classes }),
  }
}

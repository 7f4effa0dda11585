import {
  defineFunction,
  drawBox,
  drawPoint,
  nms,
  numbersOf,
  PelletError,
  similarity,
  step,
  toJpeg,
  warp,
  withFormats,
  z,
} from 'pellet'
import type { CheckContext, ModelInfo, Numbers, Picture, Pixels, StepContext, TensorInfo, Tensors } from 'pellet'

/** Eyes, nose and corners of the mouth; left and right are the picture's, in the order in which SCRFD gives them. */
const landmarkNames = ['left_eye', 'right_eye', 'nose', 'left_mouth', 'right_mouth']
/** Where they belong in a face of 112 x 112 pixels: the template that ArcFace models were trained on. */
const template = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041]
const templateSide = 112

/** Faces in a picture with five landmarks each, and faces turned upright for recognition. */
export default defineFunction({
  manifest: {
    model: { onnx: { name: 'starter-scrfd', file: 'scrfd.onnx', mean: 127.5, std: 128 } },
    pre: ['image.decode', { 'image.letterbox': { position: 'top-left' } }, 'tensor'],
    routes: {
      'POST /v1/detect': ['scrfd.decode', 'scrfd.detections'],
      'POST /v1/align': ['scrfd.decode', 'scrfd.align'],
    },
    errors: 'text',
  },
  input: {
    return_landmarks: z.boolean().default(true),
    conf_threshold: z.number().min(0).max(1).optional(),
    annotate: z.boolean().default(false),
    max_faces: z.number().int().min(1).max(1000).default(100),
    /** Side of an aligned face, in pixels. */
    size: z.number().int().min(16).max(512).default(templateSide),
  },
  steps: {
    /**
     * The model's outputs as faces: `{ faces: [{ score, box, landmarks }] }` by falling score, at most `max_faces`. Boxes are
     * [left, top, right, bottom], landmarks x and y of five points; pixels of the posted picture, not rounded, not clipped.
     * `threshold` is the least score, unless the request sets `conf_threshold`; of two faces that overlap by more than `nms`
     * (intersection over union) the better one stays.
     */
    'scrfd.decode': step.outputs(
      {
        options: { threshold: z.number().min(0).max(1).default(0.5), nms: z.number().min(0).max(1).default(0.4) },
        check: ({ model }) => checkOutputs(model),
      },
      (outputs, context): Detections => {
        const { threshold, conf_threshold, nms: iou, max_faces: limit } = context.options
        const { scores, boxes, landmarksOf } = candidatesOf(outputs, conf_threshold ?? threshold, context)
        const faces = nms(boxes, scores, { iou, limit }).map((index) => {
          const box = boxes.slice(index * 4, index * 4 + 4) as Face['box']
          return { score: Math.min(scores[index]!, 1), box, landmarks: landmarksOf(index) }
        })
        return { faces }
      },
    ),

    /** The answer of /v1/detect; the annotated picture alone when `Accept` asks for a JPEG. */
    'scrfd.detections': step.result((result, context) => {
      const { options, model, source } = context
      const { faces } = result as Detections
      const annotated = () => annotate(faces, source!)
      return withFormats({
        'application/json': async () => {
          const picture = options.annotate ? toDataUri(await annotated()) : undefined
          return {
            faces: faces.map((face) => described(face, source!, options.return_landmarks)),
            num_faces: faces.length,
            inference_time_ms: millisecondsOf(context),
            model: model.entry.name,
            annotated_image: picture,
          }
        },
        'image/jpeg': annotated,
      })
    }),

    /** The answer of /v1/align: each face turned upright and cut out, a JPEG of `size` x `size` as data URI. */
    'scrfd.align': step.result({ check: checkLandmarks }, async (result, context) => {
      const { faces } = result as Detections
      const crops = await cropper(faces, context.options.size, context.source!)
      const aligned: object[] = []
      // A few at a time: large crops of many faces would not fit into memory all at once.
      for (let from = 0; from < faces.length; from += 8) {
        context.signal.throwIfAborted()
        const some = faces.slice(from, from + 8)
        const jpegs = await Promise.all(some.map((face) => toJpeg(crops(face), 95)))
        for (const [i, face] of some.entries()) {
          const { bbox, confidence } = described(face, context.source!)
          aligned.push({ face_id: from + i, bbox, confidence, aligned_image: toDataUri(jpegs[i]!) })
        }
      }
      return { faces: aligned, num_faces: faces.length, model: context.model.entry.name }
    }),

    /** For a `call` of a recogniser: each face gets `image`, its aligned pixels, `side` x `side`. */
    'scrfd.crops': step.result(
      { options: { side: z.number().int().min(16).max(512).default(templateSide) }, check: checkLandmarks },
      async (result, context) => {
        const { faces } = result as Detections
        const crops = await cropper(faces, context.options.side, context.source!)
        return { faces: faces.map((face) => ({ ...face, image: crops(face) })) }
      },
    ),

    /** The answer of a cascade: what was found, and beside it what the called deployment said of each face. */
    'scrfd.faces': step.result((result, context) => {
      const { options, model, source } = context
      const { faces } = result as { faces: (Face & Record<string, unknown>)[] }
      const answer = faces.map((face, face_id) => {
        const { score: _score, box: _box, landmarks: _landmarks, model: _model, ...more } = face
        return { face_id, ...described(face, source!, options.return_landmarks), ...more }
      })
      return {
        faces: answer,
        num_faces: faces.length,
        model: model.entry.name,
        embedding_model: faces[0]?.['model'],
        inference_time_ms: millisecondsOf(context),
      }
    }),
  },
})

// --- internal ---

interface Face {
  score: number
  box: [left: number, top: number, right: number, bottom: number]
  /** x and y of five points; absent where the model gives none. */
  landmarks: number[] | undefined
}

type Detections = { faces: Face[] }

/** What one stride of the network says about its anchors: names of outputs, and columns of its grid. */
interface Level {
  stride: number
  columns: number
  score: string
  box: string
  points?: string
}

type Part = 'score' | 'box' | 'points'
type Output = Pick<TensorInfo, 'name' | 'shape'>
type Size = { width: number; height: number }

/**
 * Each anchor has 1 score, 4 distances, 10 offsets. The last dimension tells what an output holds, as rows of anchors or as
 * a map with two anchors a cell; both lie alike in memory: cells row-major, then anchors, then values.
 */
const kinds: Record<number, { part: Part; isMap: boolean }> = {
  1: { part: 'score', isMap: false },
  4: { part: 'box', isMap: false },
  10: { part: 'points', isMap: false },
  2: { part: 'score', isMap: true },
  8: { part: 'box', isMap: true },
  20: { part: 'points', isMap: true },
}
const strides = [8, 16, 32, 64, 128]
const anchorsPerCell = 2

/** What an output holds: [1, N, c] and [N, c] are rows, [h, w, c] and [1, h, w, c] maps. A free batch is 1. */
function kindOf({ shape }: Output) {
  const kind = kinds[Number(shape.at(-1))]
  if (!kind) return undefined
  const rank = kind.isMap ? 3 : 2
  const hasBatch = shape.length === rank + 1 && (shape[0] === 1 || typeof shape[0] === 'string')
  if (shape.length !== rank && !hasBatch) return undefined
  const grid = shape.slice(hasBatch ? 1 : 0, -1)
  return { ...kind, grid }
}

/** Outputs by stride, told apart by shape alone; undefined when they are not SCRFD's for an input of this size. */
function levelsOf(outputs: readonly Output[], { width, height }: Size): Level[] | undefined {
  const levels = new Map<number, Partial<Level> & { stride: number; columns: number }>()
  for (const output of outputs) {
    const kind = kindOf(output)
    if (!kind) return undefined
    const stride = strides.find((stride) => {
      const columns = Math.ceil(width / stride)
      const rows = Math.ceil(height / stride)
      if (kind.isMap) return kind.grid[0] === rows && kind.grid[1] === columns
      return kind.grid[0] === rows * columns * anchorsPerCell
    })
    if (stride === undefined) return undefined
    const level = levels.get(stride) ?? { stride, columns: Math.ceil(width / stride) }
    if (level[kind.part] !== undefined) return undefined
    level[kind.part] = output.name
    levels.set(stride, level)
  }
  const found = [...levels.values()]
  const isWhole = found.every(({ score, box }) => score !== undefined && box !== undefined)
  const pointed = found.filter(({ points }) => points !== undefined).length
  return found.length > 0 && isWhole && (pointed === 0 || pointed === found.length) ? (found as Level[]) : undefined
}

/** Refuses a model of another family. Where sizes are free, only what each output holds can be told. */
function checkOutputs(model: ModelInfo): void {
  const size = inputSizeOf(model)
  const isFree = (output: Output) => kindOf(output)?.grid.some((length) => typeof length === 'string')
  if (size && !model.outputs.some(isFree)) {
    if (!levelsOf(model.outputs, size)) throw new Error(mismatch(model.outputs, size))
    return
  }
  const parts = model.outputs.map((output) => kindOf(output)?.part)
  const count = (part: Part) => parts.filter((one) => one === part).length
  const [scores, boxes, points] = [count('score'), count('box'), count('points')]
  if (scores === 0 || boxes !== scores || ![0, scores].includes(points) || parts.includes(undefined))
    throw new Error(mismatch(model.outputs))
}

function checkLandmarks({ model }: CheckContext): void {
  if (model.outputs.some((output) => kindOf(output)?.part === 'points')) return
  throw new Error(
    `expected a model with landmarks among its outputs ([1, N, 10] or [height, width, 20]), since faces are aligned by them, found ${list(model.outputs)}; take a model with landmarks (often named kps), or leave this route out`,
  )
}

function mismatch(outputs: readonly Output[], size?: Size): string {
  const input = size ? `of the ${size.width} x ${size.height} input` : 'of the input'
  return `scrfd.decode: expected the outputs of an SCRFD model, for each stride (8, 16, 32 pixels ${input}) scores, boxes and perhaps landmarks as [1, N, 1], [1, N, 4], [1, N, 10] or [height, width, 2], [height, width, 8], [height, width, 20], with two anchors a cell; found ${list(outputs)}`
}

function list(outputs: readonly Output[]): string {
  return outputs.map(({ name, shape }) => `"${name}" [${shape.join(', ')}]`).join(', ')
}

function inputSizeOf({ inputs, entry }: ModelInfo): Size | undefined {
  const shape = inputs[0]?.shape ?? []
  const isNhwc = entry.layout ? entry.layout === 'nhwc' : shape[3] === 3
  const [height, width] = isNhwc ? shape.slice(1, 3) : shape.slice(2, 4)
  return typeof width === 'number' && typeof height === 'number' ? { width, height } : undefined
}

/** Anchors whose score suffices. */
interface Candidates {
  scores: number[]
  /** Four edges each, in the source picture. */
  boxes: number[]
  landmarksOf(index: number): number[] | undefined
}

/**
 * Scores are compared as they are, quantised or not; only what passes is decoded. An anchor stands at its cell's upper left
 * corner, (column * stride, row * stride); distances are in strides (InsightFace, scrfd.py).
 */
function candidatesOf(outputs: Tensors, threshold: number, { input, source }: StepContext): Candidates {
  if (!input || !source)
    throw new PelletError('function_failed', 'scrfd.decode: expected image.decode and tensor in pre, found no picture')
  const found = Object.entries(outputs).map(([name, { dims }]) => ({ name, shape: dims }))
  const levels = levelsOf(found, input)
  if (!levels) throw new PelletError('function_failed', mismatch(found, input))

  const scores: number[] = []
  const boxes: number[] = []
  const places: { x: number; y: number; stride: number; anchor: number; points: Numbers | undefined }[] = []
  for (const level of levels) {
    const { stride, columns } = level
    const confidences = numbersOf(outputs[level.score])
    const distances = numbersOf(outputs[level.box])
    const points = level.points === undefined ? undefined : numbersOf(outputs[level.points])
    const reach = (at: number) => distances.at(at) * stride
    const { data } = confidences
    const [even, odd] = [confidences.least(threshold, 0), confidences.least(threshold, 1)]
    for (let anchor = 0; anchor < data.length; anchor++) {
      if (!(data[anchor]! >= (anchor & 1 ? odd : even))) continue
      const cell = Math.floor(anchor / anchorsPerCell)
      const x = (cell % columns) * stride
      const y = Math.floor(cell / columns) * stride
      const [left, top] = input.toSource(x - reach(anchor * 4), y - reach(anchor * 4 + 1))
      const [right, bottom] = input.toSource(x + reach(anchor * 4 + 2), y + reach(anchor * 4 + 3))
      // Else it lies in the letterbox's margin, or is made of NaN.
      const isWithin = right > 0 && bottom > 0 && left < source.width && top < source.height
      if (!isWithin || !(left < right && top < bottom)) continue
      scores.push(confidences.at(anchor))
      boxes.push(left, top, right, bottom)
      places.push({ x, y, stride, anchor, points })
    }
  }
  const landmarksOf = (index: number) => {
    const { x, y, stride, anchor, points } = places[index]!
    if (!points) return undefined
    const offset = (at: number) => points.at(anchor * 10 + at) * stride
    return landmarkNames.flatMap((_, i) => input.toSource(x + offset(i * 2), y + offset(i * 2 + 1)))
  }
  return { scores, boxes, landmarksOf }
}

/** A face as the API tells it: whole pixels, the box within the picture and never empty. */
function described({ score, box, landmarks }: Face, { width, height }: Picture, withLandmarks = false) {
  const [left, top] = [clip(box[0], 0, width - 1), clip(box[1], 0, height - 1)]
  const [right, bottom] = [clip(box[2], left + 1, width), clip(box[3], top + 1, height)]
  const points = withLandmarks ? landmarks?.map(Math.round) : undefined
  return {
    bbox: [left, top, right - left, bottom - top],
    confidence: Math.round(score * 1e4) / 1e4,
    landmarks: points && landmarkNames.map((type, i) => ({ type, x: points[i * 2]!, y: points[i * 2 + 1]! })),
  }
}

function clip(value: number, least: number, most: number): number {
  return Math.min(Math.max(Math.round(value), least), most)
}

/** Cuts faces out of the posted picture, which is decoded for it once, unless there is no face. */
async function cropper(faces: readonly Face[], side: number, picture: Picture): Promise<(face: Face) => Pixels> {
  const pixels = faces.length > 0 ? await picture.pixels() : undefined
  const target = template.map((at) => (at * side) / templateSide)
  return ({ landmarks }) => warp(pixels!, similarity(landmarks!, target), side, side)
}

/** The posted picture as a JPEG, with boxes, points and scores in per cent. */
async function annotate(faces: readonly Face[], picture: Picture): Promise<Uint8Array> {
  const pixels = await picture.pixels()
  for (const { box, landmarks = [], score } of faces) {
    drawBox(pixels, box, { label: `${Math.round(score * 100)}%` })
    for (let i = 0; i < landmarks.length; i += 2) drawPoint(pixels, landmarks[i]!, landmarks[i + 1]!)
  }
  return toJpeg(pixels)
}

function toDataUri(jpeg: Uint8Array): string {
  return `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`
}

function millisecondsOf({ elapsedMs }: StepContext): number {
  return Math.round(elapsedMs() * 100) / 100
}

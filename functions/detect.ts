import { boxToSource, defineFunction, drawBox, nms, numbersOf, PelletError, step, toFloat32, toJpeg, z } from 'pellet'
import type { CheckContext, ModelInfo, Picture, TensorInfo, Tensors } from 'pellet'

/** Objects in a picture: where they are, what they are, how sure that is. COCO's 80 classes, or those that the labels name. */
export default defineFunction({
  manifest: {
    model: { onnx: { name: 'yolox-nano', file: 'yolox_nano.onnx', channels: 'bgr', decode: 'yolox' } },
    files: { labels: 'coco.txt' },
    pre: ['image.decode', { 'image.letterbox': { position: 'top-left', background: 114 } }, 'tensor'],
    routes: {
      'POST /v1/vision/detection': { post: ['detect.decode', 'detect.predictions'], input: { max_objects: 20 } },
      'POST /v1/detect/objects': ['detect.decode', 'detect.objects'],
    },
    errors: 'deepstack',
  },
  input: {
    min_confidence: z.number().min(0).max(1).default(0.4),
    nms: z.number().min(0).max(1).default(0.45),
    max_objects: z.number().int().min(1).max(1000).default(100),
    labels: z.array(z.string()).min(1).optional(),
    annotate: z.boolean().default(false),
  },
  steps: {
    /**
     * The outputs as objects in pixels of the posted picture, by falling confidence, at most `max_objects`, each of the class
     * that is likeliest. Of boxes of one class that overlap by more than `nms` (intersection over union) the surest stays.
     *
     * `decode` in the model's entry, else the shapes tell how outputs are read. C is the number of classes; cells are those of
     * the grids of strides 8, 16 and 32, row by row; lengths are pixels of the model's input.
     * - `yolox`: [1, cells, 5 + C], a row being x, y, log width, log height, objectness, classes, with the sigmoids in the graph:
     *   centre = (cell + xy) * stride, size = exp(wh) * stride, score = objectness * class (YOLOX, demo/ONNXRuntime).
     * - `yolov8`, YOLO11 too: the usual export [1, 4 + C, cells], centre, width, height and sigmoided classes. Or its heads, for
     *   each stride a map of 64 channels and one of C as [h, w, c] or [c, h, w], with or without a batch of 1, or both in one
     *   of 64 + C. A side's distance from the cell's middle, in strides, is the mean of 0 to 15 by the softmax of 16 channels;
     *   left, top, right, bottom. Classes of heads are logits, unless all in the coarsest map of their own lie in 0 to 1.
     * - `nms-by-class`: HailoRT's own NMS (HAILO_NMS_BY_CLASS), float32 of dims [C, 1 + 5 * n], n being the most boxes of a class.
     *   The data are no rows but the frame as HailoRT packs it: for each class a count, then so many times y_min, x_min, y_max,
     *   x_max, score, in parts (0 to 1) of the input; right after its last box the next class; void behind the last class.
     */
    'detect.decode': step.outputs({ check: checkModel }, (outputs, { options, model, files, input }): Detection[] => {
      if (!input) throw failure('expected the step tensor in pre, which makes the input of a picture, found none')
      const found = Object.entries(outputs).map(([name, { type, dims }]) => ({ name, type, shape: dims }))
      const reader = readerOf(model, found, input)
      const labels = labelsOf(files, reader.classes)
      const wanted: string[] | undefined = options.labels?.map((label: string) => label.trim())
      const unknown = wanted?.find((label) => !labels.includes(label))
      if (unknown !== undefined)
        throw new PelletError('invalid_option', `labels: expected classes of the model, found ${unknown}`)
      const [boxes, scores, classes]: [number[], number[], number[]] = [[], [], []]
      reader.read(outputs, options.min_confidence, (box, score, index) => {
        if (wanted?.includes(labels[index]!) === false || !isSeen(boxToSource(input, box))) return
        boxes.push(...box)
        scores.push(score)
        classes.push(index)
      })
      return nms(boxes, scores, { iou: options.nms, limit: options.max_objects, classes }).map((i) => ({
        label: labels[classes[i]!]!,
        class_id: classes[i]!,
        confidence: Math.min(Math.round(scores[i]! * 1e4) / 1e4, 1),
        box: boxToSource(input, boxes.slice(i * 4, i * 4 + 4)),
      }))
    }),

    /** DeepStack's answer: whole pixels of the posted picture, edges within it. */
    'detect.predictions': step.result((result) => ({
      success: true,
      predictions: (result as Detection[]).map(({ label, confidence, box }) => {
        const [x_min, y_min, x_max, y_max] = box.map(Math.round)
        return { label, confidence, x_min, y_min, x_max, y_max }
      }),
    })),

    /** Boxes as x, y, width, height, in pixels to two decimals; `annotate` adds the picture with them as a JPEG data URI. */
    'detect.objects': step.result(async (result, { source, model, options, elapsedMs }) => {
      const detections = result as Detection[]
      const pixels = options.annotate ? await source!.pixels() : undefined
      for (const { label, confidence, box } of pixels ? detections.toReversed() : [])
        drawBox(pixels!, box, { label: `${label} ${confidence.toFixed(2)}` })
      const jpeg = pixels && Buffer.from(await toJpeg(pixels)).toString('base64')
      return {
        objects: detections.map(({ box: [left, top, right, bottom], ...object }) => ({
          ...object,
          bbox: [left, top, right - left, bottom - top].map((value) => Math.round(value * 100) / 100),
        })),
        num_objects: detections.length,
        model: model.entry.name,
        inference_time_ms: Math.round(elapsedMs() * 100) / 100,
        image: { width: source!.width, height: source!.height },
        ...(jpeg && { annotated_image: `data:image/jpeg;base64,${jpeg}` }),
      }
    }),
  },
})

// --- internal ---

type Box = readonly [left: number, top: number, right: number, bottom: number]
type Size = Pick<Picture, 'width' | 'height'>

interface Detection {
  label: string
  class_id: number
  confidence: number
  box: Box
}

/** One way to read outputs of known shapes. */
interface Reader {
  classes: number
  /** Gives all boxes whose score is at least `minimum`, in pixels of the model's input. */
  read(outputs: Tensors, minimum: number, give: (box: Box, score: number, index: number) => void): void
}

/** Readers by the word `decode` of the model's entry; undefined where the shapes are others. */
const readers: Record<string, (outputs: readonly TensorInfo[], size: Size) => Reader | undefined> = {
  yolox: yoloxReader,
  yolov8: (outputs, size) => exportReader(outputs, size) ?? headsReader(outputs, size),
  'nms-by-class': nmsReader,
}

/** Whether whole pixels are left of a clipped box: not in the letterbox's margin, nor made of NaN. */
function isSeen([left, top, right, bottom]: Box): boolean {
  return Math.round(right) > Math.round(left) && Math.round(bottom) > Math.round(top)
}

function checkModel({ model, files }: CheckContext): void {
  const { decode } = model.entry
  if (decode !== undefined && !Object.hasOwn(readers, decode))
    throw failure(`expected decode: ${Object.keys(readers).join(', ')} in the model's entry, found ${decode}`)
  // Sizes that the model leaves open are only known with the first picture; its batch is 1.
  const isOpen = model.outputs.some(({ shape }) => shape.slice(1).some((length) => typeof length === 'string'))
  const size = inputSizeOf(model)
  labelsOf(files, size && !isOpen ? readerOf(model, model.outputs, size).classes : undefined)
}

function readerOf({ entry }: ModelInfo, outputs: readonly TensorInfo[], size: Size): Reader {
  const words = entry.decode === undefined ? Object.keys(readers) : [entry.decode]
  for (const word of words) {
    const reader = readers[word]!(outputs, size)
    if (reader) return reader
  }
  const cells = cellsOf(size)
  const found = outputs.map(({ name, shape }) => `"${name}" [${shape.join(', ')}]`).join(', ')
  throw failure(
    `expected outputs of ${words.join(', ')} for ${size.width} x ${size.height} pixels (yolox: [1, ${cells}, 5 + classes]; yolov8: [1, 4 + classes, ${cells}], or for each stride a map of 64 channels and one of the classes; nms-by-class: [classes, 1 + 5 * boxes]), found ${found}`,
  )
}

/** Where in an output the first channel of the first cell lies, and how far it is to the next cell and channel. */
interface View {
  name: string
  from: number
  cellStep: number
  channelStep: number
}

/** A grid of cells, each with at most one object. */
interface Grid {
  stride: number
  width: number
  cells: number
  boxes: View
  scores: View
  /** What every score of a cell is multiplied with. */
  objectness?: View
}

/** The box of a cell from its channels. */
type ToBox = (value: (channel: number) => number, column: number, row: number, stride: number) => Box

const strides = [8, 16, 32]
/** Channels of one distance. */
const bins = 16

function yoloxReader(outputs: readonly TensorInfo[], size: Size): Reader | undefined {
  const output = rowsAmong(outputs, (rows, columns) => rows === cellsOf(size) && columns > 5)
  if (!output) return undefined
  const { name, columns } = output
  let start = 0
  const grids = strides.map((stride): Grid => {
    const cells = cellsOf(size, [stride])
    const view = (column: number): View => ({ name, from: start + column, cellStep: columns, channelStep: 1 })
    const [boxes, objectness, scores] = [view(0), view(4), view(5)]
    start += cells * columns
    return { stride, width: Math.ceil(size.width / stride), cells, boxes, objectness, scores }
  })
  return gridReader(grids, columns - 5, (value, column, row, stride) =>
    around(column + value(0), row + value(1), Math.exp(value(2)), Math.exp(value(3)), stride),
  )
}

/** YOLOv8 whose graph works out the boxes: all grids are one list. */
function exportReader(outputs: readonly TensorInfo[], size: Size): Reader | undefined {
  const output = rowsAmong(outputs, (rows, columns) => rows > 4 && columns === cellsOf(size))
  if (!output) return undefined
  const { name, rows, columns: cells } = output
  const boxes = { name, from: 0, cellStep: 1, channelStep: cells }
  const grid = { stride: 1, width: cells, cells, boxes, scores: { ...boxes, from: 4 * cells } }
  return gridReader([grid], rows - 4, (value) => around(value(0), value(1), value(2), value(3)))
}

/** YOLOv8 whose last convolutions are the outputs. */
function headsReader(outputs: readonly TensorInfo[], size: Size): Reader | undefined {
  // 80 classes on a grid of 80 x 80 fit both ways: the layout in which all maps fit is the model's.
  const heads = headsOf(outputs, size, false) ?? headsOf(outputs, size, true)
  if (!heads) return undefined
  const toBox: ToBox = (value, column, row, stride) => {
    const distance = (side: number) => meanBin(Array.from({ length: bins }, (_, i) => value(side * bins + i))) * stride
    const [x, y] = [(column + 0.5) * stride, (row + 0.5) * stride]
    return [x - distance(0), y - distance(1), x + distance(2), y + distance(3)]
  }
  return gridReader(heads.grids, heads.classes, toBox, (outputs) => {
    const { boxes, scores } = heads.grids[0]!
    // Quantised, probabilities may be a step beyond 0 and 1.
    return scores.name === boxes.name || toFloat32(outputs[scores.name]).some((score) => Math.abs(score - 0.5) > 0.51)
  })
}

/** The heads, coarsest first; undefined when an output is no map, or has no other half. */
function headsOf(outputs: readonly TensorInfo[], size: Size, isNchw: boolean) {
  const maps = outputs.map(({ name, shape }) => {
    const dims = (shape.length === 4 ? shape.slice(1) : shape) as number[]
    const [channels = 0, height = 0, width = 0] = isNchw ? dims : [dims[2], dims[0], dims[1]]
    const fits = dims.length === 3 && size.width / width === size.height / height
    return { name, channels, width, cells: width * height, stride: fits ? size.width / width : 0 }
  })
  const grids: Grid[] = []
  let classes = 0
  for (const stride of new Set(maps.map((map) => map.stride).sort((a, b) => b - a))) {
    const [one, other, ...more] = maps.filter((map) => map.stride === stride)
    const [boxes, scores] = other && one!.channels !== 4 * bins ? [other, one!] : [one!, other ?? one!]
    const from = other ? 0 : 4 * bins
    classes ||= scores.channels - from
    if (!Number.isInteger(stride) || stride < 1 || more.length > 0) return undefined
    if ((other && boxes.channels !== 4 * bins) || classes < 1 || scores.channels !== from + classes) return undefined
    const view = ({ name, channels, cells }: typeof boxes, first: number): View => {
      if (isNchw) return { name, from: first * cells, cellStep: 1, channelStep: cells }
      return { name, from: first, cellStep: channels, channelStep: 1 }
    }
    grids.push({ stride, width: boxes.width, cells: boxes.cells, boxes: view(boxes, 0), scores: view(scores, from) })
  }
  return { grids, classes }
}

/** Mean of 0 to 15, weighted by the softmax of the values. */
function meanBin(values: number[]): number {
  const most = Math.max(...values)
  const weights = values.map((value) => Math.exp(value - most))
  const sum = weights.reduce((all, weight) => all + weight)
  return weights.reduce((all, weight, bin) => all + weight * bin, 0) / sum
}

/** Looks at scores first, as they are stored, each class perhaps on a scale of its own; only what passes gets a box. */
function gridReader(grids: Grid[], classes: number, toBox: ToBox, hasLogits?: (outputs: Tensors) => boolean): Reader {
  const read: Reader['read'] = (outputs, minimum, give) => {
    const isLogits = hasLogits?.(outputs) ?? false
    const least = isLogits ? Math.log(minimum / (1 - minimum)) : minimum
    for (const { stride, width, cells, boxes, scores, objectness } of grids) {
      const numbers = numbersOf(outputs[scores.name])
      const { from, cellStep, channelStep } = scores
      const places = numbersOf(outputs[boxes.name])
      let floor = Infinity // Math.min of a list would be a boxed number, and the loop below a sixth slower.
      for (let i = 0; i < classes; i++) floor = Math.min(floor, numbers.least(least, from + i * channelStep))
      for (let cell = 0; cell < cells; cell++) {
        // No class is surer than 1: where there is no object, its classes need no look.
        const sureness = objectness ? numbers.at(objectness.from + cell * cellStep) : 1
        if (!(sureness >= minimum)) continue
        const first = from + cell * cellStep
        // From the last, so that of equal ones the first wins. Most cells have none, and this loop is all that they cost.
        let best = lastFrom(floor, numbers.data, first, first + (classes - 1) * channelStep, channelStep)
        if (best < first) continue
        for (let at = best - channelStep; at >= first; at -= channelStep)
          if (numbers.data[at]! >= floor && numbers.at(at) >= numbers.at(best)) best = at
        const most = numbers.at(best)
        const score = (isLogits ? 1 / (1 + Math.exp(-most)) : most) * sureness
        if (!(score >= minimum)) continue
        const channel = (index: number) => places.at(boxes.from + cell * boxes.cellStep + index * boxes.channelStep)
        give(toBox(channel, cell % width, Math.floor(cell / width), stride), score, (best - first) / channelStep)
      }
    }
  }
  return { classes, read }
}

/** The last index, from `end` down to `first`, of a number of at least `floor`; below `first` where there is none. */
function lastFrom(floor: number, data: ArrayLike<number>, first: number, end: number, step: number): number {
  let at = end
  while (at >= first && !(data[at]! >= floor)) at -= step
  return at
}

function nmsReader(outputs: readonly TensorInfo[], { width, height }: Size): Reader | undefined {
  const { name, shape } = outputs[0]!
  const [classes = 0, length = 0] = shape as number[]
  const most = (length - 1) / 5
  if (outputs.length > 1 || shape.length !== 2 || most < 1 || !Number.isInteger(most)) return undefined
  const read: Reader['read'] = (outputs, minimum, give) => {
    const data = toFloat32(outputs[name])
    for (let index = 0, at = 0; index < classes; index++) {
      const count = data[at++]!
      if (!(Number.isInteger(count) && count >= 0 && count <= most))
        throw failure(`expected packed boxes in "${name}", 0 to ${most} of class ${index}, found ${count}`)
      for (const end = at + count * 5; at < end; at += 5) {
        const [top = 0, left = 0, bottom = 0, right = 0, score = 0] = data.subarray(at, at + 5)
        if (score >= minimum) give([left * width, top * height, right * width, bottom * height], score, index)
      }
    }
  }
  return { classes, read }
}

/** Cells of all grids; a side that a stride does not divide is rounded up, as padded convolutions do. */
function cellsOf({ width, height }: Size, of = strides): number {
  return of.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0)
}

/** The output of dims [1, rows, columns] or [rows, columns] that fits. */
function rowsAmong(outputs: readonly TensorInfo[], fits: (rows: number, columns: number) => boolean) {
  for (const { name, shape } of outputs) {
    const [rows = 0, columns = 0] = shape.slice(-2) as number[]
    if (shape.length <= 3 && fits(rows, columns)) return { name, rows, columns }
  }
  return undefined
}

function around(x: number, y: number, width: number, height: number, unit = 1): Box {
  return [(x - width / 2) * unit, (y - height / 2) * unit, (x + width / 2) * unit, (y + height / 2) * unit]
}

/** The names of the classes; blank lines at the end are none. @throws PelletError when there are not `count` */
function labelsOf(files: Record<string, unknown>, count?: number): string[] {
  const list = z.array(z.string()).safeParse(files['labels']).data
  const names = list?.slice(0, list.findLastIndex((label) => label.trim() !== '') + 1)
  if (names && (count === undefined || names.length === count)) return names
  throw failure(
    `expected ${count ?? 'all'} names of classes in files.labels, a line each, found ${names?.length ?? 'none'}`,
  )
}

/** Size of the input that takes the picture; undefined where the model leaves it open. */
function inputSizeOf({ inputs, entry }: ModelInfo): Size | undefined {
  const shape = inputs.find(({ shape }) => shape.length === 4)?.shape ?? []
  const isNchw = entry.layout ? entry.layout === 'nchw' : shape[1] === 3 || shape[1] === 1
  const [height, width] = shape.slice(isNchw ? 2 : 1)
  return typeof width === 'number' && typeof height === 'number' ? { width, height } : undefined
}

function failure(sentence: string): PelletError {
  return new PelletError('function_failed', `detect.decode: ${sentence}`)
}

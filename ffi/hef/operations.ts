import { hostOrder, padOrders, padTypes, type FormatOrder } from './formats.ts'
import { HefError } from './hef-error.ts'
import type { NetworkGroupProto, NmsOpProto, OpProto } from './proto.ts'
import type { Boundary } from './streams.ts'
import { sized } from './tensors.ts'
import type { HefNms, HefShape, HefStream, HefTensor } from './types.ts'

/** What HailoRT computes on the host from outputs of the chip: boxes, softmax, argmax. */
export interface Operation {
  /** The streams that feed it; a program does not see them. */
  inputs: HefStream[]
  output: HefTensor
}

/**
 * The operations of a network group, in the order of the file.
 * @param network the name that their outputs carry
 * @throws HefError
 */
export function readOperations(group: NetworkGroupProto, boundaries: Boundary[], network: string): Operation[] {
  const sourceOf = new Map(group.padEdges.map(({ source, target }) => [target, source]))
  const outputOf = new Map(
    boundaries.filter(({ stream }) => stream.direction === 'output').map(({ stream, padIndex }) => [padIndex, stream]),
  )
  return group.ops
    .filter((op) => op.coreOp === undefined)
    .map((op) => {
      const inputs = op.inputPads.map(({ index }) => {
        const source = sourceOf.get(index)
        const stream = source === undefined ? undefined : outputOf.get(source)
        if (!stream)
          throw new HefError(`${titleOf(op)}: expected its input ${index} to be an output of the chip, found none`)
        return stream
      })
      return { inputs, output: readOutput(op, inputs, network, outputOf) }
    })
}

// --- internal ---

function titleOf({ name }: OpProto): string {
  return `operation ${name || 'without a name'}`
}

function readOutput(op: OpProto, inputs: HefStream[], network: string, outputOf: Map<number | undefined, HefStream>) {
  const [pad] = op.outputPads
  const [input] = inputs
  if (!pad || !input) throw new HefError(`${titleOf(op)}: expected an input and an output, found none`)
  const head = { name: pad.name, direction: 'output', network, isTransposed: false } as const
  if (op.nms) return readBoxes(op.nms, head, inputs, outputOf)
  if (!op.logits) throw new HefError(`${titleOf(op)}: expected boxes, softmax or argmax, found something else`)
  const isArgmax = op.logits.type === 0
  const [height, width, features] = input.shape
  const order = padOrders[pad.order] ?? (isArgmax ? argmaxOrder(input.order) : hostOrder(input.order))
  const shape: HefShape = [height, width, isArgmax ? 1 : features]
  const type = padTypes[pad.type] ?? (isArgmax ? input.type : 'float32')
  return sized({ ...head, shape, order, type })
}

function argmaxOrder(order: FormatOrder): FormatOrder {
  return order === 'NC' ? 'NC' : 'NHW'
}

type Head = Pick<HefTensor, 'name' | 'direction' | 'network' | 'isTransposed'>

function readBoxes(op: NmsOpProto, head: Head, inputs: HefStream[], outputOf: Map<number | undefined, HefStream>) {
  const kind = kindOf(op)
  const nms: HefNms = {
    kind,
    classes: op.classes - (op.removesBackground ? 1 : 0),
    maxBoxesPerClass: op.maxBoxesPerClass,
    scoreThreshold: op.scoreThreshold,
    iouThreshold: op.iouThreshold,
    ...(op.yolov5Seg && { maskThreshold: op.yolov5Seg.maskThreshold }),
    boxesOnly: op.boxesOnly,
  }
  if (!op.boxesOnly || kind === 'yolov5-seg') {
    const hasMasks = kind === 'yolov5-seg'
    return sized({
      ...head,
      order: hasMasks ? 'HAILO_NMS_WITH_BYTE_MASK' : 'HAILO_NMS_BY_CLASS',
      // Detections with masks are structs, which HailoRT calls bytes.
      type: hasMasks ? 'uint8' : 'float32',
      nms,
    })
  }
  const shape = boxesShape(op, kind, inputs, outputOf)
  return sized({ ...head, order: 'NHWC', type: 'float32', shape, nms })
}

function kindOf(op: NmsOpProto): HefNms['kind'] {
  if (op.yolov5) return 'yolov5'
  if (op.yolox) return 'yolox'
  if (op.ssd) return 'ssd'
  if (op.iou) return 'iou'
  if (op.yolov5Seg) return 'yolov5-seg'
  if (op.yolov8) return 'yolov8'
  throw new HefError('an NMS operation: expected one of HailoRT 4.23 or 5.2, found another')
}

/** All boxes as rows: of YOLOv5 one for each anchor of each cell, of YOLOv8 one for each cell, which two inputs share. */
function boxesShape(
  op: NmsOpProto,
  kind: string,
  inputs: HefStream[],
  outputOf: Map<number | undefined, HefStream>,
): HefShape {
  const cells = ({ shape: [height, width] }: HefStream) => height * width
  if (kind === 'yolov8') return [1, Math.floor(sum(inputs.map(cells)) / 2), 4 + op.classes]
  if (kind !== 'yolov5') throw new HefError(`an NMS operation: expected boxes alone of YOLOv5 or YOLOv8, found ${kind}`)
  const rows = op.yolov5!.decoders.map(({ anchorWidths, padIndex }) => {
    const stream = outputOf.get(padIndex)
    if (!stream) throw new HefError(`an NMS operation: expected output ${padIndex} of the chip, found none`)
    return anchorWidths.length * cells(stream)
  })
  return [1, sum(rows), 5 + op.classes]
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

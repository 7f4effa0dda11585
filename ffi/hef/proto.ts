import {
  bool,
  double,
  doubles,
  float,
  list,
  many,
  message,
  one,
  optional,
  text,
  uint32,
  uint32s,
  uint64,
  type Decoded,
  type Message,
} from './message.ts'

/**
 * The protobuf part of a HEF: its messages with the fields that say what goes in and out. What the chip is told to do
 * (operations, configuration, weights) is left out. Field numbers as in `hef.proto` of HailoRT 4.23 and 5.2.
 */

const quantization = message(() => ({
  zeroPoint: float(1),
  scale: float(2),
  min: float(3),
  max: float(4),
  featureZeroPoints: doubles(5),
  featureScales: doubles(6),
}))

const nmsInfo = message(() => ({
  classes: uint64(2),
  maxBoxesPerClass: uint64(3),
  bboxBytes: uint64(4),
  isDefused: bool(5),
  defuse: one(
    6,
    message(() => ({ originalName: text(3) })),
  ),
  chunks: uint64(7),
}))
export type NmsInfoProto = Decoded<typeof nmsInfo>

const layerBase = message(() => ({
  height: uint32(1),
  paddedHeight: uint32(2),
  width: uint32(3),
  paddedWidth: uint32(4),
  features: uint32(5),
  paddedFeatures: uint32(6),
  format: uint32(7),
  index: uint32(8),
  bytesPerBuffer: uint32(9),
  buffersPerFrame: uint32(10),
  additional: one(
    11,
    message(() => ({ nms: one(1, nmsInfo) })),
  ),
  elementBytes: uint32(12),
}))
export type LayerBaseProto = Decoded<typeof layerBase>

const layerInfo = message(() => ({
  name: text(1),
  base: one(2, layerBase),
  quantization: one(3, quantization),
  originalNames: many(text(5)),
  transposed: bool(6),
}))
export type LayerInfoProto = Decoded<typeof layerInfo>

/** Several layers through one channel of the chip; it may hold further ones. */
export interface LayerMuxProto {
  name: string
  base: LayerBaseProto | undefined
  originalNames: string[]
  predecessors: { info: LayerInfoProto | undefined; mux: LayerMuxProto | undefined }[]
}
const layerMux: Message<LayerMuxProto> = message(() => ({
  name: text(1),
  base: one(2, layerBase),
  predecessors: list(
    5,
    message(() => ({ info: one(1, layerInfo), mux: one(2, layerMux) })),
  ),
  originalNames: many(text(6)),
}))

/** A picture whose planes are layers of their own. */
const layerPlanes = message(() => ({
  name: text(1),
  format: uint32(2),
  planes: list(
    3,
    message(() => ({ info: one(1, layerInfo) })),
  ),
  height: uint32(4),
  width: uint32(5),
  features: uint32(6),
}))

const edgeLayer = message(() => ({
  /** 0 host to device, 1 device to host. */
  direction: uint32(1),
  /** 0 info, 1 mux, 2 planes. */
  type: uint32(2),
  info: one(3, layerInfo),
  mux: one(4, layerMux),
  /** 0 boundary, 1 between contexts, 2 DDR, 3 cache. */
  connection: one(
    5,
    message(() => ({ type: uint32(3) })),
  ),
  networkIndex: uint32(6),
  padIndex: optional(uint32(7)),
  planes: one(8, layerPlanes),
}))
export type EdgeLayerProto = Decoded<typeof edgeLayer>

const context = message(() => ({
  metadata: one(
    3,
    message(() => ({ edgeLayers: list(2, edgeLayer), sortedOutputs: many(text(5)) })),
  ),
}))

/** What runs on the chip. A network group of an older HEF has the same fields itself. */
const coreOpFields = () => ({
  metadata: one(
    1,
    message(() => ({ name: text(1), transposed: bool(3), bottleneckFps: double(4), latencySeconds: double(6) })),
  ),
  contexts: list(3, context),
  sortedOutputs: many(text(4)),
  fused: one(
    5,
    message(() => ({
      hasFusedLayers: bool(1),
      sortedOutputs: many(text(2)),
      layers: list(
        3,
        message(() => ({ info: one(1, layerInfo), nms: one(3, nmsInfo) })),
      ),
    })),
  ),
  networkNames: many(text(6)),
})
const coreOp = message(coreOpFields)
export type CoreOpProto = Decoded<typeof coreOp>

/** The same network laid out for a part of the chip. */
const partial = message(() => ({ coreOp: one(1, coreOp) }))

const pad = message(() => ({ index: uint32(1), name: text(2), order: uint32(3), type: uint32(8) }))

const boxDecoder = message(() => ({ anchorWidths: uint32s(3), padIndex: uint32(5) }))

const nmsOp = message(() => ({
  scoreThreshold: double(1),
  iouThreshold: double(2),
  maxBoxesPerClass: uint32(3),
  classes: uint32(4),
  removesBackground: bool(5),
  yolov5: one(
    7,
    message(() => ({ ...imageSize(), decoders: list(4, boxDecoder) })),
  ),
  yolox: one(8, message(imageSize)),
  ssd: one(9, message(imageSize)),
  iou: one(
    10,
    message(() => ({})),
  ),
  yolov5Seg: one(
    11,
    message(() => ({ ...imageSize(), maskThreshold: double(5) })),
  ),
  yolov8: one(12, message(imageSize)),
  boxesOnly: bool(13),
}))
export type NmsOpProto = Decoded<typeof nmsOp>

const op = message(() => ({
  name: text(1),
  inputPads: list(2, pad),
  outputPads: list(3, pad),
  coreOp: one(
    4,
    message(() => ({ ...coreOpFields(), partials: list(7, partial) })),
  ),
  nms: one(5, nmsOp),
  /** 0 argmax, 1 softmax. */
  logits: one(
    6,
    message(() => ({ type: uint32(1) })),
  ),
}))
export type OpProto = Decoded<typeof op>

const networkGroup = message(() => ({
  ...coreOpFields(),
  partials: list(7, partial),
  ops: list(8, op),
  padEdges: list(
    9,
    message(() => ({ source: uint32(1), target: uint32(2) })),
  ),
}))
export type NetworkGroupProto = Decoded<typeof networkGroup>

const extension = message(() => ({ id: uint32(1), name: text(2) }))

export const hefMessage = message(() => ({
  header: one(
    1,
    message(() => ({
      arch: uint32(1),
      timestampMs: uint64(2),
      compiler: text(3),
      formatVersion: uint64(4),
      compilerVersion: one(
        5,
        message(() => ({ major: uint32(1), minor: uint32(2), revision: uint32(3) })),
      ),
    })),
  ),
  networkGroups: list(2, networkGroup),
  extensions: list(5, extension),
  optionalExtensions: list(6, extension),
  externalResources: list(
    7,
    message(() => ({ offset: uint64(1), sizeBytes: uint64(2), name: text(3) })),
  ),
}))
export type HefProto = Decoded<typeof hefMessage>

// --- internal ---

function imageSize() {
  return { imageHeight: double(1), imageWidth: double(2) }
}

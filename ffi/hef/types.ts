import type { Extension, HefArch } from './arch.ts'
import type { ElementType, FormatOrder } from './formats.ts'
import type { HefHeader } from './header.ts'

/** What a HEF says of itself; plain data. Sizes in bytes, checksums in hex and verified. */
export interface Hef {
  sizeBytes: number
  header: HefHeader
  arch: HefArch
  compiler: {
    /** As `3.30.0`. */
    version: string
    /** What the compiler wrote of itself, which may be longer. */
    text: string
    /** Of the protobuf part. */
    formatVersion: number
    /** Milliseconds since 1970. */
    compiledAtMs: number
  }
  /** What HailoRT must know to run it. */
  extensions: Extension[]
  optionalExtensions: Extension[]
  externalResources: { name: string; offset: number; sizeBytes: number }[]
  networkGroups: HefNetworkGroup[]
}

export interface HefNetworkGroup {
  name: string
  /** `group/network`. */
  networks: string[]
  /** Parts that run on the chip one after the other; more than one where the network does not fit as a whole. */
  contexts: number
  /** The compiler's own estimates. */
  bottleneckFps: number
  latencySeconds: number
  /** What a program hands in and gets back, in the order of the file. */
  inputs: HefTensor[]
  outputs: HefTensor[]
  /** What goes over the border of the chip. Several may make one tensor, or one several. */
  streams: HefStream[]
}

/** Height, width, channels ("features"). */
export type HefShape = [height: number, width: number, features: number]

/** A tensor as HailoRT hands it to a program when it is asked for no other type or order (a "vstream"). */
export interface HefTensor {
  name: string
  direction: 'input' | 'output'
  network: string
  /** None where the output is a list of boxes, see `nms`. */
  shape?: HefShape
  order: FormatOrder
  type: ElementType
  /** Height and width are the other way round on the chip. */
  isTransposed: boolean
  /** `(q - zeroPoint) * scale`. None where the values are floats already. */
  quantization?: HefQuantization
  nms?: HefNms
  /** Of one frame; for boxes the largest. None for boxes with masks, where it depends on HailoRT. */
  frameBytes?: number
}

/** One scale and zero point for all features, or one for each. */
export interface HefQuantization {
  scales: number[]
  zeroPoints: number[]
  /** The smallest and largest value that can be told. */
  min: number
  max: number
}

/** Non-maximum suppression that is part of the HEF: the output is a list of boxes. */
export interface HefNms {
  kind: 'chip' | 'yolov5' | 'yolox' | 'ssd' | 'iou' | 'yolov5-seg' | 'yolov8'
  /** Without the background. */
  classes: number
  maxBoxesPerClass: number
  /** What HailoRT starts with; a program may set others. None where the chip does it. */
  scoreThreshold?: number
  iouThreshold?: number
  maskThreshold?: number
  /** Only boxes are decoded, none is suppressed. */
  boxesOnly: boolean
}

/** A channel between the chip and the host, as the file has it. */
export interface HefStream {
  name: string
  direction: 'input' | 'output'
  /** A mux and a picture in planes carry the streams in `parts`. */
  kind: 'layer' | 'mux' | 'planes'
  network: string
  /** The part of the network that uses it, from 0. */
  context: number
  /** Number of the channel on the chip. */
  index: number
  shape: HefShape
  /** With what the chip adds. */
  paddedShape: HefShape
  order: FormatOrder
  type: ElementType
  isTransposed: boolean
  /** The layers that it had in the model before compilation. */
  originalNames: string[]
  scale: number
  zeroPoint: number
  min: number
  max: number
  /** For each feature, where the compiler wrote them; HailoRT does not use them in every HEF, see `HefTensor`. */
  featureScales: number[]
  featureZeroPoints: number[]
  /** How it is cut for the transfer. */
  bytesPerBuffer: number
  buffersPerFrame: number
  /** On the chip. `fusedName`: this is a part of that output, cut by classes. */
  nms?: { classes: number; maxBoxesPerClass: number; chunks: number; isDefused: boolean; fusedName?: string }
  parts: HefStream[]
}

/** Writes the protobuf part of a HEF: the messages of HailoRT's hef.proto that say what goes in and out. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

export interface HefLayer {
  name: string
  shape: [height: number, width: number, features: number]
  padded?: [height: number, width: number, features: number]
  /** The compiler's number. @default 1, NHCW */
  format?: number
  /** Of an element. @default 1 */
  bytes?: number
  scale?: number
  zeroPoint?: number
  featureScales?: number[]
  featureZeroPoints?: number[]
  transposed?: boolean
  nms?: HefNmsLayer
}

export interface HefNmsLayer {
  classes: number
  boxes: number
  chunks?: number
  /** The layer that this is a part of. */
  fused?: string
}

export interface HefMux {
  mux: string
  of: (HefLayer | HefMux)[]
}

export interface HefPlanes {
  planes: string
  format: number
  shape: [height: number, width: number, features: number]
  of: HefLayer[]
}

export interface HefEdge {
  layer: HefLayer | HefMux | HefPlanes
  isOutput?: boolean
  /** @default 0, the boundary */
  connection?: number
  network?: number
  pad?: number
  /** @default 0 */
  context?: number
}

export interface HefOp {
  name: string
  inputs: number[]
  output: { name: string; order?: number; type?: number }
  logits?: number
  nms?: {
    /** Field number of the kind: 7 YOLOv5, 8 YOLOX, 9 SSD, 10 IoU, 11 YOLOv5 with masks, 12 YOLOv8. */
    kind: number
    classes: number
    boxes: number
    background?: boolean
    boxesOnly?: boolean
    /** YOLOv5: output pads of the chip with the widths of their anchors. */
    anchors?: [pad: number, widths: number[]][]
  }
}

export interface HefGroup {
  name: string
  edges: HefEdge[]
  sortedOutputs?: string[]
  networkNames?: string[]
  ops?: HefOp[]
  padEdges?: [source: number, target: number][]
  /** Layers that were cut by classes. */
  fused?: { name: string; nms: HefNmsLayer }[]
  /** Where the core op stands. @default 'group' */
  layout?: 'group' | 'partial' | 'op' | 'partial op'
}

export interface HefSpec {
  /** @default 1, Hailo-8 */
  arch?: number
  /** @default '3.33.0' */
  compiler?: string
  /** Beside PERIPH_CALCULATION_IN_HAILORT, which all have. */
  extensions?: number[]
  optionalExtensions?: number[]
  groups: HefGroup[]
}

/** The protobuf part. */
export function toHefProto(spec: HefSpec): Uint8Array {
  const { arch = 1, compiler = '3.33.0', extensions = [], optionalExtensions = [], groups } = spec
  const extension = (id: number): Fields => [uint(1, id), text(2, `EXTENSION_${id}`)]
  return encode([
    message(1, [uint(1, arch), uint(2, 1_700_000_000_000), text(3, compiler), uint(4, 5)]),
    ...groups.map((group) => message(2, toGroup(group))),
    ...[26, ...extensions].map((id) => message(5, extension(id))),
    ...optionalExtensions.map((id) => message(6, extension(id))),
  ])
}

// --- internal ---

type Fields = ((writer: BinaryWriter) => unknown)[]

const uint = (number: number, value: number) => (writer: BinaryWriter) =>
  writer.tag(number, WireType.Varint).uint64(value)
const float = (number: number, value: number) => (writer: BinaryWriter) =>
  writer.tag(number, WireType.Bit32).float(value)
const double = (number: number, value: number) => (writer: BinaryWriter) =>
  writer.tag(number, WireType.Bit64).double(value)
const text = (number: number, value: string) => (writer: BinaryWriter) =>
  writer.tag(number, WireType.LengthDelimited).string(value)

const message = (number: number, fields: Fields) => (writer: BinaryWriter) => {
  writer.tag(number, WireType.LengthDelimited).fork()
  for (const field of fields) field(writer)
  return writer.join()
}

const doubles = (number: number, values: number[]) => (writer: BinaryWriter) => {
  writer.tag(number, WireType.LengthDelimited).fork()
  for (const value of values) writer.double(value)
  return writer.join()
}

function encode(fields: Fields): Uint8Array {
  const writer = new BinaryWriter()
  for (const field of fields) field(writer)
  return writer.finish()
}

function toGroup(group: HefGroup): Fields {
  const { name, layout = 'group', sortedOutputs = [], ops = [], padEdges = [] } = group
  const coreOp = toCoreOp(group)
  const metadata = message(1, [text(1, name)])
  const rest = [
    ...ops.map((op) => message(8, toOp(op))),
    ...padEdges.map(([source, target]) => message(9, [uint(1, source), uint(2, target)])),
  ]
  const sorted = sortedOutputs.map((output) => text(4, output))
  if (layout === 'group') return [...coreOp, ...rest]
  if (layout === 'partial') return [message(7, [message(1, coreOp), message(2, [uint(1, 3)])]), ...rest]
  const inOp = layout === 'op' ? coreOp : [metadata, message(7, [message(1, coreOp), message(2, [uint(1, 3)])])]
  return [metadata, ...sorted, message(8, [text(1, 'core'), message(4, inOp)]), ...rest]
}

function toCoreOp({ name, edges, sortedOutputs = [], networkNames = [], fused = [] }: HefGroup): Fields {
  const contexts = Math.max(0, ...edges.map(({ context = 0 }) => context)) + 1
  const fusedFields: Fields = [
    uint(1, 1),
    ...fused.map((layer) => text(2, layer.name)),
    ...fused.map((layer) =>
      message(3, [message(1, toLayer({ name: layer.name, shape: [1, 1, 1] })), message(3, toNms(layer.nms))]),
    ),
  ]
  return [
    message(1, [text(1, name), double(4, 100), double(6, 0.01)]),
    ...Array.from({ length: contexts }, (_, index) =>
      message(3, [
        uint(1, index),
        // An operation, which readers step over.
        message(2, [text(9, 'what the chip is told')]),
        message(
          3,
          edges.filter(({ context = 0 }) => context === index).map((edge) => message(2, toEdge(edge))),
        ),
      ]),
    ),
    ...sortedOutputs.map((output) => text(4, output)),
    ...(fused.length > 0 ? [message(5, fusedFields)] : []),
    ...networkNames.map((network) => text(6, network)),
  ]
}

function toEdge({ layer, isOutput = false, connection = 0, network = 0, pad }: HefEdge): Fields {
  const [type, body] =
    'mux' in layer
      ? [1, message(4, toMux(layer))]
      : 'planes' in layer
        ? [2, message(8, toPlanes(layer))]
        : [0, message(3, toLayer(layer))]
  return [
    uint(1, isOutput ? 1 : 0),
    uint(2, type),
    body,
    message(5, [uint(3, connection)]),
    uint(6, network),
    ...(pad === undefined ? [] : [uint(7, pad)]),
  ]
}

function toLayer(layer: HefLayer): Fields {
  const { name, scale = 0.5, zeroPoint = 7, featureScales = [], featureZeroPoints = [], transposed = false } = layer
  const quantization = [
    float(1, zeroPoint),
    float(2, scale),
    float(3, -1),
    float(4, 1),
    ...(featureZeroPoints.length > 0 ? [doubles(5, featureZeroPoints)] : []),
    ...(featureScales.length > 0 ? [doubles(6, featureScales)] : []),
  ]
  return [
    text(1, name),
    message(2, toBase(layer)),
    message(3, quantization),
    text(5, `${name}/original`),
    uint(6, transposed ? 1 : 0),
  ]
}

function toBase({ shape, padded = shape, format = 1, bytes = 1, nms }: Omit<HefLayer, 'name'>): Fields {
  const sizes = shape.flatMap((size, i) => [uint(2 * i + 1, size), uint(2 * i + 2, padded[i]!)])
  const buffers = [uint(8, 4), uint(9, shape[1] * shape[2]), uint(10, shape[0])]
  const additional = nms ? [message(11, [message(1, toNms(nms))])] : []
  return [...sizes, uint(7, format), ...buffers, ...additional, uint(12, bytes)]
}

function toNms({ classes, boxes, chunks = 1, fused }: HefNmsLayer): Fields {
  const defuse = fused === undefined ? [] : [uint(5, 1), message(6, [text(3, fused)])]
  return [uint(2, classes), uint(3, boxes), uint(4, 10), ...defuse, uint(7, chunks)]
}

function toMux({ mux, of }: HefMux): Fields {
  const inner = (part: HefLayer | HefMux) => ('mux' in part ? message(2, toMux(part)) : message(1, toLayer(part)))
  return [text(1, mux), message(2, toBase({ shape: [1, 1, 64] })), ...of.map((part) => message(5, [inner(part)]))]
}

function toPlanes({ planes, format, shape, of }: HefPlanes): Fields {
  const sizes = shape.map((size, i) => uint(4 + i, size))
  return [text(1, planes), uint(2, format), ...of.map((plane) => message(3, [message(1, toLayer(plane))])), ...sizes]
}

function toOp({ name, inputs, output, logits, nms }: HefOp): Fields {
  const pad = [uint(1, 99), text(2, output.name), uint(3, output.order ?? 0), uint(8, output.type ?? 0)]
  return [
    text(1, name),
    ...inputs.map((index) => message(2, [uint(1, index)])),
    message(3, pad),
    ...(nms ? [message(5, toNmsOp(nms))] : []),
    ...(logits === undefined ? [] : [message(6, [uint(1, logits)])]),
  ]
}

function toNmsOp({ kind, classes, boxes, background, boxesOnly, anchors = [] }: NonNullable<HefOp['nms']>): Fields {
  const decoder = ([pad, widths]: [number, number[]]) =>
    message(4, [...widths.map((width) => uint(3, width)), uint(5, pad)])
  const size = kind === 10 ? [] : [double(1, 64), double(2, 96)]
  const mask = kind === 11 ? [double(5, 0.6)] : []
  return [
    double(1, 0.25),
    double(2, 0.45),
    uint(3, boxes),
    uint(4, classes),
    uint(5, background ? 1 : 0),
    message(kind, [...size, ...anchors.map(decoder), ...mask]),
    uint(13, boxesOnly ? 1 : 0),
  ]
}

import { deviceOrder, elementTypeOf, planeOrders } from './formats.ts'
import { HefError } from './hef-error.ts'
import type {
  CoreOpProto,
  EdgeLayerProto,
  LayerBaseProto,
  LayerInfoProto,
  LayerMuxProto,
  NmsInfoProto,
} from './proto.ts'
import type { HefShape, HefStream } from './types.ts'

/** A stream, and the number by which the operations of the network group know it. */
export interface Boundary {
  stream: HefStream
  padIndex: number | undefined
}

/**
 * The streams between chip and host, in the order of the file. Those inside the chip or its DDR are left out.
 * @param networkOf the name of a network by its number
 * @throws HefError
 */
export function readBoundaries(coreOp: CoreOpProto, networkOf: (index: number) => string): Boundary[] {
  return coreOp.contexts.flatMap(({ metadata }, context) =>
    (metadata?.edgeLayers ?? [])
      .filter(({ connection }) => (connection?.type ?? boundary) === boundary)
      .map((edge) => {
        const place = { direction: directionOf(edge), network: networkOf(edge.networkIndex), context }
        return { stream: readEdge(edge, place), padIndex: edge.padIndex }
      }),
  )
}

/** @throws HefError where there are no classes or boxes */
export function toStreamNms(nms: NmsInfoProto | undefined, name: string): NonNullable<HefStream['nms']> {
  const { classes = 0, maxBoxesPerClass = 0, chunks = 0, isDefused = false } = nms ?? {}
  if (classes === 0 || maxBoxesPerClass === 0)
    throw new HefError(`${name}: expected an NMS with classes and boxes, found ${classes} and ${maxBoxesPerClass}`)
  return {
    classes,
    maxBoxesPerClass,
    chunks: chunks || 1,
    isDefused,
    ...(nms?.defuse && { fusedName: nms.defuse.originalName }),
  }
}

// --- internal ---

const boundary = 0

type Place = Pick<HefStream, 'direction' | 'network' | 'context'>

function directionOf({ direction }: EdgeLayerProto): HefStream['direction'] {
  return direction === 1 ? 'output' : 'input'
}

function readEdge({ type, info, mux, planes }: EdgeLayerProto, place: Place): HefStream {
  if (type === 0 && info) return readLayer(info, place)
  if (type === 1 && mux) return readMux(mux, place)
  if (type === 2 && planes) {
    const parts = planes.planes.map(({ info: plane }) => readLayer(required(plane, planes.name), place))
    const order = planeOrders[planes.format]
    if (order === undefined || parts[0] === undefined)
      throw new HefError(`${planes.name}: expected planes of NV12, NV21 or I420, found format ${planes.format}`)
    const shape: HefShape = [planes.height, planes.width, planes.features]
    return { ...parts[0], ...unquantized, name: planes.name, kind: 'planes', shape, paddedShape: shape, order, parts }
  }
  throw new HefError(`an edge layer: expected a layer, a mux or planes, found type ${type} and nothing that suits it`)
}

function readMux({ name, base, originalNames, predecessors }: LayerMuxProto, place: Place): HefStream {
  const parts = predecessors.map(({ info, mux }) =>
    mux ? readMux(mux, place) : readLayer(required(info, name), place),
  )
  return { ...readBase(name, base, place), kind: 'mux', originalNames, parts }
}

/** What layers and muxes have in common. */
function readBase(name: string, found: LayerBaseProto | undefined, place: Place): HefStream {
  const base = required(found, name)
  const order = deviceOrder(base.format, name)
  return {
    name,
    kind: 'layer',
    ...place,
    index: base.index,
    shape: [base.height, base.width, base.features],
    paddedShape: [base.paddedHeight, base.paddedWidth, base.paddedFeatures],
    order,
    type: elementTypeOf(base.elementBytes, name),
    ...unquantized,
    bytesPerBuffer: base.bytesPerBuffer,
    buffersPerFrame: base.buffersPerFrame,
    ...(order === 'HAILO_NMS_ON_CHIP' && { nms: toStreamNms(base.additional?.nms, name) }),
    parts: [],
  }
}

/** What a mux and planes do not have. */
const unquantized = {
  isTransposed: false,
  originalNames: [],
  scale: 0,
  zeroPoint: 0,
  min: 0,
  max: 0,
  featureScales: [],
  featureZeroPoints: [],
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new HefError(`${name}: expected a description of the layer, found none`)
  return value
}

/** A layer as a stream. @throws HefError */
function readLayer(layer: LayerInfoProto, place: Place): HefStream {
  const { name, quantization, transposed, originalNames } = layer
  return {
    ...readBase(name, layer.base, place),
    isTransposed: transposed,
    originalNames,
    scale: quantization?.scale ?? 0,
    zeroPoint: quantization?.zeroPoint ?? 0,
    min: quantization?.min ?? 0,
    max: quantization?.max ?? 0,
    featureScales: quantization?.featureScales ?? [],
    featureZeroPoints: quantization?.featureZeroPoints ?? [],
  }
}

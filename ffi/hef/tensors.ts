import { elementBytes, hostOrder } from './formats.ts'
import { HefError } from './hef-error.ts'
import type { CoreOpProto } from './proto.ts'
import { toStreamNms } from './streams.ts'
import type { HefNms, HefQuantization, HefShape, HefStream, HefTensor } from './types.ts'

export interface TensorRules {
  /** Outputs have a scale and zero point for each feature. */
  scalePerFeature: boolean
  fused: CoreOpProto['fused']
}

/** The tensors that HailoRT makes of a stream, before any operation on the host. @throws HefError */
export function tensorsOf(stream: HefStream, rules: TensorRules): HefTensor[] {
  if (stream.kind === 'mux') return stream.parts.flatMap((part) => tensorsOf(part, rules))
  const { name, direction, network, nms, isTransposed } = stream
  const head = { name, direction, network, isTransposed, type: stream.type }
  if (stream.kind === 'planes') return [sized({ ...head, order: stream.order, shape: stream.shape })]
  if (nms) return [sized({ ...head, ...boxesOf(name, nms, rules) })]
  const [height, width, features] = stream.shape
  const isTurned = isTransposed && stream.order !== 'NC'
  const shape: HefShape = isTurned ? [width, height, features] : [height, width, features]
  return [sized({ ...head, order: hostOrder(stream.order), shape, quantization: quantizationOf(stream, rules) })]
}

/** With its size, which must be one that a chip can have. @throws HefError */
export function sized(tensor: HefTensor): HefTensor {
  const { name, shape = [], type, nms, order } = tensor
  const elements =
    nms && !tensor.shape ? nms.classes * (1 + 5 * nms.maxBoxesPerClass) : shape.reduce((a, b) => a * b, 1)
  const frameBytes = elements * elementBytes[type]
  if (!(frameBytes > 0 && frameBytes < 2 ** 32))
    throw new HefError(
      `${name}: expected a shape of less than 4 GB, found ${shape.join(' x ') || `${elements} numbers`}`,
    )
  return order === 'HAILO_NMS_WITH_BYTE_MASK' ? tensor : { ...tensor, frameBytes }
}

// --- internal ---

/** The chip suppresses; HailoRT gives the boxes as floats. Parts of an output that was cut by classes are one tensor. */
function boxesOf(stream: string, part: StreamNms, { fused }: TensorRules) {
  let [name, whole] = [stream, part]
  if (part.isDefused && fused?.hasFusedLayers) {
    const layer = fused.layers.find(({ info }) => info?.name === part.fusedName)
    if (!layer?.info) throw new HefError(`${stream}: expected the fused layer ${part.fusedName}, found none`)
    name = layer.info.name
    whole = toStreamNms(layer.nms, name)
  }
  const { classes, maxBoxesPerClass, chunks } = whole
  const nms: HefNms = { kind: 'chip', classes, maxBoxesPerClass: maxBoxesPerClass * chunks, boxesOnly: false }
  return { name, type: 'float32', order: 'HAILO_NMS_BY_CLASS', nms } as const
}

type StreamNms = NonNullable<HefStream['nms']>

/** @throws HefError where there are neither as many as features nor none */
function quantizationOf(stream: HefStream, { scalePerFeature }: TensorRules): HefQuantization {
  const { name, direction, shape, scale, zeroPoint, min, max, featureScales, featureZeroPoints } = stream
  if (!scalePerFeature || direction === 'input') return { scales: [scale], zeroPoints: [zeroPoint], min, max }
  const features = shape[2]
  for (const { length } of [featureScales, featureZeroPoints])
    if (length !== 0 && length !== features)
      throw new HefError(`${name}: expected a scale and zero point for each of ${features} features, found ${length}`)
  const each = (values: number[], value: number) => (values.length > 0 ? values : Array<number>(features).fill(value))
  if (featureScales.length + featureZeroPoints.length === 0)
    return { scales: [scale], zeroPoints: [zeroPoint], min, max }
  return { scales: each(featureScales, scale), zeroPoints: each(featureZeroPoints, zeroPoint), min, max }
}

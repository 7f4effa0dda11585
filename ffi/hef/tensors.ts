import { elementBytes, elementTypeOf, hostOrder } from './formats.ts'
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
  if (!nms) {
    const quantization = quantizationOf(stream, rules)
    const order = hostOrder(stream.order)
    const [height, width, features] = stream.shape
    const isTurned = isTransposed && stream.order !== 'NC'
    const shape: HefShape = isTurned ? [width, height, features] : [height, width, features]
    return [sized({ ...head, order, shape, quantization })]
  }
  return [boxes(head, nms, stream, rules)]
}

/** With its size, which must be one that a chip can have. @throws HefError */
export function sized(tensor: HefTensor): HefTensor {
  const { name, shape = [], type, nms, order } = tensor
  const elements =
    nms && !tensor.shape ? nms.classes * (1 + 5 * nms.maxBoxesPerClass) : shape.reduce((a, b) => a * b, 1)
  const frameBytes = elements * elementBytes[type]
  if (frameBytes === 0 || frameBytes >= 2 ** 32)
    throw new HefError(
      `${name}: expected a shape of less than 4 GB, found ${shape.join(' x ') || `${elements} numbers`}`,
    )
  return order === 'HAILO_NMS_WITH_BYTE_MASK' ? tensor : { ...tensor, frameBytes }
}

// --- internal ---

/** The chip suppresses; HailoRT gives the boxes as floats. Parts of an output that was cut by classes are one tensor. */
function boxes(
  head: Omit<HefTensor, 'order'>,
  found: Required<HefStream>['nms'],
  stream: HefStream,
  rules: TensorRules,
) {
  let nms = found
  let { name } = head
  if (found.isDefused && rules.fused?.hasFusedLayers) {
    const whole = rules.fused.layers.find(({ info }) => info?.name === found.fusedName)
    if (!whole) throw new HefError(`${stream.name}: expected the fused layer ${found.fusedName}, found none`)
    name = found.fusedName ?? name
    nms = toStreamNms(whole.nms, name)
    elementTypeOf(whole.info?.base?.elementBytes ?? 0, name)
  }
  const settings: HefNms = {
    kind: 'chip',
    classes: nms.classes,
    maxBoxesPerClass: nms.maxBoxesPerClass * nms.chunks,
    boxesOnly: false,
  }
  return sized({ ...head, name, type: 'float32', order: 'HAILO_NMS_BY_CLASS', nms: settings })
}

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

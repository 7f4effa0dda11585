import { toHefProto, type HefEdge, type HefSpec } from './hef-proto.ts'
import { toHef } from './hef-writer.ts'

/** A HEF with one input and one output of 16 x 16, whose file has `weightBytes` more than others of it. */
export function smallHef({ name = 'small', weightBytes = 0, ...spec }: Partial<HefSpec> & SmallHef = {}): Buffer {
  const edges: HefEdge[] = [
    { layer: { name: `${name}/in`, shape: [16, 16, 3], format: 0 } },
    { layer: { name: `${name}/out`, shape: [16, 16, 2], format: 0 }, isOutput: true },
  ]
  const groups = [{ name, edges, sortedOutputs: [`${name}/out`] }]
  return toHef(3, toHefProto({ groups, ...spec }), { ccws: Buffer.alloc(8 + weightBytes) })
}

/** Two inputs; outputs of 8 and 16 bits, and boxes of 80 classes that the chip suppresses. */
export function manifoldHef(): Buffer {
  const edges: HefEdge[] = [
    { layer: { name: 'm/left', shape: [8, 6, 3], format: 0 } },
    { layer: { name: 'm/right', shape: [1, 1, 7], format: 2 } },
    { layer: { name: 'm/bytes', shape: [3, 3, 3] }, isOutput: true },
    { layer: { name: 'm/words', shape: [5, 1, 1], bytes: 2 }, isOutput: true },
    { layer: { name: 'm/boxes', shape: [1, 1, 1], format: 6, nms: { classes: 80, boxes: 3 } }, isOutput: true },
  ]
  return toHef(3, toHefProto({ groups: [{ name: 'm', edges, sortedOutputs: ['m/words', 'm/boxes', 'm/bytes'] }] }))
}

interface SmallHef {
  name?: string
  weightBytes?: number
}

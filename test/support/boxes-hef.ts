import { toHefProto } from './hef-proto.ts'
import { toHef } from './hef-writer.ts'

export interface BoxesHef {
  /** Of the square picture that it takes. */
  side: number
  classes: number
  /** At most so many of a class. */
  boxes: number
}

/** A HEF for a Hailo-8 that takes a picture and gives lists of boxes by class, `net/boxes`, as detectors of Hailo's zoo do. */
export function boxesHef({ side, classes, boxes }: BoxesHef): Buffer {
  const proto = toHefProto({
    extensions: [13],
    groups: [
      {
        name: 'net',
        layout: 'op',
        edges: [
          { layer: { name: 'net/in', shape: [side, side, 3], scale: 1, zeroPoint: 0 } },
          { layer: { name: 'net/conv', shape: [4, 4, 9] }, isOutput: true, pad: 1 },
        ],
        sortedOutputs: ['net/boxes'],
        ops: [{ name: 'nms', inputs: [2], output: { name: 'net/boxes' }, nms: { kind: 8, classes, boxes } }],
        padEdges: [[1, 2]],
      },
    ],
  })
  return toHef(1, proto)
}

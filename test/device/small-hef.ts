import { toHefProto } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'

type Shape = [height: number, width: number, features: number]

/** A HEF for a Hailo-8 with one input and one output of bytes. Its name makes it another than those of the same shapes. */
export function smallHef(name: string, input: Shape = [8, 8, 4], output: Shape = [4, 4, 8]): Buffer {
  const edges = [
    { layer: { name: `${name}/in`, shape: input } },
    { layer: { name: `${name}/out`, shape: output }, isOutput: true },
  ]
  return toHef(3, toHefProto({ groups: [{ name, edges, sortedOutputs: [`${name}/out`] }] }))
}

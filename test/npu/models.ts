import { crc32 } from 'node:zlib'
import { readHef, type HefTensor } from '../../ffi/hef/hef.ts'
import { toHefProto, type HefEdge, type HefGroup } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { simulatedOutputs } from '../support/sim-hash.ts'

/** A model of the simulated device, and the deployment that runs it: a number goes in, checksums of what the NPU made of it come out. */
export interface NpuModel {
  name: string
  hef: Buffer
  inputs: readonly HefTensor[]
  outputs: readonly HefTensor[]
}

/** What a deployment answers: a checksum of each output, by name. */
export type Sums = Record<string, number>

export interface Shapes {
  /** Height, width and features of each input, uint8. */
  inputs: [number, number, number][]
  outputs: [number, number, number][]
  /** Bytes of an element of an output, 1 or 2. @default 1 */
  bytes?: number
  /** The last output is boxes by class instead. */
  hasBoxes?: boolean
  /** @default 'hailo8' */
  chip?: 'hailo8' | 'hailo10h'
}

/** Reads a HEF that a deployment of that name is to run. */
export async function toModel(name: string, hef: Buffer): Promise<NpuModel> {
  const { inputs, outputs } = (await readHef(hef)).networkGroups[0]!
  return { name, hef, inputs, outputs }
}

/** A HEF with weights of its own. @param sizeBytes of the file, about: what the simulated chip needs for it */
export function writeHef(
  name: string,
  { inputs, outputs, bytes = 1, hasBoxes, chip = 'hailo8' }: Shapes,
  sizeBytes = 1000,
): Buffer {
  const edges: HefEdge[] = [
    ...inputs.map((shape, i) => ({ layer: { name: `${name}/in${i}`, shape, format: 0 } })),
    ...outputs.map((shape, i) => ({
      layer: { name: `${name}/out${i}`, shape, format: 0, bytes },
      isOutput: true,
      ...(hasBoxes && i === outputs.length - 1 && { pad: 1 }),
    })),
  ]
  const plain = outputs.map((_, i) => `${name}/out${i}`)
  const group: HefGroup = { name, edges, sortedOutputs: plain }
  const boxes = {
    layout: 'op' as const,
    sortedOutputs: [...plain.slice(0, -1), `${name}/boxes`],
    ops: [{ name: 'nms', inputs: [2], output: { name: `${name}/boxes` }, nms: { kind: 8, classes: 20, boxes: 10 } }],
    padEdges: [[1, 2]] as [number, number][],
  }
  const proto = toHefProto({
    ...(chip === 'hailo10h' && { arch: 103, compiler: '5.2.0' }),
    groups: [hasBoxes ? { ...group, ...boxes } : group],
    ...(hasBoxes && { extensions: [13] }),
  })
  return toHef(1, proto, { ccws: Buffer.alloc(sizeBytes, name) })
}

/**
 * The function of a model.
 * @param manifest keys beside model, pre and post
 * @param isLean for measurements: frames are kept, and the answer has the size of each output. What a function does for its
 *   frames is its own affair
 */
export function toFunction(
  { name, inputs }: NpuModel,
  chip: string,
  manifest: Record<string, unknown>,
  isLean = false,
): string {
  const full = {
    route: `POST /v1/${name}`,
    model: { engine: 'hailort', hef: { [chip]: `${name}.hef` } },
    pre: ['frame'],
    post: ['sums'],
    ...manifest,
  }
  const dims = inputs.map(({ name: input, shape }) => [input, [1, ...shape!]])
  const frame = isLean ? '(kept[fields.seed] ??= toFrame(fields.seed))' : 'toFrame(fields.seed)'
  const sum = isLean ? 'data.length' : 'crc32(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))'
  return `
import { crc32 } from 'node:zlib'
import { defineFunction, step } from 'pellet'

${fill.toString()}

const inputs = ${JSON.stringify(dims)}
const kept = {}

const toFrame = (seed) =>
  Object.fromEntries(inputs.map(([name, dims], index) => {
    const data = new Uint8Array(dims.reduce((product, size) => product * size))
    return [name, { type: 'uint8', dims, data: fill(data, seed + index) }]
  }))

export default defineFunction({
  manifest: ${JSON.stringify(full)},
  steps: {
    frame: step.request(({ fields }) => ${frame}),
    sums: step.outputs((outputs) => Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, ${sum}]))),
  },
})
`
}

/** What the deployment of a model answers to `{ seed }`. */
export function sumsOf({ inputs, outputs }: NpuModel, seed: number): Sums {
  const frames = inputs.map(({ frameBytes }, index) => fill(new Uint8Array(frameBytes!), seed + index))
  const made = simulatedOutputs(
    outputs.map(({ name, frameBytes, type, nms }) => ({
      name,
      bytes: frameBytes!,
      type: type as 'uint8',
      ...(nms && { nms: { ...nms, maxBoxesTotal: nms.classes * nms.maxBoxesPerClass } }),
    })),
    frames,
  )
  return Object.fromEntries(outputs.map(({ name }, index) => [name, crc32(made[index]!)]))
}

// --- internal ---

/** A frame that is told by its seed, and of which every part tells it: one that has a part of another is told, too. */
function fill(bytes: Uint8Array, seed: number): Uint8Array {
  bytes.fill(seed)
  new DataView(bytes.buffer).setUint32(0, seed)
  return bytes
}

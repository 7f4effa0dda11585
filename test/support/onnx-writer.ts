/**
 * Writes small ONNX models, so that tests need no Python: just the protobuf messages of onnx.proto3 that they use.
 * Field numbers from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
 */

const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const

export type OnnxType = keyof typeof elementTypes

export interface OnnxValue {
  name: string
  type: OnnxType
  /** A string is a free dimension; the empty string one without a name. */
  shape: readonly (number | string)[]
}

export interface OnnxNode {
  op: string
  inputs: string[]
  outputs: string[]
  /** Whole numbers: `Cast` takes `{ to: onnxTypeNumber('uint8') }`. */
  attributes?: Record<string, number>
}

export interface OnnxModel {
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  nodes: OnnxNode[]
  /** Constants by name. */
  constants?: Record<string, { type: OnnxType; dims: number[]; data: ArrayBufferView }>
  /** @default 13 */
  opset?: number
}

export function onnxTypeNumber(type: OnnxType): number {
  return elementTypes[type]
}

/** The bytes of an `.onnx` file. */
export function toOnnx({ inputs, outputs, nodes, constants = {}, opset = 13 }: OnnxModel): Buffer {
  const graph = [
    ...nodes.map((node) => bytes(1, toNode(node))),
    text(2, 'graph'),
    ...Object.entries(constants).map(([name, { type, dims, data }]) =>
      bytes(5, [
        ...dims.map((dim) => varint(1, dim)),
        varint(2, elementTypes[type]),
        text(8, name),
        bytes(9, [Buffer.from(data.buffer, data.byteOffset, data.byteLength)]),
      ]),
    ),
    ...inputs.map((value) => bytes(11, toValueInfo(value))),
    ...outputs.map((value) => bytes(12, toValueInfo(value))),
  ]
  const opsets = [text(1, ''), varint(2, opset)]
  return Buffer.concat([varint(1, 7), text(2, 'pellet-test'), bytes(7, graph), bytes(8, opsets)])
}

// --- internal ---

function toNode({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer[] {
  return [
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => bytes(5, [text(1, name), varint(3, value), varint(20, 2)])),
  ]
}

function toValueInfo({ name, type, shape }: OnnxValue): Buffer[] {
  const dims = shape.map((dim) => {
    if (dim === '') return bytes(1, [])
    return bytes(1, [typeof dim === 'number' ? varint(1, dim) : text(2, dim)])
  })
  return [text(1, name), bytes(2, [bytes(1, [varint(1, elementTypes[type]), bytes(2, dims)])])]
}

function varint(field: number, value: number): Buffer {
  return Buffer.from([...toVarint(field * 8), ...toVarint(value)])
}

function bytes(field: number, parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([...toVarint(field * 8 + 2), ...toVarint(content.length)]), content])
}

function text(field: number, value: string): Buffer {
  return bytes(field, [Buffer.from(value)])
}

function toVarint(value: number): number[] {
  const out: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest]
    out.push((rest % 128) + 128)
  }
}

import type { Field, Fields } from '../protobuf.ts'
import { typeName } from './onnx-types.ts'

/** An input or output as the file has it. */
export interface OnnxValue {
  name: string
  /** `float32`; what is no tensor is `sequence(...)`, `map(...)`, `optional(...)` or `sparse(...)`. */
  type: string
  /** A string is a free dimension by its name, `''` one without; null: the file does not say how many there are. */
  shape: readonly (number | string)[] | null
  /** Of an output: the operator that gives it. */
  operator?: string
}

/** Of a ValueInfoProto. */
export function readValue(field: Field): OnnxValue {
  const value: OnnxValue = { name: '', type: typeName(0), shape: null }
  field.message({
    1: (inner) => (value.name = inner.string()),
    2: (inner) => Object.assign(value, readType(inner)),
  })
  return value
}

/** Of a StringStringEntryProto. */
export function readEntry(field: Field): [key: string, value: string] {
  let [key, value] = ['', '']
  field.message({ 1: (inner) => (key = inner.string()), 2: (inner) => (value = inner.string()) })
  return [key, value]
}

// --- internal ---

/** Deeper than any model's tensors. */
const maxDims = 100

function readType(field: Field): { type: string; shape: OnnxValue['shape'] } {
  let type = typeName(0)
  let shape: (number | string)[] | null = null
  const tensor: Fields = {
    1: (inner) => (type = typeName(inner.int())),
    2: (inner) => {
      shape = []
      inner.message({ 1: (dim) => shape!.push(readDim(dim)) > maxDims && refuseDims() })
    },
  }
  const within = (kind: string, number: number) => (inner: Field) =>
    inner.message({ [number]: (element) => (type = `${kind}(${readType(element).type})`) })
  field.message({
    1: (inner) => inner.message(tensor),
    4: within('sequence', 1),
    5: within('map', 2),
    8: (inner) => {
      inner.message(tensor)
      type = `sparse(${type})`
    },
    9: within('optional', 1),
  })
  return { type, shape }
}

function readDim(field: Field): number | string {
  let dim: number | string = ''
  field.message({ 1: (inner) => (dim = inner.int()), 2: (inner) => (dim = inner.string()) })
  return typeof dim === 'number' && dim < 0 ? '' : dim
}

function refuseDims(): never {
  throw new Error(`a tensor has more than ${maxDims} dimensions`)
}

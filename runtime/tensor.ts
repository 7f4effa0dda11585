/** Element types that engines take and give. `float16` is carried as raw bits in a Uint16Array. */
export type TensorType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'uint64'
  | 'int64'
  | 'bool'

export type TensorData =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array

/**
 * How integer values map to real ones: real = (value - zeroPoint) * scale. A list has one for each feature, which is the last
 * dimension: of the value at `i` it is the one at `i % length`.
 */
export interface Quantisation {
  scale: number | readonly number[]
  zeroPoint: number | readonly number[]
}

/** A dense array in row-major order; `dims` multiply to `data.length`. */
export interface Tensor {
  type: TensorType
  dims: readonly number[]
  data: TensorData
  /** Present where an engine hands out quantised integers (HailoRT). Absent: the values are the values. */
  quant?: Quantisation
}

/** Named tensors: a model's inputs or outputs. */
export type Tensors = Record<string, Tensor>

import type { DeviceTerms } from './hailort.ts'
import type { ModelKey } from '../manifest/manifest.ts'
import type { Quantisation, Tensors, TensorType } from '../tensor.ts'

export type EngineName = 'onnxruntime' | 'hailort'

/** One input or output of a model. A dimension is a number, or the model's own name for one that is free (`'N'`). */
export interface TensorInfo {
  name: string
  type: TensorType
  shape: readonly (number | string)[]
  /** Of what an engine hands out or takes in whole numbers (HailoRT). */
  quant?: Quantisation
}

export interface OpenOptions {
  /** Threads of one inference (`limits.threads`). @default 1 */
  threads?: number
  /** Of HailoRT: the host that has the device, and what it is told. */
  device?: DeviceTerms
}

/** What a model takes and gives. */
export interface ModelTensors {
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
}

export interface ModelDescription extends ModelTensors {
  /** It runs so fast that a thread of its own would cost more than it saves. */
  isQuick: boolean
}

/**
 * What runs models. `test/engines/conformance.ts` holds for every engine; a new one is one file here and one row there.
 */
export interface Engine {
  readonly name: EngineName
  /** The engine library's own version, e.g. "1.30.0"; that of HailoRT is the machine's. */
  readonly version?: string
  /**
   * What a model file takes and gives. No device is touched.
   * @throws PelletError as `open`
   */
  describe(file: string): Promise<ModelDescription>
  /**
   * Loads a model file.
   * @throws PelletError `load_failed` when the file is no model of this engine, `out_of_memory` when it does not fit
   */
  open(file: string, options?: OpenOptions): Promise<Session>
}

/** One loaded model. Calls to `run` are served one at a time, in order. */
export interface Session extends ModelTensors {
  /**
   * Runs the model once. Every input must be there with its type and shape; free dimensions take any positive size.
   * @throws PelletError `invalid_input` that names the input, what was expected and what was found
   */
  run(inputs: Tensors): Promise<Tensors>
  /** Gives the model back. Safe to call twice; waits for a run under way. */
  release(): Promise<void>
}

/** What runs a model of a manifest. */
export function engineOf(key: ModelKey): EngineName {
  return key === 'onnx' ? 'onnxruntime' : 'hailort'
}

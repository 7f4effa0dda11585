import type { Tensors } from '../tensor.ts'
import type { ModelTensors } from './engine.ts'

/** What one run gives, and how long the engine itself took. */
export interface Inference {
  outputs: Tensors
  inferMs: number
}

export interface RunTerms {
  /** Nobody else holds the inputs: arrays among them that were lent (buffers.ts) go to the engine themselves. */
  mayKeep?: boolean
  /** Nobody waits for the answer any more. */
  signal?: AbortSignal
  /** Nobody waits longer than this. */
  timeoutMs?: number | undefined
}

/** A loaded model of an isolate, whatever runs it. */
export interface LoadedModel extends ModelTensors {
  /** @throws PelletError as `Session.run` does */
  run(inputs: Tensors, terms?: RunTerms): Promise<Inference>
}

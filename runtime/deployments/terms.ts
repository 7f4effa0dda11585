import type { Terms } from '../scheduler/types.ts'
import type { Deployment } from './deployment.ts'

/** What the scheduler knows of a deployment. */
export function toTerms({ name, revision, engine, manifest }: Deployment, sizeBytes: number): Terms {
  const { keepAliveMs, pin, priority, limits } = manifest
  const { concurrency, queue, memoryBytes } = limits
  return { name, revision, engine, keepAliveMs, pin, priority, concurrency, queue, memoryBytes, sizeBytes }
}

/**
 * A first guess at an isolate's size, until one was measured: Node with the engine and sharp (about 70 MB on x64), and
 * for the model about three times its file (weights, the optimised copy, activations; measured on the starter models). A
 * model on the NPU is not in its isolate.
 */
export function predictBytes({ engine, model }: Deployment): number {
  return 70 * 2 ** 20 + (engine === 'onnxruntime' ? 3 * model.sizeBytes : 0)
}

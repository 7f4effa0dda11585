import '../support/no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { median } from './load.ts'

/** A model on ONNX Runtime in this very process, one thread: what no server can be faster than. */
export interface BareEngine {
  openMs: number
  /** Median of `count` runs on zeros, in milliseconds. */
  run(count: number): Promise<number>
}

export async function openBare(file: string): Promise<BareEngine> {
  const at = performance.now()
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const openMs = performance.now() - at
  const [input] = session.inputMetadata
  if (!input?.isTensor) throw new Error(`${file}: expected a model that takes a tensor`)
  const dims = input.shape.map((size) => (typeof size === 'number' ? size : 1))
  const length = dims.reduce((all, size) => all * size, 1)
  const feed = { [input.name]: new ort.Tensor('float32', new Float32Array(length), dims) }
  for (let i = 0; i < 5; i++) await session.run(feed)
  return { openMs, run: (count) => median(count, () => session.run(feed)) }
}

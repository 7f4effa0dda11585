import { parentPort, workerData } from 'node:worker_threads'
import { messageOf, PelletError } from '../errors.ts'
import type { Tensors } from '../tensor.ts'
import { arrayTypes } from './check-inputs.ts'
import type { Session } from './engine.ts'
import { engines } from './index.ts'
import type { FromThread, ThreadData, ThreadError, ToThread } from './thread.ts'

/** The way to the thread and back costs about 0.1 ms and 0.2 ms of processor time (TCN, 900 values): below this it is not worth it. */
const quickMs = 1

// The thread of one loaded model: see thread.ts.
const { engine, file, options } = workerData as ThreadData
try {
  const session = await engines[engine]!.open(file, options)
  if ((await quickest(session)) < quickMs) {
    await session.release()
    send({ type: 'quick' })
  } else serve(session)
} catch (error) {
  send({ type: 'refused', error: toData(error) })
}

// --- internal ---

function serve(session: Session): void {
  let last: Promise<void> = Promise.resolve()
  parentPort!.on('message', (message: ToThread) => (last = last.then(() => run(session, message))))
  send({ type: 'opened', inputs: session.inputs, outputs: session.outputs })
}

function send(answer: FromThread, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(answer, transfer)
}

async function run(session: Session, { id, tensors, lent }: ToThread): Promise<void> {
  try {
    const startedAt = performance.now()
    const outputs = await session.run(tensors)
    const inferMs = performance.now() - startedAt
    // Outputs are the run's own, whole; two of them may be one.
    const buffers = new Set(Object.values(outputs).map(({ data }) => data.buffer as ArrayBuffer))
    send({ type: 'done', id, outputs, inferMs, lent }, [...lent, ...buffers])
  } catch (error) {
    send({ type: 'failed', id, error: toData(error), lent }, lent)
  }
}

/**
 * The shortest of three runs on zeros, in milliseconds, which also makes the first request as fast as the others. Infinity
 * where the model leaves its sizes open or wants no zeros: then it is not known.
 */
async function quickest({ inputs, run }: Session): Promise<number> {
  const zeros: Tensors = {}
  for (const { name, type, shape } of inputs) {
    const dims = shape.filter((size) => typeof size === 'number')
    if (dims.length < shape.length) return Infinity
    const ArrayOf = arrayTypes[type]
    const length = dims.reduce((all, size) => all * size, 1)
    zeros[name] = { type, dims, data: new ArrayOf(new ArrayBuffer(length * ArrayOf.BYTES_PER_ELEMENT)) }
  }
  let least = Infinity
  try {
    for (let i = 0; i < 3; i++) {
      const startedAt = performance.now()
      await run(zeros)
      least = Math.min(least, performance.now() - startedAt)
    }
  } catch {
    return Infinity
  }
  return least
}

function toData(error: unknown): ThreadError {
  if (!(error instanceof PelletError)) return { code: 'internal_error', message: messageOf(error) }
  const { code, message, details } = error
  return { code, message, ...(details && { details }) }
}

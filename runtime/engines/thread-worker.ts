import { parentPort, workerData } from 'node:worker_threads'
import { messageOf, PelletError } from '../errors.ts'
import type { Session } from './engine.ts'
import { engines } from './index.ts'
import type { FromThread, ThreadData, ThreadError, ToThread } from './thread.ts'

// The thread of one loaded model: see thread.ts.
const { engine, file, options } = workerData as ThreadData
try {
  const session = await engines[engine].open(file, options)
  let last: Promise<void> = Promise.resolve()
  parentPort!.on('message', (message: ToThread) => (last = last.then(() => run(session, message))))
  send({ type: 'opened', inputs: session.inputs, outputs: session.outputs })
} catch (error) {
  send({ type: 'refused', error: toData(error) })
}

// --- internal ---

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

function toData(error: unknown): ThreadError {
  if (!(error instanceof PelletError)) return { code: 'internal_error', message: messageOf(error) }
  const { code, message, details } = error
  return { code, message, ...(details && { details }) }
}

import { SHARE_ENV, Worker } from 'node:worker_threads'
import { PelletError, type ErrorCode, type ErrorDetail } from '../errors.ts'
import type { Tensor, Tensors } from '../tensor.ts'
import { isLent, takeBack } from '../buffers.ts'
import type { EngineName, OpenOptions, Session } from './engine.ts'
import type { Inference, LoadedModel, RunTerms } from './loaded-model.ts'

export interface ThreadData {
  engine: EngineName
  file: string
  options: OpenOptions
}

export interface ToThread {
  id: number
  tensors: Tensors
  /** Buffers among the tensors that are wanted back. */
  lent: ArrayBuffer[]
}

export type FromThread =
  | { type: 'opened'; inputs: Session['inputs']; outputs: Session['outputs'] }
  | { type: 'refused'; error: ThreadError }
  | { type: 'done'; id: number; outputs: Tensors; inferMs: number; lent: ArrayBuffer[] }
  | { type: 'failed'; id: number; error: ThreadError; lent: ArrayBuffer[] }

/** An error as plain data. */
export interface ThreadError {
  code: ErrorCode
  message: string
  details?: ErrorDetail[]
}

/**
 * Opens a model on a thread of its own: onnxruntime-node blocks the thread that runs it, and meanwhile other requests are to
 * be read, prepared and answered, and main is to hear that the isolate lives. The process must be ended by SIGKILL or
 * `exitNow`: `process.exit` while ONNX Runtime works aborts it with a core dump.
 * @throws PelletError as `Engine.open` does
 */
export function openOnThread(engine: EngineName, file: string, options: OpenOptions): Promise<LoadedModel> {
  const workerData: ThreadData = { engine, file, options }
  // SHARE_ENV: engines are told by the environment what not to report, and native code reads the process's own.
  const worker = new Worker(new URL('thread-worker.js', import.meta.url), { workerData, env: SHARE_ENV })
  const pending = new Map<number, { resolve(inference: Inference): void; reject(error: PelletError): void }>()
  let count = 0
  let isOpen = false

  function run(inputs: Tensors, { mayKeep = false }: RunTerms = {}): Promise<Inference> {
    const id = ++count
    const lent: ArrayBuffer[] = []
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, tensor]) => [name, toOwn(tensor, mayKeep, lent)]),
    )
    return new Promise((resolve, reject) => {
      worker.postMessage({ id, tensors, lent } satisfies ToThread, lent)
      pending.set(id, { resolve, reject })
    })
  }

  function settle(answer: Extract<FromThread, { id: number }>): void {
    const { resolve, reject } = pending.get(answer.id)!
    pending.delete(answer.id)
    for (const buffer of answer.lent) takeBack(buffer)
    if (answer.type === 'done') resolve({ outputs: answer.outputs, inferMs: answer.inferMs })
    else reject(toError(answer.error))
  }

  return new Promise((resolve, reject) => {
    worker.on('message', (answer: FromThread) => {
      if (answer.type === 'opened') {
        isOpen = true
        resolve({ inputs: answer.inputs, outputs: answer.outputs, run })
      } else if (answer.type === 'refused') reject(toError(answer.error))
      else settle(answer)
    })
    worker.on('error', (error) => {
      reject(error)
      // Once it is open nobody waits for this promise: a thread that broke takes the isolate with it.
      if (isOpen) throw error
    })
    // What keeps the isolate alive is its server; a thread that has nothing to do should not. Listening undoes it.
    worker.unref()
  })
}

/** Opens a model on this thread: for one that is quick (quick.ts). @throws PelletError as `Engine.open` does */
export async function openHere(engine: EngineName, file: string, options: OpenOptions): Promise<LoadedModel> {
  const { engines } = await import('./index.ts')
  const session = await engines[engine].open(file, options)
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    async run(inputs) {
      const startedAt = performance.now()
      const outputs = await session.run(inputs)
      return { outputs, inferMs: performance.now() - startedAt }
    },
  }
}

// --- internal ---

/**
 * The tensor as it goes to the thread. What was lent may go itself, and is gone from here then; of anything else the message
 * makes a copy, and of a part of a larger buffer it would copy the whole.
 */
function toOwn(tensor: Tensor, mayKeep: boolean, lent: ArrayBuffer[]): Tensor {
  if (!ArrayBuffer.isView(tensor?.data)) return tensor
  const { type, dims, data } = tensor
  if (data.byteLength !== data.buffer.byteLength) return { type, dims, data: data.slice() }
  if (mayKeep && isLent(data.buffer) && !lent.includes(data.buffer)) lent.push(data.buffer)
  return { type, dims, data }
}

function toError({ code, message, details }: ThreadError): PelletError {
  return new PelletError(code, message, details && { details })
}

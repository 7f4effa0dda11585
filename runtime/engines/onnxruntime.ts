import { createRequire } from 'node:module'
import { basename, resolve } from 'node:path'
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { PelletError, messageOf } from '../errors.ts'
import type { Tensor, TensorData, Tensors, TensorType } from '../tensor.ts'
import { arrayTypes, checkInputs, toText } from './check-inputs.ts'
import type { Engine, OpenOptions, Session, TensorInfo } from './engine.ts'
import { checkModelFile, readHead } from './model-bytes.ts'
import { isQuick } from './quick.ts'

type Ort = typeof import('onnxruntime-node')

/**
 * ONNX Runtime on the CPU. `open` and `run` block the thread while ORT works (onnxruntime-node 1.30 runs both behind a
 * `setImmediate`), which is why this engine lives in an isolate. A free dimension without a name is `''`.
 */
export const onnxruntime: Engine = {
  name: 'onnxruntime',
  version: (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }).version,
  async describe(file) {
    const session = await open(file)
    try {
      return { inputs: session.inputs, outputs: session.outputs, isQuick: await isQuick(session) }
    } finally {
      // The process may look at other models yet.
      await session.release()
    }
  },
  open,
}

// --- internal ---

async function open(file: string, { threads = 1 }: OpenOptions = {}): Promise<Session> {
  const path = resolve(file)
  await checkModelFile(path, 'an ONNX model')
  // ORT's own packages report to Microsoft since 1.29 (pull request 27379): models' names and hashes, the machine, errors.
  // The variable is read once, when the library is loaded; whoever wants the reports sets it to 0.
  process.env.ORT_DISABLE_TELEMETRY ??= '1'
  const ort = await import('onnxruntime-node')
  // From the path: a Buffer would hold the file in memory beside the session.
  const native = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // ORT would go by the name's ending, and what was deployed is named by its sha256.
    extra: { session: { load_model_format: await formatOf(path) } },
  }).catch((error: unknown) => {
    throw toLoadError(path, error)
  })
  try {
    return createSession(ort, native, path)
  } catch (error) {
    await native.release()
    throw error
  }
}

/** Of a file in ORT's own format, `.ort`, the bytes say so. */
async function formatOf(path: string): Promise<'ORT' | 'ONNX'> {
  return (await readHead(path)).toString('latin1', 4, 8) === 'ORTM' ? 'ORT' : 'ONNX'
}

function createSession(ort: Ort, native: InferenceSession, path: string): Session {
  const inputs = native.inputMetadata.map((value) => toTensorInfo('input', value, path))
  const outputs = native.outputMetadata.map((value) => toTensorInfo('output', value, path))
  let last: Promise<unknown> = Promise.resolve()
  let released: Promise<void> | undefined

  // Made when `run` is called: what the caller does to its object while the run waits changes nothing.
  const toFeeds = (given: Tensors) =>
    Object.fromEntries(
      inputs.map(({ name, type }) => {
        const { data, dims } = given[name] as Tensor
        return [name, new ort.Tensor(type as 'float32', data as Float32Array, dims)]
      }),
    )

  const runNow = async (feeds: Record<string, OrtTensor>): Promise<Tensors> => {
    const results = await native.run(feeds).catch((error: unknown) => {
      throw toRunError(path, feeds, error)
    })
    return Object.fromEntries(outputs.map(({ name, type }) => [name, toTensor(type, results[name] as OrtTensor)]))
  }

  return {
    inputs,
    outputs,
    async run(given) {
      if (released) {
        throw new PelletError('internal_error', `${path}: this session was released; open the model again to run it.`)
      }
      checkInputs(inputs, given)
      const feeds = toFeeds(given)
      const answer = last.then(() => runNow(feeds))
      last = answer.catch(() => {})
      return answer
    },
    release() {
      released ??= last.then(() => native.release())
      return released
    },
  }
}

/** ORT hands every output out as a copy of its own; float16 comes as Float16Array where Node has that (24 and later). */
function toTensor(type: TensorType, { data, dims }: OrtTensor): Tensor {
  const array = data as TensorData
  if (array.constructor === arrayTypes[type]) return { type, dims, data: array }
  return { type, dims, data: new Uint16Array(array.buffer, array.byteOffset, array.length) }
}

function toTensorInfo(role: string, value: InferenceSession.ValueMetadata, path: string): TensorInfo {
  const refuse = (found: string) =>
    new PelletError(
      'load_failed',
      `${path}: ${role} "${value.name}" is ${found}; expected a tensor of ${Object.keys(arrayTypes).join(', ')}. ` +
        'Export the model with such inputs and outputs, and do the rest in a step.',
    )
  if (!value.isTensor) throw refuse('no tensor (a sequence, map or optional)')
  if (!(value.type in arrayTypes)) throw refuse(toText(value.type, value.shape))
  return { name: value.name, type: value.type as TensorType, shape: value.shape }
}

function toLoadError(path: string, error: unknown): PelletError {
  const reason = toReason(path, error)
  if (isOutOfMemory(reason)) {
    return new PelletError('out_of_memory', `${path}: the model does not fit into memory (${reason}).`, {
      cause: error,
    })
  }
  return new PelletError('load_failed', `${path}: ONNX Runtime cannot load it: ${reason}. ${toAdvice(reason)}`, {
    cause: error,
  })
}

/** What passes the checks and still fails depends on free dimensions and values: they do not fit each other. */
function toRunError(path: string, feeds: Record<string, OrtTensor>, error: unknown): PelletError {
  const reason = toReason(path, error)
  // The caller of a function reads this: the name will do, where the file lies is none of their business.
  const model = basename(path)
  const found = Object.entries(feeds)
    .map(([name, { type, dims }]) => `"${name}" ${toText(type, dims)}`)
    .join(', ')
  if (isOutOfMemory(reason)) {
    return new PelletError('out_of_memory', `${model}: no memory for a run with ${found} (${reason}).`, {
      cause: error,
    })
  }
  return new PelletError('invalid_input', `${model}: cannot be run with ${found}: ${reason}.`, {
    cause: error,
  })
}

function toAdvice(reason: string): string {
  if (/opset|ir.version/i.test(reason)) {
    return `ONNX Runtime ${onnxruntime.version} does not know this version of the format: export the model for an older opset.`
  }
  if (/not a registered|no op registered|not.implemented|unsupported data type/i.test(reason)) {
    return `ONNX Runtime ${onnxruntime.version} has no such operator or type on the CPU: export the model without it.`
  }
  if (/protobuf|does not have a graph/i.test(reason)) {
    return 'The file is no ONNX model, or an incomplete one: check its sha256 and fetch it again.'
  }
  return 'Check the model with onnx.checker, and export it again.'
}

function isOutOfMemory(reason: string): boolean {
  return /bad_alloc|failed to allocate memory|out of memory/i.test(reason)
}

/** ORT's text without the path that it repeats and the source lines of its build machine. */
function toReason(path: string, error: unknown): string {
  return messageOf(error)
    .replaceAll(`Load model from ${path} failed:`, '')
    .replace(/\/onnxruntime_src\/\S+?:\d+ .*?\) (?=\w)/g, '')
    .replace(/\s+/g, ' ')
    .replace(/[\s.]+$/, '')
    .trim()
}

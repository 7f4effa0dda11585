import { arrayTypes, toText } from '../../engines/check-inputs.ts'
import type { TensorInfo } from '../../engines/engine.ts'
import { messageOf, PelletError } from '../../errors.ts'
import { imageSteps } from '../../steps/image.ts'
import type { Tensor, Tensors } from '../../tensor.ts'
import { toCallRequest } from './call-request.ts'
import { release } from './parse.ts'
import type { Pipeline } from './pipeline.ts'
import { prepare, type Loaded } from './run.ts'

/**
 * Runs the model once, for want of a better probe: on a grey picture that went through the pre steps of the first route that
 * takes pictures, else on zeros. @returns what is wrong with its outputs, a sentence each
 */
export async function selfTest(loaded: Loaded, pipelines: readonly Pipeline[]): Promise<string[]> {
  try {
    const prepared = await fromGrey(loaded, pipelines)
    if (prepared) return await testWith(loaded, prepared)
    const problems = await testWith(loaded, filled(loaded.engine.inputs, 0))
    // To normalise a vector of zeros is to divide by zero, and no fault of the model.
    if (!problems.some((problem) => problem.endsWith(notFinite))) return problems
    const others = await testWith(loaded, filled(loaded.engine.inputs, 1)).catch(() => problems)
    return others.length > 0 ? problems : []
  } catch (error) {
    // What a model with free sizes takes is its function's to know.
    if (error instanceof PelletError && loaded.engine.inputs.some(isFree)) return []
    return [`its model does not run: ${messageOf(error)}`]
  }
}

// --- internal ---

/** As cameras have it, so that what crops or measures finds room. */
const grey = { width: 640, height: 480 }
const notFinite = 'not a finite number'

async function fromGrey(loaded: Loaded, pipelines: readonly Pipeline[]): Promise<Tensors | undefined> {
  const pipeline = pipelines.find(({ pre }) => pre[0]?.step === imageSteps['image.decode'])
  if (!pipeline) return undefined
  const data = new Uint8Array(grey.width * grey.height * 3).fill(127)
  const request = toCallRequest({ image: { data, ...grey } }, () => Promise.reject(new Error('no picture to fetch')))
  const phases = { receive: 0, pre: 0, wait: 0, infer: 0, post: 0 }
  try {
    const { tensors } = await prepare(loaded, pipeline, request, {
      exchange: '',
      phases,
      signal: new AbortController().signal,
    })
    return tensors
  } catch (error) {
    // The function wants another picture, or more than a picture.
    if (error instanceof PelletError && error.status < 500) return undefined
    throw error
  } finally {
    release(request)
  }
}

async function testWith({ engine, engineTurn }: Loaded, inputs: Tensors): Promise<string[]> {
  await engineTurn.enter()
  try {
    const { outputs } = await engine.run(inputs)
    return engine.outputs.flatMap((info) => problemOf(info, outputs[info.name]) ?? [])
  } finally {
    engineTurn.leave()
  }
}

function isFree({ shape }: TensorInfo): boolean {
  return shape.some((size) => typeof size !== 'number')
}

/** Free sizes are one. */
function filled(infos: readonly TensorInfo[], value: number): Tensors {
  const tensors: Tensors = {}
  for (const { name, type, shape } of infos) {
    const dims = shape.map((size) => (typeof size === 'number' ? size : 1))
    const ArrayOf = arrayTypes[type]
    const length = dims.reduce((all, size) => all * size, 1)
    const data = new ArrayOf(new ArrayBuffer(length * ArrayOf.BYTES_PER_ELEMENT))
    const one = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : value
    tensors[name] = { type, dims, data: data.fill(one as never) }
  }
  return tensors
}

function problemOf({ name, type, shape }: TensorInfo, found: Tensor | undefined): string | undefined {
  const expected = `output "${name}": expected ${toText(type, shape)}`
  if (found === undefined) return `${expected}, found nothing`
  const isFitting =
    found.dims.length === shape.length &&
    shape.every((size, at) => typeof size !== 'number' || size === found.dims[at]) &&
    found.data.length === found.dims.reduce((all, size) => all * size, 1)
  if (!isFitting || found.type !== type) return `${expected}, found ${toText(found.type, found.dims)}`
  const at = found.data.findIndex((value: number | bigint) => !isFiniteOf(found.type, value))
  return at === -1 ? undefined : `${expected} of finite numbers, found at ${at} what is ${notFinite}`
}

function isFiniteOf(type: Tensor['type'], value: number | bigint): boolean {
  // Of a float16 the bits are at hand: all ones in the exponent is infinite, or no number.
  if (type === 'float16') return (Number(value) & 0x7c00) !== 0x7c00
  return typeof value === 'bigint' || Number.isFinite(value)
}

import type { TensorInfo } from '../engines/engine.ts'
import { PelletError } from '../errors.ts'
import type { Quantisation } from '../tensor.ts'
import type { ModelInfo } from './step.ts'

/** A model's input that takes a picture. */
export interface ImageInput {
  name: string
  type: TensorInfo['type']
  layout: 'nchw' | 'nhwc'
  channels: 1 | 3
  /** Undefined where the model leaves it open. */
  width: number | undefined
  height: number | undefined
  quant?: Quantisation
}

/**
 * The input that takes the picture: the one called `name`, else the only one that can: 4 dimensions, a batch of 1, and 1 or
 * 3 channels. The layout is the manifest's, else told by where the channels are.
 * @throws PelletError `invalid_manifest` when there is none, or more than one
 */
export function imageInputOf(what: string, { engine, entry, inputs }: ModelInfo, name?: string): ImageInput {
  // HailoRT takes pictures in this order whatever their sizes are.
  const told = entry.layout ?? (engine === 'hailort' ? 'nhwc' : undefined)
  const all = inputs.map(describe).join(', ')
  const named = name === undefined ? inputs : inputs.filter((info) => info.name === name)
  if (named.length === 0)
    throw new PelletError(
      'invalid_manifest',
      `${what}: expected input to be one of the model's, ${all}, found "${name}"`,
    )
  const found = named.map((info) => read(info, told)).filter((input) => input !== undefined)
  if (found.length === 1) return found[0]!
  if (found.length > 1)
    throw new PelletError(
      'invalid_manifest',
      `${what}: expected the option input, since several of the model's inputs can take a picture (${all}), found none`,
    )
  const layout = told ? ` as ${told}` : ', or layout in the manifest where the shape does not tell'
  throw new PelletError(
    'invalid_manifest',
    `${what}: expected a model with an image input of 4 dimensions, a batch of 1 and 1 or 3 channels${layout}, found ${named.map(describe).join(', ')}`,
  )
}

// --- internal ---

function describe({ name, type, shape }: TensorInfo): string {
  return `"${name}" ${type} [${shape.join(', ')}]`
}

function read(
  { name, type, shape, quant }: TensorInfo,
  told: ImageInput['layout'] | undefined,
): ImageInput | undefined {
  if (shape.length !== 4 || (typeof shape[0] === 'number' && shape[0] !== 1)) return undefined
  const layout = told ?? layoutOf(shape)
  if (!layout) return undefined
  const [channels, height, width] = layout === 'nchw' ? [shape[1], shape[2], shape[3]] : [shape[3], shape[1], shape[2]]
  // A free channel dimension, with a layout that is told, takes colour.
  const depth = typeof channels === 'number' ? channels : 3
  if (depth !== 1 && depth !== 3) return undefined
  const size = { width: fixed(width), height: fixed(height) }
  return { name, type, layout, channels: depth, ...size, ...(quant && { quant }) }
}

function layoutOf(shape: TensorInfo['shape']): ImageInput['layout'] | undefined {
  const isDepth = (size: number | string | undefined) => size === 3 || size === 1
  // Where both could be, as in [1, 1, 28, 1], 3 says more than 1.
  if (isDepth(shape[1]) && isDepth(shape[3])) return shape[3] === 3 && shape[1] === 1 ? 'nhwc' : 'nchw'
  if (isDepth(shape[1])) return 'nchw'
  return isDepth(shape[3]) ? 'nhwc' : undefined
}

function fixed(size: number | string | undefined): number | undefined {
  return typeof size === 'number' && size > 0 ? size : undefined
}

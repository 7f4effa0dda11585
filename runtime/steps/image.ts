import { z } from '#zod'
import { PelletError } from '../errors.ts'
import { imageInputOf } from './image-input.ts'
import { openPicture, openPixels } from './encoded.ts'
import type { Picture } from './picture.ts'
import { step, type ModelInfo, type Step } from './step.ts'

const side = z.number().int().min(1).max(16_384).optional()
const kernel = z.enum(['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3']).default('linear')
const level = z.number().int().min(0).max(255)
const offset = z.number().int().min(0).optional()

/** What only the step `image.decode` may use: no part of what function code is promised. */
export interface DecodeContext {
  /** Waits until so many pixels more may be worked on beside those of other requests. */
  takePixels(count: number): Promise<void>
}

/** Built-in steps that read pictures and bring them to the model's size. */
export const imageSteps: Record<string, Step> = {
  'image.decode': step.request({ to: 'image' }, async (request, context) => {
    const limit = context.limits.pixels
    const picture = request.pixels ? openPixels(request.pixels, limit) : await openPicture(await request.image(), limit)
    await (context as Partial<DecodeContext>).takePixels?.(picture.width * picture.height)
    context.source = picture
    return picture
  }),

  'image.resize': step.image(
    {
      options: { width: side, height: side, kernel },
      check: ({ options, model }) => void sizeFor('image.resize', model, options),
    },
    (picture, { options, model }) => {
      const { width, height } = sizeFor('image.resize', model, options)
      return picture.resize(width, height, options)
    },
  ),

  'image.letterbox': step.image(
    {
      options: {
        width: side,
        height: side,
        kernel,
        position: z.enum(['center', 'top-left']).default('center'),
        background: z.union([level, z.tuple([level, level, level])]).default(0),
      },
      check: ({ options, model }) => void sizeFor('image.letterbox', model, options),
    },
    (picture, { options, model }) => {
      const { width, height } = sizeFor('image.letterbox', model, options)
      return picture.letterbox(width, height, options)
    },
  ),

  'image.crop': step.image(
    {
      options: { left: offset, top: offset, width: side, height: side, center: z.number().gt(0).max(1).optional() },
      check: ({ options }) => checkCrop(options),
    },
    (picture, { options }) => crop(picture, options),
  ),
}

// --- internal ---

interface CropOptions {
  left?: number
  top?: number
  width?: number
  height?: number
  /** The part of each side that stays, from the middle. */
  center?: number
}

/** The size that the manifest names, else the model's own. */
function sizeFor(what: string, model: ModelInfo, options: { width?: number; height?: number }) {
  if (options.width !== undefined && options.height !== undefined)
    return { width: options.width, height: options.height }
  const input = imageInputOf(what, model)
  const width = options.width ?? input.width
  const height = options.height ?? input.height
  if (width !== undefined && height !== undefined) return { width, height }
  throw new PelletError(
    'invalid_manifest',
    `${what}: expected the options width and height, since the model leaves the size of "${input.name}" open, found ${JSON.stringify({ width, height })}`,
  )
}

function checkCrop(options: CropOptions): void {
  const parts = (['left', 'top', 'width', 'height'] as const).filter((key) => options[key] !== undefined)
  const found = [...parts, ...(options.center === undefined ? [] : ['center'])].join(', ') || 'none'
  const whole = options.width !== undefined && options.height !== undefined
  if (options.center === undefined ? whole : parts.length === 0) return
  throw new PelletError(
    'invalid_manifest',
    `image.crop: expected the options width and height (with left and top, default 0), or center alone, found ${found}`,
  )
}

function crop(picture: Picture, options: CropOptions): Picture {
  if (options.center !== undefined) {
    const width = Math.max(1, Math.round(picture.width * options.center))
    const height = Math.max(1, Math.round(picture.height * options.center))
    return picture.crop(
      Math.floor((picture.width - width) / 2),
      Math.floor((picture.height - height) / 2),
      width,
      height,
    )
  }
  const { left = 0, top = 0, width = picture.width, height = picture.height } = options
  if (left + width > picture.width || top + height > picture.height)
    throw new PelletError(
      'invalid_input',
      `image.crop: expected a picture of at least ${left + width} x ${top + height} pixels, found ${picture.width} x ${picture.height}; send a larger one`,
    )
  return picture.crop(left, top, width, height)
}

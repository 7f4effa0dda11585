import { z } from '#zod'
import { PelletError } from '../errors.ts'
import { imageInputOf, type ImageInput } from './image-input.ts'
import { createPacker } from './pack.ts'
import type { Elements } from './elements.ts'
import type { Picture } from './picture.ts'
import { step, type ModelInfo, type Step } from './step.ts'

/**
 * `tensor`: the picture as the model's input. Layout and type are the input's own; mean, std and channel order its entry's:
 * so one manifest serves a uint8 NHWC HEF and a float32 NCHW ONNX. A free height or width takes the picture's. Where the
 * model has several inputs, `input` names this one, and a step of the function gives the others.
 */
export const tensorStep: Step = step.image(
  {
    to: 'tensors',
    options: { input: z.string().min(1).optional() },
    check: ({ options, model }) => void planFor(model, options.input),
  },
  async (picture, context) => {
    const { input, pack } = planFor(context.model, context.options.input)
    const width = input.width ?? picture.width
    const height = input.height ?? picture.height
    if (width !== picture.width || height !== picture.height)
      throw new PelletError(
        'invalid_input',
        `tensor: expected a picture of ${width} x ${height} pixels, the size of the model's input "${input.name}", found ${picture.width} x ${picture.height}; put image.resize or image.letterbox before tensor`,
      )
    context.input = picture
    const dims = input.layout === 'nchw' ? [1, input.channels, height, width] : [1, height, width, input.channels]
    return { [input.name]: { type: input.type, dims, data: await pack(picture) } }
  },
)

// --- internal ---

interface Plan {
  input: ImageInput
  pack: (picture: Picture) => Promise<Elements>
}

/** What depends on the model alone is made once for each loaded model, by the input that is named. */
const plans = new WeakMap<ModelInfo, Map<string | undefined, Plan>>()

function planFor(model: ModelInfo, name: string | undefined): Plan {
  let known = plans.get(model)
  if (!known) plans.set(model, (known = new Map()))
  let plan = known.get(name)
  if (!plan) {
    const input = imageInputOf('tensor', model, name)
    known.set(name, (plan = { input, pack: createPacker(input, model.entry) }))
  }
  return plan
}

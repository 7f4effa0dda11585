import { defineFunction, l2Normalize, openPixels, PelletError, similarity, step, warp, z } from 'pellet'
import type { Picture, TensorInfo } from 'pellet'

/**
 * Where both eyes, the nose and both corners of the mouth belong in a face of 112 x 112 pixels: what ArcFace models were
 * trained on. Left and right are the picture's.
 */
const template = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041]
const side = 112
/** No picture's side is longer by far; products of such numbers stay exact enough. */
const coordinate = z.number().min(-1e5).max(1e5)

/** What makes a face that one: a vector of length 1, whose dot product with another's (their cosine) is their likeness. */
export default defineFunction({
  manifest: {
    route: 'POST /v1/embed',
    model: {
      onnx: { name: 'arcface_mobilefacenet', file: 'arcface_mobilefacenet.onnx', mean: 127.5, std: 127.5 },
    },
    pre: ['image.decode', 'arcface.face', 'image.resize', 'tensor'],
    post: ['arcface.embedding'],
  },
  input: {
    /**
     * Five points in the picture, [x, y] or { x, y } as /v1/detect gives them, in the template's order. Without them the
     * picture is taken for an aligned face already.
     */
    landmarks: z
      .array(z.union([z.tuple([coordinate, coordinate]), z.object({ x: coordinate, y: coordinate })]))
      .length(5)
      .optional(),
  },
  steps: {
    /** The face alone and upright, where the request says by landmarks where it is. */
    'arcface.face': step.image(async (picture, { options, limits }): Promise<Picture> => {
      const landmarks = options.landmarks as Landmark[] | undefined
      if (!landmarks) return picture
      const points = landmarks.flatMap((point) => (Array.isArray(point) ? point : [point.x, point.y]))
      const matrix = similarity(points, template)
      const isOnePlace = points.every((at, i) => at === points[i % 2])
      if (isOnePlace || (matrix[0] === 0 && matrix[1] === 0))
        throw new PelletError(
          'invalid_input',
          `landmarks: expected eyes, nose and corners of the mouth in this order, found ${points.join(', ')}`,
        )
      return openPixels(warp(await picture.pixels(), matrix, side, side), limits.pixels)
    }),

    /** The embedding, as long as the model makes it. `output` names it where the model has several outputs. */
    'arcface.embedding': step.outputs(
      {
        options: { output: z.string().min(1).optional() },
        check: ({ model, options }) => void embeddingAmong(model.outputs, options.output),
      },
      (outputs, { options, model, elapsedMs }) => {
        const tensor = outputs[embeddingAmong(model.outputs, options.output).name]!
        const embedding = l2Normalize({ ...tensor, dims: [tensor.data.length] }).data as Float32Array
        if (!embedding.every(Number.isFinite) || embedding.every((value) => value === 0))
          throw new PelletError(
            'function_failed',
            'arcface.embedding: expected a vector with a direction from the model, found zeros, NaN or Infinity',
          )
        return {
          embedding,
          dimensions: embedding.length,
          model: model.entry.name,
          inference_time_ms: Math.round(elapsedMs() * 100) / 100,
        }
      },
    ),
  },
})

// --- internal ---

type Landmark = [x: number, y: number] | { x: number; y: number }

/** The output that is one vector: [1, 512], [512], [1, 1, 512] and the like. @throws Error when there is none, or several */
function embeddingAmong(outputs: readonly TensorInfo[], name: string | undefined): TensorInfo {
  const named = outputs.filter((output) => name === undefined || output.name === name)
  const vectors = named.filter(({ shape }) => {
    const long = shape.filter(
      (length, i) => length !== 1 && !(i === 0 && shape.length > 1 && typeof length === 'string'),
    )
    return long.length === 1
  })
  if (vectors.length === 1) return vectors[0]!
  const all = outputs.map((output) => `"${output.name}" [${output.shape.join(', ')}]`).join(', ')
  const wanted = name === undefined ? 'a model with one output that is' : `the output "${name}" to be`
  const remedy = vectors.length > 1 ? '; name it with the option output' : ''
  throw new Error(`arcface.embedding: expected ${wanted} a vector such as [1, 512], found ${all}${remedy}`)
}

import { defineFunction, l2Normalize, step, z } from 'pellet'
import type { Pixels, Tensors } from 'pellet'

/** Where both eyes, the nose and both corners of the mouth belong in a face of 112 x 112 pixels (ArcFace). */
const template = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041]
const mean = [123.675, 116.28, 103.53]
const std = [58.395, 57.12, 57.375]

/** What makes a face that one: 128 values, whose dot product with another's is their likeness. */
export default defineFunction({
  manifest: {
    route: 'POST /v1/embed',
    model: { onnx: { name: 'mobilefacenet', file: 'mobilefacenet.onnx' } },
    pre: ['image.decode', 'face'],
    post: ['embedding'],
  },
  input: { landmarks: z.array(z.tuple([z.number(), z.number()])).length(5) },
  steps: {
    face: step.image({ to: 'tensors' }, async (picture, { options }): Promise<Tensors> => {
      const at = alignment(options.landmarks.flat())
      return { input0: { type: 'float32', dims: [1, 3, 112, 112], data: warp(await picture.pixels(), at, 112) } }
    }),
    embedding: step.outputs((out) => ({ embedding: l2Normalize(out['output0']).data })),
  },
})

// --- internal ---

type Place = (x: number, y: number) => [x: number, y: number]

/**
 * Where the pixels of the aligned face come from: the turn, scale and shift that bring landmarks as near as can be to the
 * template, by least squares (Umeyama 1991), undone.
 */
function alignment(landmarks: number[]): Place {
  const middle = (points: number[], axis: number) => points.reduce((sum, v, i) => sum + (i % 2 === axis ? v / 5 : 0), 0)
  const [fromX, fromY, toX, toY] = [
    middle(landmarks, 0),
    middle(landmarks, 1),
    middle(template, 0),
    middle(template, 1),
  ]
  let [cos, sin, size] = [0, 0, 0]
  for (let i = 0; i < 10; i += 2) {
    const [x, y] = [landmarks[i]! - fromX, landmarks[i + 1]! - fromY]
    const [u, v] = [template[i]! - toX, template[i + 1]! - toY]
    cos += x * u + y * v
    sin += x * v - y * u
    size += x * x + y * y
  }
  const factor = size / (cos * cos + sin * sin)
  const [a, b] = [cos * factor, sin * factor]
  return (u, v) => [a * (u - toX) + b * (v - toY) + fromX, a * (v - toY) - b * (u - toX) + fromY]
}

/** A square of the picture as the model's input, sampled bilinearly at the places of its pixels; black beyond the edges. */
function warp({ data, width, height }: Pixels, place: Place, side: number): Float32Array {
  const value = (x: number, y: number, channel: number) =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : data[(y * width + x) * 3 + channel]!
  const face = new Float32Array(3 * side * side)
  for (let i = 0; i < side * side; i++) {
    const [x, y] = place(i % side, Math.floor(i / side))
    const [left, top] = [Math.floor(x), Math.floor(y)]
    const [dx, dy] = [x - left, y - top]
    for (let channel = 0; channel < 3; channel++) {
      const upper = value(left, top, channel) * (1 - dx) + value(left + 1, top, channel) * dx
      const lower = value(left, top + 1, channel) * (1 - dx) + value(left + 1, top + 1, channel) * dx
      face[channel * side * side + i] = (Math.round(upper * (1 - dy) + lower * dy) - mean[channel]!) / std[channel]!
    }
  }
  return face
}

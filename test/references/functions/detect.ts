import { defineFunction, step, toFloat32, z } from 'pellet'

interface Box {
  label: string
  score: number
  bbox: [left: number, top: number, right: number, bottom: number]
}

/** Objects in a picture, by YOLOX. */
export default defineFunction({
  manifest: {
    route: 'POST /v1/objects',
    model: { onnx: { name: 'yolox-nano', file: 'yolox_nano.onnx', channels: 'bgr' } },
    files: { labels: 'coco.txt' },
    pre: ['image.decode', { 'image.letterbox': { position: 'top-left', background: 114 } }, 'tensor'],
    post: ['objects'],
  },
  input: { threshold: z.number().min(0).max(1).default(0.3), nms: z.number().min(0).max(1).default(0.45) },
  steps: {
    objects: step.outputs((out, { options, input, files }) => {
      const values = toFloat32(out['output'])
      const { width, height } = input!
      const boxes: Box[] = []
      let at = 0
      for (const stride of [8, 16, 32])
        for (let y = 0; y < height; y += stride)
          for (let x = 0; x < width; x += stride, at += 85) {
            const [dx = 0, dy = 0, logWidth = 0, logHeight = 0, objectness = 0, ...classes] = values.subarray(
              at,
              at + 85,
            )
            const best = Math.max(...classes)
            const score = objectness * best
            if (score < options.threshold) continue
            const [w, h] = [(Math.exp(logWidth) * stride) / 2, (Math.exp(logHeight) * stride) / 2]
            const [cx, cy] = [x + dx * stride, y + dy * stride]
            const label = (files['labels'] as string[])[classes.indexOf(best)]!
            boxes.push({ label, score, bbox: [...input!.toSource(cx - w, cy - h), ...input!.toSource(cx + w, cy + h)] })
          }
      boxes.sort((a, b) => b.score - a.score)
      const kept: Box[] = []
      for (const box of boxes)
        if (!kept.some((other) => other.label === box.label && overlap(other.bbox, box.bbox) > options.nms))
          kept.push(box)
      return { objects: kept }
    }),
  },
})

// --- internal ---

/** Intersection over union. */
function overlap(a: Box['bbox'], b: Box['bbox']): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1])
  if (width <= 0 || height <= 0) return 0
  const area = (box: Box['bbox']) => (box[2] - box[0]) * (box[3] - box[1])
  return (width * height) / (area(a) + area(b) - width * height)
}

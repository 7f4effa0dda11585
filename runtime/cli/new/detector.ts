import { CliError } from '../cli-error.ts'
import { candidatesSource } from './candidates.ts'
import { pixelLines, sizedStep, type Draft, type PixelScale, type Task } from './draft.ts'
import { valuesText, type ModelShape } from './model.ts'
import { fallbackSide, layoutOf, layouts, pictureOf, type Layout } from './shapes.ts'

/** @throws CliError where the model is no detector whose outputs are known */
export function detectorDraft(task: Task & { model: ModelShape }): Draft {
  const { model } = task
  const picture = pictureOf(model)
  if (!picture)
    throw new CliError(`detector: expected a model that takes one picture, found ${valuesText(model.inputs)}`)
  const layout = layoutOf(model, picture)
  if (!layout)
    throw new CliError(
      `detector: expected outputs that hold boxes (${Object.values(layouts).join('; ')}), found ${valuesText(model.outputs)}${taskOf(model)}; functions/detect.ts of Pellet reads the heads of YOLOv8 as well`,
    )
  const { width = fallbackSide, height = fallbackSide } = picture
  const classes = layout.classes
  return {
    summary:
      layout.kind === 'scrfd' ? 'Where faces are in a picture' : 'Where things are in a picture, and what they are',
    imports: {
      values: ['boxToSource', 'defineFunction', 'nms', 'step', 'toFloat32', 'z'],
      types: ['Tensors'],
    },
    source: `export default defineFunction({
  // What a request may set, in its form, JSON or query.
  input: {
    threshold: z.number().min(0).max(1).default(${['yolov8', 'yolov5', 'nms'].includes(layout.kind) ? 0.25 : layout.kind === 'yolox' ? 0.4 : 0.5}),
    iou: z.number().min(0).max(1).default(0.45),
    limit: z.number().int().min(1).max(1000).default(100),
  },
  steps: {
    // The last step of post: what it returns is the answer.
    objects: step.outputs((out, { options, files, input, model, elapsedMs }) => {
      const found = candidates(out, options.threshold)
      // Of boxes of one class that overlap by more than iou the surest stays.
      const kept = nms(
        found.flatMap(({ box }) => box),
        found.map(({ score }) => score),
        { iou: options.iou, limit: options.limit, classes: found.map(({ index }) => index) },
      )
      const labels = files.labels as string[] | undefined
      return {
        objects: kept.map((i) => {
          const { box, score, index } = found[i]!
          // From the model's pixels back to those of the picture as it was posted: left, top, right, bottom.
          return { class: index, label: labels?.[index], score, box: boxToSource(input!, box) }
        }),
        model: model.entry.name,
        ms: Math.round(elapsedMs()),
      }
    }),
  },
})

// --- internal ---

interface Candidate {
  /** Left, top, right, bottom in pixels of the model's input. */
  box: [number, number, number, number]
  score: number
  /** Number of its class. */
  index: number
}

${candidatesSource(layout, width, height)}`,
    manifest: {
      entry: pixelLines(picture, scales[layout.kind], task),
      takesLabels: classes !== 1,
      classes,
      pre: `[image.decode, ${sizedStep('image.letterbox', picture, fallbackSide, margins[layout.kind])}, tensor]`,
      post: '[objects]',
    },
    test: {
      title: 'finds boxes inside of the picture',
      body: 'picture',
      query: '?threshold=0&limit=5',
      checks: [
        ['finished', 'boxes', 'nms'].includes(layout.kind)
          ? 'assert.ok(answer.objects.length <= 5)'
          : 'assert.ok(answer.objects.length >= 1 && answer.objects.length <= 5)',
        'for (const { class: index, score, box } of answer.objects) {',
        '  const [left, top, right, bottom] = box',
        '  for (const x of [left, right]) assert.ok(x >= 0 && x <= width, `box ${box}`)',
        '  for (const y of [top, bottom]) assert.ok(y >= 0 && y <= height, `box ${box}`)',
        '  assert.ok(score >= 0 && score <= 1, `score ${score}`)',
        `  assert.ok(Number.isInteger(index) && index >= 0${classes === undefined ? '' : ` && index < ${classes}`}, \`class \${index}\`)`,
        '}',
      ],
    },
  }
}

// --- internal ---

const ultralytics: PixelScale = { mean: 0, std: 255, takers: "Ultralytics' exports" }
const plain: PixelScale = { mean: 0, std: 255, takers: 'many exports' }

const scales: Record<Layout['kind'], PixelScale> = {
  yolov5: ultralytics,
  yolov8: ultralytics,
  yolox: { mean: 0, std: 1, takers: "YOLOX's exports", channels: ['channels: bgr'] },
  scrfd: { mean: 127.5, std: 128, takers: "InsightFace's models" },
  finished: plain,
  nms: plain,
  boxes: plain,
}

/** How each was trained: where the picture goes in the model's square, and what is around it. */
const margins: Record<Layout['kind'], string[]> = {
  yolov5: ['background: 114'],
  yolov8: ['background: 114'],
  yolox: ['position: top-left', 'background: 114'],
  scrfd: ['position: top-left'],
  finished: ['background: 114'],
  nms: ['background: 114'],
  boxes: [],
}

function taskOf({ metadata }: ModelShape): string {
  const { task } = metadata
  return task === undefined || task === 'detect' ? '' : `; by its metadata it is made for another task, ${task}`
}

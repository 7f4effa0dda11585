import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import detect from '../../functions/detect.ts'
import { openPicture } from '../../runtime/steps/encoded.ts'
import type { StepContext } from '../../runtime/steps/step.ts'
import type { Tensors } from '../../runtime/tensor.ts'
import {
  driverOf,
  exported,
  heads,
  infosOf,
  nmsByClass,
  picture,
  quantised,
  yolox,
  type Thing,
} from './detect-scene.ts'

const labels = Array.from({ length: 80 }, (_, i) => `class ${i}`)
const crowd = Array.from({ length: 30 }, (_, i): Thing => {
  const [x, y] = [(i % 6) * 60, Math.floor(i / 6) * 60]
  return { box: [x, y, x + 40, y + 50], score: 0.45 + i / 100, index: i, stride: 8 }
})
const speed = suite('decoding of 30 objects')

/** Isolates have one model; other types of tensors in the process would cost twice as much. Bytes come last. */
const scenes: [name: string, size: number, make: (size: number) => Tensors][] = [
  ['YOLOX, 3549 x 85', 416, (size) => ({ output: yolox(crowd, { size, classes: 80 }) })],
  ['YOLOX, 8400 x 85', 640, (size) => ({ output: yolox(crowd, { size, classes: 80 }) })],
  ['YOLOv8, 84 x 8400', 640, (size) => ({ output: exported(crowd, { size, classes: 80 }) })],
  ['YOLOv8, maps', 640, (size) => heads(crowd, { size, classes: 80, isLogits: true })],
  ['YOLOv8, maps, channels first', 640, (size) => heads(crowd, { size, classes: 80, isLogits: true, isNchw: true })],
  ['NMS by class, 80 x 100', 640, (size) => ({ nms: nmsByClass(crowd, { size, classes: 80, most: 100 }) })],
  [
    'YOLOv8, maps of bytes',
    640,
    (size) => {
      const [boxesTo, scoresTo] = [quantised(Uint8Array, 0.1, 160), quantised(Uint8Array, 1 / 255, 0)]
      return heads(crowd, { size, classes: 80, boxesTo, scoresTo })
    },
  ],
]

for (const [name, size, make] of scenes) {
  speed(`takes no longer than a few looks at every value: ${name}`, async () => {
    const outputs = make(size)
    const { model } = await driverOf(infosOf(outputs), { size, files: { labels } })
    const source = await openPicture(await picture(size, size), 1e6)
    const options = { min_confidence: 0.4, nms: 0.45, max_objects: 100 }
    const context = { options, model, files: { labels }, source, input: source.letterbox(size, size) } as unknown
    const decode = () => detect.steps!['detect.decode']!.run(outputs, context as StepContext) as unknown[]
    assert.is(decode().length, 30)
    const [typical, best] = timesOf(decode)
    const values = Object.values(outputs).map(({ data }) => data as Float32Array)
    const [, look] = timesOf(() => values.map(greatest))
    console.log(`${name}: ${typical.toFixed(2)} ms, at best ${best.toFixed(2)}; a look at all ${look.toFixed(2)}`)
    assert.ok(best <= 4 * look + 0.5, `${best} ms, a look at every value takes ${look}`)
  })
}

speed.run()

// --- internal ---

function timesOf(run: () => unknown): [typical: number, best: number] {
  const times = Array.from({ length: 40 }, () => {
    const startedAt = performance.now()
    run()
    return performance.now() - startedAt
  }).sort((a, b) => a - b)
  return [times[20]!, times[0]!]
}

function greatest(values: Float32Array): number {
  let most = -Infinity
  for (let i = 0; i < values.length; i++) if (values[i]! > most) most = values[i]!
  return most
}

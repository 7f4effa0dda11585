import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PelletError } from '../../runtime/errors.ts'
import { toFloat16 } from '../../runtime/steps/float16.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import { deviation } from '../references/measure.ts'
import {
  answerFor,
  byFeature,
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
import { check } from './driver.ts'

const things: Thing[] = [
  { box: [20, 16, 52, 32], score: 0.72, index: 1, stride: 16 },
  { box: [1, 40, 12, 58], score: 0.6, index: 2, stride: 8 },
  { box: [4, 8, 60, 62], score: 0.5, index: 0, stride: 32 },
]
const objects = suite('detect')

const bytes = quantised(Uint8Array, 1 / 255, 0)
const logits = quantised(Uint8Array, 0.1, 160)
const layouts: Record<string, Tensors> = {
  yolox: { output: yolox(things) },
  'yolox without a batch': { output: flat(yolox(things)) },
  'yolox of 16 bits': { output: quantised(Uint16Array, 1e-4, 20_000)(yolox(things)) },
  'yolox of halves': { output: halves(yolox(things)) },
  'yolov8, exported': { output0: exported(things) },
  'yolov8, exported, of 16 bits': { output0: quantised(Uint16Array, 1e-3, 0)(exported(things)) },
  'yolov8, maps of probabilities': heads(things),
  'yolov8, maps of logits': heads(things, { isLogits: true }),
  'yolov8, maps with a batch': heads(things, { hasBatch: true }),
  'yolov8, channels first': heads(things, { hasBatch: true, isNchw: true, isLogits: true }),
  'yolov8, channels first without a batch': heads(things, { isNchw: true }),
  'yolov8, joined': heads(things, { isJoined: true, isLogits: true, hasBatch: true, isNchw: true }),
  'yolov8, joined, channels last': heads(things, { isJoined: true, isLogits: true }),
  'yolov8, maps of bytes': heads(things, { boxesTo: logits, scoresTo: bytes }),
  'yolov8, maps of bytes, logits': heads(things, { isLogits: true, boxesTo: logits, scoresTo: logits }),
  'yolov8, signed bytes, channels first': heads(things, {
    isNchw: true,
    boxesTo: quantised(Int8Array, 0.1, 60),
    scoresTo: quantised(Int8Array, 1 / 255, -128),
  }),
  'yolov8, maps of bytes, by feature': heads(things, {
    hasBatch: true,
    isLogits: true,
    boxesTo: byFeature(0.065, 235),
    scoresTo: byFeature(0.09, 160),
  }),
  'nms by class': { nms: nmsByClass(things) },
}

for (const [name, outputs] of Object.entries(layouts)) {
  objects(`reads ${name}, told by its shapes or by its word`, async () => {
    const word = name.startsWith('nms') ? 'nms-by-class' : name.slice(0, 6).replace(/[, ]+$/, '')
    for (const decode of [undefined, word.replace(/^yolox.*/, 'yolox')] as const) {
      for (const ordered of [Object.entries(outputs), Object.entries(outputs).reverse()]) {
        const parts = { entry: decode === undefined ? {} : { decode } }
        const shuffled = Object.fromEntries(ordered)
        check(await driverOf(infosOf(shuffled), parts))
        const answer = await answerFor(shuffled, {}, parts)
        assert.equal(
          answer.objects.map(({ label, class_id }) => [label, class_id]),
          [
            ['dog', 1],
            ['owl', 2],
            ['cat', 0],
          ],
        )
        for (const [
          i,
          {
            box: [left, top, right, bottom],
            score,
          },
        ] of things.entries()) {
          const { confidence, bbox } = answer.objects[i]!
          // Half a step of quantisation, of a logit and in strides.
          assert.ok(Math.abs(confidence - score) <= 0.013, `${name}: ${confidence}, expected ${score}`)
          const off = deviation(bbox, [left, top, right - left, bottom - top])
          assert.ok(off <= 0.5, `${name}: ${bbox.join()}, expected ${things[i]!.box.join()}`)
        }
      }
    }
  })
}

objects('a distance is the mean of 0 to 15 by the softmax of its 16 values', async () => {
  const outputs = heads([things[0]!])
  const boxes = outputs['box16']!.data as Float32Array
  // Cell (2, 1) of 4 x 4. All alike: 7.5 strides. One far above the others: that one. Two alike, 3 and 5: 4.
  const at = (1 * 4 + 2) * 64
  boxes.fill(0, at, at + 64)
  boxes[at + 16 + 1] = 50
  boxes[at + 32 + 3] = boxes[at + 32 + 5] = 80
  boxes[at + 48 + 0] = 1
  const e = Math.E
  const bottom = (120 / (e + 15)) * 16
  const image = await picture(640, 640)
  const {
    objects: [found],
  } = await answerFor(outputs, {}, { image })
  // The picture is ten times as large as the input; the middle of the cell is (40, 24), edges are clipped to the picture.
  const expected = [0, 80, 640, Math.min(240 + bottom * 10, 640) - 80]
  assert.ok(deviation(found!.bbox, expected) <= 0.01, `${found!.bbox.join()}, expected ${expected.join()}`)
})

objects(
  'tells logits from probabilities by the coarsest map, though a step of quantisation may lead beyond 1',
  async () => {
    const outputs = heads(things.slice(0, 1), { isLogits: true })
    outputs['class32']!.data.fill(0.2 as never)
    // A sigmoid of 0.2 is 0.55.
    outputs['class32']!.data[0] = -0.2
    const [first] = (await answerFor(outputs, { min_confidence: 0.6 })).objects
    assert.ok(Math.abs(first!.confidence - 0.72) <= 0.001, String(first!.confidence))

    const sure = heads([{ ...things[2]!, score: 1 }], { scoresTo: quantised(Uint8Array, 1 / 254, 0) })
    sure['class32']!.data[9] = 255
    assert.equal(
      (await answerFor(sure)).objects.map(({ label, confidence }) => [label, confidence]),
      [['cat', 1]],
    )
  },
)

objects('tells the layout of 80 classes on a grid of 80 x 80', async () => {
  const names = Array.from({ length: 80 }, (_, i) => `class ${i}`)
  const thing: Thing = { box: [560, 20, 576, 36], score: 0.9, index: 7, stride: 8 }
  for (const isNchw of [false, true]) {
    for (const isJoined of [false, true]) {
      const outputs = heads([thing], { size: 640, classes: 80, isNchw, isJoined, isLogits: true })
      const { objects: found } = await answerFor(outputs, {}, { size: 640, files: { labels: names } })
      assert.equal(
        found.map(({ label }) => label),
        ['class 7'],
      )
      assert.ok(deviation(found[0]!.bbox, [560, 20, 16, 16]) <= 0.05, found[0]!.bbox.join())
    }
  }
})

objects('brings boxes to the posted picture, clips them, and drops what lies in the padding', async () => {
  const beside: Thing = { box: [10, 44, 40, 60], score: 0.9, index: 0, stride: 16 }
  for (const outputs of [{ output: yolox([...things, beside]) }, { nms: nmsByClass([...things, beside]) }]) {
    // 128 x 64 becomes 64 x 32 in the upper part.
    const answer = await answerFor(outputs, {}, { image: await picture(128, 64) })
    assert.equal(answer.image, { width: 128, height: 64 })
    assert.equal(
      answer.objects.map(({ label }) => label),
      ['dog', 'cat'],
    )
    assert.ok(deviation(answer.objects[0]!.bbox, [40, 32, 64, 32]) <= 0.02)
    assert.ok(deviation(answer.objects[1]!.bbox, [8, 16, 112, 48]) <= 0.02)
  }
})

objects('keeps the surest of boxes of one class that overlap, and those of other classes', async () => {
  const crowd: Thing[] = [
    { box: [16, 16, 48, 48], score: 0.9, index: 0, stride: 32 },
    { box: [16, 18, 48, 47], score: 0.8, index: 0, stride: 16 },
    { box: [16, 16, 48, 46], score: 0.7, index: 1, stride: 8 },
    { box: [36, 16, 60, 48], score: 0.6, index: 0, stride: 16 },
  ]
  const outputs = { nms: nmsByClass(crowd) }
  const found = async (options: object) =>
    (await answerFor(outputs, { ...options })).objects.map(({ confidence }) => confidence)
  assert.equal(await found({}), [0.9, 0.7, 0.6])
  assert.equal(await found({ nms: 1 }), [0.9, 0.8, 0.7, 0.6])
  assert.equal(await found({ nms: 0 }), [0.9, 0.7])
  assert.equal(await found({ max_objects: 2 }), [0.9, 0.7])
  assert.equal(await found({ min_confidence: 0.75 }), [0.9])
  assert.equal(await found({ labels: ['dog'] }), [0.7])
  assert.equal(await found({ labels: [' owl ', 'dog'], min_confidence: 0.75 }), [])
})

objects('what lies in the margin of the letterbox takes nobody’s place', async () => {
  const margin: Thing[] = [
    { box: [4, 40, 20, 60], score: 0.95, index: 0, stride: 16 },
    { box: [30, 36, 60, 62], score: 0.9, index: 1, stride: 32 },
  ]
  const seen: Thing = { box: [20, 4, 40, 20], score: 0.6, index: 2, stride: 8 }
  const outputs = { nms: nmsByClass([...margin, seen]) }
  const { objects } = await answerFor(outputs, { max_objects: 1 }, { image: await picture(64, 32) })
  assert.equal(
    objects.map(({ label }) => label),
    ['owl'],
  )
})

objects('of classes that are equally likely takes the first', async () => {
  const output = exported([things[0]!])
  output.data[6 * 84 + 70] = output.data[5 * 84 + 70]!
  assert.equal(
    (await answerFor({ output })).objects.map(({ label }) => label),
    ['dog'],
  )
})

objects('with a threshold of 0 gives what there is up to max_objects, with 1 only the certain', async () => {
  for (const [name, outputs] of Object.entries(layouts)) {
    const all = (await answerFor(outputs, { min_confidence: 0, max_objects: 7 })).objects
    assert.ok(all.length >= 3 && all.length <= 7, `${name}: ${all.length}`)
    assert.ok(
      all.every(({ confidence }) => confidence >= 0 && confidence <= 1),
      name,
    )
    assert.equal((await answerFor(outputs, { min_confidence: 1 })).objects, [], name)
  }
  const certain = { ...things[0]!, score: 1 }
  const answer = await answerFor({ nms: nmsByClass([certain]) }, { min_confidence: 1 })
  assert.equal(
    answer.objects.map(({ confidence }) => confidence),
    [1],
  )
})

objects('finds nothing where there is nothing', async () => {
  const none = [yolox([]), exported([]), nmsByClass([])]
  for (const output of none) assert.equal((await answerFor({ output })).objects, [])
  assert.equal((await answerFor(heads([], { isLogits: true }))).num_objects, 0)
})

objects('reads NMS by class packed: full classes, empty ones, and whatever lies behind', async () => {
  const full = Array.from({ length: 4 }, (_, i): Thing => {
    return { box: [i * 16, 0, i * 16 + 10, 10], score: 0.5 + i / 10, index: 2, stride: 8 }
  })
  const { objects: found } = await answerFor({ nms: nmsByClass([...full, things[0]!]) })
  assert.equal(
    found.map(({ label, confidence }) => [label, confidence]),
    [
      ['owl', 0.8],
      ['dog', 0.72],
      ['owl', 0.7],
      ['owl', 0.6],
      ['owl', 0.5],
    ],
  )
})

objects('a frame that is no packed NMS is told, not guessed', async () => {
  for (const count of [-1, 5, 0.5, NaN, 1e9]) {
    const nms = nmsByClass(things)
    nms.data[0] = count
    await assertFails(
      () => answerFor({ nms }),
      `detect.decode: expected packed boxes in "nms", 0 to 4 of class 0, found ${count}`,
    )
  }
})

objects('numbers that are none are no objects', async () => {
  for (const build of [yolox, exported, nmsByClass]) {
    const output = build(things)
    if (build !== nmsByClass) (output.data as Float32Array).fill(NaN)
    else (output.data as Float32Array).fill(NaN, 1 + 5 + 1, 1 + 5 + 1 + 5)
    const { objects: found } = await answerFor({ output }, { min_confidence: 0 })
    assert.equal(
      found.map(({ label }) => label),
      build === nmsByClass ? ['owl', 'cat'] : [],
    )
  }
  const wide = yolox([things[0]!])
  // exp(200) is infinite as float32, and a box must end somewhere.
  wide.data[70 * 8 + 2] = 200
  const {
    objects: [found],
  } = await answerFor({ output: wide })
  assert.equal([found!.bbox[0], found!.bbox[2]], [0, 64])
})

objects.run()

// --- internal ---

function flat(tensor: Tensor): Tensor {
  return { ...tensor, dims: tensor.dims.slice(1) }
}

function halves(tensor: Tensor): Tensor {
  return { ...tensor, type: 'float16', data: Uint16Array.from(tensor.data as Float32Array, toFloat16) }
}

async function assertFails(run: () => Promise<unknown>, message: string): Promise<void> {
  try {
    await run()
  } catch (error) {
    assert.instance(error, PelletError)
    assert.is((error as PelletError).code, 'function_failed')
    assert.ok((error as Error).message.includes(message), (error as Error).message)
    return
  }
  assert.unreachable('expected an error, found none')
}

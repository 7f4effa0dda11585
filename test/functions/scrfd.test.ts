import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deviation } from '../references/measure.ts'
import { check } from './driver.ts'
import {
  anchors,
  answerOf,
  byFeature,
  decoded,
  driverOf,
  halves,
  info,
  infosOf,
  outputsOf,
  quantised,
  size,
  type Anchor,
  type Layout,
} from './scrfd-network.ts'

const decode = suite('scrfd')
const expected = [
  { score: 0.9, box: [8, 8, 32, 48], landmarks: [12, 20, 20, 20, 16, 24, 12, 28, 20, 28] },
  { score: 0.8, box: [48, 0, 96, 64], landmarks: [56, 24, 72, 24, 64, 32, 56, 40, 72, 40] },
]

decode(
  'reads rows and maps, with a batch and without, of floats, halves and quantised integers, in any order',
  async () => {
    const layouts: Record<string, Layout> = {
      'rows with a batch': { isMap: false, hasBatch: true },
      rows: { isMap: false, hasBatch: false },
      maps: { isMap: true, hasBatch: false },
      'maps with a batch': { isMap: true, hasBatch: true },
      'maps of bytes': { isMap: true, hasBatch: false, to: quantised(Uint8Array, 'uint8', 1 / 64, 40) },
      'maps of signed bytes': { isMap: true, hasBatch: false, to: quantised(Int8Array, 'int8', 1 / 60, -60) },
      'maps of bytes, each feature on a scale of its own': { isMap: true, hasBatch: true, to: byFeature },
      'maps of 16 bits': { isMap: true, hasBatch: false, to: quantised(Uint16Array, 'uint16', 1e-4, 30_000) },
      'rows of halves': { isMap: false, hasBatch: true, to: halves },
    }
    for (const [name, layout] of Object.entries(layouts)) {
      const outputs = outputsOf(anchors, size, layout)
      for (const ordered of [Object.entries(outputs), Object.entries(outputs).reverse()]) {
        const shuffled = Object.fromEntries(ordered)
        const driver = await driverOf(infosOf(shuffled), size)
        check(driver)
        const { faces } = await decoded(driver, shuffled, size)
        assert.is(faces.length, 2, name)
        for (const [i, { score, box, landmarks }] of expected.entries()) {
          // Half a step of quantisation, in strides of 16 pixels.
          assert.ok(Math.abs(faces[i]!.score - score) <= 0.01, `${name}: ${faces[i]!.score}`)
          assert.ok(deviation(faces[i]!.box, box) <= 0.15, `${name}: ${faces[i]!.box.join()}`)
          assert.ok(deviation(faces[i]!.landmarks!, landmarks) <= 0.15, `${name}: ${faces[i]!.landmarks!.join()}`)
        }
      }
    }
  },
)

decode('takes boxes back to the posted picture, and drops what lies beside it', async () => {
  const driver = await driverOf(infosOf(outputsOf([], size)), size)
  const beside: Anchor = { stride: 8, row: 7, column: 6, anchor: 0, score: 0.99, distances: [1, 0.5, 1, 0.5] }
  const posted = { width: 192, height: 64 }
  const { faces } = await decoded(driver, outputsOf([...anchors, beside], size), posted)
  assert.equal(
    faces.map(({ box }) => box),
    [
      [16, 16, 64, 96],
      [96, 0, 192, 128],
    ],
  )
  const { faces: told } = await answerOf(driver, outputsOf(anchors, size), posted)
  assert.equal(
    told.map(({ bbox }) => bbox),
    [
      [16, 16, 48, 48],
      [96, 0, 96, 64],
    ],
  )
})

decode('has the keys of the contract, and landmarks only when they are wanted', async () => {
  const driver = await driverOf(infosOf(outputsOf([], size)), size)
  const outputs = outputsOf(anchors, size)
  const answer = await answerOf(driver, outputs, size)
  assert.is(Object.keys(answer).join(), 'faces,num_faces,inference_time_ms,model')
  assert.equal([answer.num_faces, answer.model], [2, 'starter-scrfd'])
  assert.equal(answer.faces[0], {
    bbox: [8, 8, 24, 40],
    confidence: 0.9,
    landmarks: [
      { type: 'left_eye', x: 12, y: 20 },
      { type: 'right_eye', x: 20, y: 20 },
      { type: 'nose', x: 16, y: 24 },
      { type: 'left_mouth', x: 12, y: 28 },
      { type: 'right_mouth', x: 20, y: 28 },
    ],
  })
  const bare = await answerOf(driver, outputs, size, { return_landmarks: false })
  assert.equal(Object.keys(bare.faces[0]!), ['bbox', 'confidence'])
  const none = await answerOf(driver, outputsOf([], size), size, { annotate: true })
  assert.equal([none.faces, none.num_faces], [[], 0])
  const jpeg = Buffer.from(none.annotated_image!.slice('data:image/jpeg;base64,'.length), 'base64')
  const { format, width, height } = await sharp(jpeg).metadata()
  assert.equal([format, width, height], ['jpeg', 96, 64])
})

decode('counts a threshold from 0 to 1, the request over the manifest, and no more faces than asked for', async () => {
  const driver = await driverOf(infosOf(outputsOf([], size)), size)
  const outputs = outputsOf(
    [...anchors, { stride: 32, row: 1, column: 1, anchor: 0, score: 1, distances: [1, 2, 2, 3] }],
    size,
  )
  for (const [options, scores] of [
    [{}, [1, 0.9, 0.8]],
    [{ threshold: 0.85 }, [1, 0.9]],
    [{ threshold: 0.85, conf_threshold: 0.1 }, [1, 0.9, 0.8]],
    [{ threshold: 0.1, conf_threshold: 0.95 }, [1]],
    [{ conf_threshold: 1 }, [1]],
    [{ max_faces: 1 }, [1]],
    [{ max_faces: 2 }, [1, 0.9]],
    [{ nms: 1 }, [1, 0.9, 0.8, 0.7]],
    [{ nms: 1, conf_threshold: 0, max_faces: 1000 }, undefined],
  ] as const) {
    const { faces } = await decoded(driver, outputs, size, options)
    const found = faces.map(({ score }) => Math.round(score * 1e4) / 1e4)
    if (scores) assert.equal(found, scores, JSON.stringify(options))
    else assert.is(found.length, (96 + 24 + 6) * 2, 'every anchor')
  }
})

decode('numbers that are none are no faces', async () => {
  const driver = await driverOf(infosOf(outputsOf([], size)), size)
  const odd = { ...anchors[0]!, row: 5 }
  for (const broken of [
    { ...odd, score: NaN },
    { ...odd, distances: [1, NaN, 1, 1] },
    { ...odd, distances: [-2, 1, 1, 1] },
  ])
    assert.equal((await decoded(driver, outputsOf([broken], size), size)).faces, [])
})

decode('a model without landmarks detects, and is refused where faces are to be aligned', async () => {
  const outputs = outputsOf(anchors, size)
  const bare = Object.fromEntries(Object.entries(outputs).filter(([name]) => !name.startsWith('points')))
  const driver = await driverOf(infosOf(bare), size)
  const { faces } = await answerOf(driver, bare, size)
  assert.equal(
    faces.map((face) => Object.keys(face).join()),
    ['bbox,confidence', 'bbox,confidence'],
  )
  assert.throws(
    () => check(driver),
    /expected a model with landmarks .*found "score_8" \[1, 192, 1\].*leave this route out/,
  )
})

decode('other models are refused at deploy, in a sentence', async () => {
  const whole = infosOf(outputsOf([], size))
  const without = (name: string) => whole.filter((info) => info.name !== name)
  for (const [outputs, message] of [
    [[info('probs', [1, 1000])], /expected the outputs of an SCRFD model.*96 x 64 input.*found "probs" \[1, 1000\]/],
    [[], /expected the outputs of an SCRFD model/],
    [without('box_16'), /expected the outputs/],
    [without('points_8'), /expected the outputs/],
    [[...whole, info('age', [1, 1])], /"age" \[1, 1\]/],
    [[...whole, info('score_again', [1, 192, 1])], /"score_again"/],
    [infosOf(outputsOf([], { width: 64, height: 64 })), /"score_8" \[1, 128, 1\]/],
    // The grid of a picture that stands upright.
    [infosOf(outputsOf([], { width: 64, height: 96 }, { isMap: true, hasBatch: false })), /"score_8" \[12, 8, 2\]/],
  ] as const) {
    const driver = await driverOf(outputs, size)
    assert.throws(() => check(driver), message)
  }
  // Sizes that are free are told by the outputs themselves.
  const free = whole.map(({ name, shape }) => info(name, ['N', 'anchors', shape[2]!]))
  check(await driverOf(free, size))
  check(
    await driverOf(
      whole.map(({ name, shape }) => info(name, ['anchors', shape[2]!])),
      size,
    ),
  )
  const less = await driverOf(free.slice(1), size)
  assert.throws(() => check(less), /expected the outputs of an SCRFD model, .* of the input\)/)
})

decode('a model for pictures of any size has the size that the manifest says', async () => {
  const outputs = outputsOf(anchors, size)
  // What such files say of their outputs is often the size that they were exported with.
  const driver = await driverOf(infosOf(outputsOf([], { width: 640, height: 640 })), size)
  driver.model.inputs = [{ name: 'input', type: 'float32', shape: [1, 3, 'height', 'width'] }]
  for (const { pre } of driver.manifest.routes) Object.assign(pre[1]!.options, size)
  check(driver)
  const { faces } = await answerOf(driver, outputs, size)
  assert.equal(
    faces.map(({ bbox }) => bbox),
    [
      [8, 8, 24, 40],
      [48, 0, 48, 64],
    ],
  )
})

decode.run()

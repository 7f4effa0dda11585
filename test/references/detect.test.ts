import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet } from '../support/pellet.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, postBytes, readJson, readShared, sharedFile } from './calls.ts'
import { deviation } from './measure.ts'

interface Truth {
  images: Record<
    string,
    { image_size: [number, number]; detections: { label: string; class_id: number; score: number; bbox: number[] }[] }
  >
}

interface Found {
  objects: {
    label: string
    class_id: number
    confidence: number
    bbox: [x: number, y: number, width: number, height: number]
  }[]
  num_objects: number
  model: string
  inference_time_ms: number
  image: { width: number; height: number }
  annotated_image?: string
}

interface DeepStack {
  success: boolean
  predictions: { label: string; confidence: number; x_min: number; y_min: number; x_max: number; y_max: number }[]
}

/** Of a box's own size. The reference divides by the nominal ratio of the letterbox, Pellet by the one of whole pixels. */
const boxPart = 0.02
const scoreTolerance = 0.02
const detect = suite('YOLOX nano through functions/detect.ts')
let pellet: RunningPellet

detect.before(async () => {
  if (sharedData('') === undefined) return
  pellet = await RunningPellet.start({
    'functions/detect.ts': ownFile('functions/detect.ts'),
    'manifests/detect.yaml': ownFile('manifests/detect.yaml'),
    'models/coco.txt': ownFile('models/coco.txt'),
    'models/yolox_nano.onnx': sharedFile('models/yolox_nano.onnx'),
  })
})

detect.after(async () => {
  if (pellet) assert.is(await pellet.stop(), 0)
})

testWithShared(detect, 'finds what the reference finds, in its order, in the pixels of the photo', async () => {
  for (const [
    photo,
    {
      image_size: [width, height],
      detections,
    },
  ] of Object.entries(truth().images)) {
    const { objects, ...rest } = await jsonOf<Found>(await post('/v1/detect/objects', photo, { min_confidence: '0.3' }))
    assert.equal(rest.image, { width, height })
    assert.is(rest.num_objects, detections.length)
    assert.is(rest.model, 'yolox-nano')
    assert.type(rest.inference_time_ms, 'number')
    assert.equal(
      objects.map(({ label, class_id }) => [label, class_id]),
      detections.map(({ label, class_id }) => [label, class_id]),
      photo,
    )
    let worst = 0
    for (const [i, { score, bbox }] of detections.entries()) {
      const {
        confidence,
        bbox: [x, y, w, h],
      } = objects[i]!
      assert.ok(Math.abs(confidence - score) <= scoreTolerance, `${photo} ${i}: score ${confidence}, expected ${score}`)
      const clipped = bbox.map((edge, at) => Math.min(Math.max(edge, 0), at % 2 === 0 ? width : height))
      const size = Math.max(bbox[2]! - bbox[0]!, bbox[3]! - bbox[1]!)
      worst = Math.max(worst, deviation([x, y, x + w, y + h], clipped) / size)
    }
    console.log(`${photo}: boxes deviate by at most ${(worst * 100).toFixed(2)} % of their size`)
    assert.ok(worst <= boxPart, `${photo}: ${worst}`)
  }
})

testWithShared(
  detect,
  'answers as DeepStack does: whole pixels inside the picture, by falling confidence',
  async () => {
    for (const [
      photo,
      {
        image_size: [width, height],
        detections,
      },
    ] of Object.entries(truth().images)) {
      for (const least of [undefined, 0.4, 0.7] as const) {
        // What Home Assistant's and Frigate's clients send besides the picture means nothing here.
        const fields = { api_key: '', admin_key: 'x', ...(least && { min_confidence: String(least) }) }
        const answer = await jsonOf<DeepStack>(await post('/v1/vision/detection', photo, fields))
        assert.equal(Object.keys(answer), ['success', 'predictions'])
        assert.is(answer.success, true)
        const wanted = detections.filter(({ score }) => score >= (least ?? 0.4))
        assert.equal(
          answer.predictions.map(({ label }) => label),
          wanted.map(({ label }) => label),
        )
        let last = 1
        for (const prediction of answer.predictions) {
          assert.equal(Object.keys(prediction), ['label', 'confidence', 'x_min', 'y_min', 'x_max', 'y_max'])
          const { confidence, x_min, y_min, x_max, y_max } = prediction
          assert.ok(confidence <= last && confidence >= (least ?? 0.4), `${confidence} after ${last}`)
          last = confidence
          assert.ok([x_min, y_min, x_max, y_max].every(Number.isInteger), JSON.stringify(prediction))
          assert.ok(0 <= x_min && x_min < x_max && x_max <= width, JSON.stringify(prediction))
          assert.ok(0 <= y_min && y_min < y_max && y_max <= height, JSON.stringify(prediction))
        }
      }
    }
  },
)

testWithShared(detect, "gives DeepStack's clients at most 20, since Frigate has room for no more", async () => {
  const fields = { min_confidence: '0.05' }
  const { predictions } = await jsonOf<DeepStack>(await post('/v1/vision/detection', 'street_road1.jpg', fields))
  assert.is(predictions.length, 20)
  const { objects } = await jsonOf<Found>(await post('/v1/detect/objects', 'street_road1.jpg', fields))
  assert.ok(objects.length > 20 && objects.length <= 100, String(objects.length))
  assert.equal(
    objects.slice(0, 20).map(({ label }) => label),
    predictions.map(({ label }) => label),
  )
})

testWithShared(
  detect,
  'gives only the labels that are asked for, and refuses those that the model does not know',
  async () => {
    const fields = { min_confidence: '0.3', labels: 'tie, dog' }
    const { objects } = await jsonOf<Found>(await post('/v1/detect/objects', 'people2.jpeg', fields))
    assert.equal(
      objects.map(({ label }) => label),
      ['tie'],
    )
    for (const [wrong, message] of [
      [{ labels: 'persons' }, /labels: expected classes of the model, found persons/],
      [{ min_confidence: '1.5' }, /min_confidence/],
      [{ min_confidence: 'high' }, /min_confidence/],
    ] as const) {
      const answer = await post('/v1/vision/detection', 'people2.jpeg', wrong)
      const text = await answer.text()
      assert.is(answer.status, 400, text)
      const { success, error } = JSON.parse(text) as { success: boolean; error: string }
      assert.is(success, false)
      assert.match(error, message)
    }
  },
)

testWithShared(detect, 'takes pictures of every shape, with every threshold', async () => {
  for (const [width, height] of [
    [1, 1],
    [32, 32],
    [8000, 200],
    [200, 8000],
    [640, 480],
  ] as const) {
    const black = await sharp({ create: { width, height, channels: 3, background: '#000' } })
      .jpeg()
      .toBuffer()
    for (const min_confidence of ['0', '0.4', '1']) {
      const form = new FormData()
      form.append('image', new Blob([new Uint8Array(black)]), 'black.jpg')
      form.append('min_confidence', min_confidence)
      const answer = await pellet.fetch('/v1/detect/objects', { method: 'POST', body: form })
      const { objects, image } = await jsonOf<Found>(answer)
      const where = `${width} x ${height}, ${min_confidence}`
      assert.equal(image, { width, height }, where)
      if (min_confidence === '0') assert.ok(objects.length > 0 && objects.length <= 100, where)
      else assert.equal(objects, [], where)
      for (const {
        bbox: [x, y, w, h],
      } of objects) {
        assert.ok(x >= 0 && y >= 0 && w >= 0 && h >= 0, where)
        assert.ok(x + w <= width + 0.01 && y + h <= height + 0.01, `${where}: ${[x, y, w, h].join()}`)
      }
    }
  }
})

testWithShared(detect, 'finds the same in a picture that its EXIF turns', async () => {
  const photo = readShared('images/people2.jpeg')
  const lying = await sharp(photo).rotate(270).withMetadata({ orientation: 6 }).jpeg({ quality: 98 }).toBuffer()
  const { objects, image } = await jsonOf<Found>(await postBytes(pellet, '/v1/detect/objects', lying))
  assert.equal(image, { width: 1200, height: 800 })
  const { objects: upright } = await jsonOf<Found>(await postBytes(pellet, '/v1/detect/objects', photo))
  assert.is(objects.length, upright.length)
  for (const [i, { label, bbox }] of upright.entries()) {
    assert.is(objects[i]!.label, label)
    assert.ok(
      deviation(objects[i]!.bbox, bbox) <= boxPart * bbox[2]!,
      `${objects[i]!.bbox.join()}, upright ${bbox.join()}`,
    )
  }
})

testWithShared(detect, 'annotates the picture in its posted size', async () => {
  const { annotated_image } = await jsonOf<Found>(
    await post('/v1/detect/objects', 'street_road1.jpg', { annotate: 'true' }),
  )
  const [head, base64] = annotated_image!.split(',') as [string, string]
  assert.is(head, 'data:image/jpeg;base64')
  const { format, width, height } = await sharp(Buffer.from(base64, 'base64')).metadata()
  assert.equal([format, width, height], ['jpeg', 960, 638])
})

detect.run()

// --- internal ---

function truth(): Truth {
  return readJson<Truth>(readShared('truth/yolox_nano.json'))
}

/** A multipart form as DeepStack's clients send it: all text. */
function post(path: string, photo: string, fields: Record<string, string>): Promise<Response> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('image', new Blob([new Uint8Array(readShared(`images/${photo}`))]), photo)
  return pellet.fetch(path, { method: 'POST', body: form })
}

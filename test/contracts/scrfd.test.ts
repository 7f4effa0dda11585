import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, callJson } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePorts } from '../support/ports.ts'
import {
  assertShape,
  boolean,
  integer,
  listOf,
  matching,
  number,
  sample,
  shipped,
  switchedOn,
  text,
  within,
} from './contract.ts'

const test = suite('hailo-scrfd')
const faces = sample('faces_1.jpg')
const image = faces.toString('base64')
let pellet: RunningPellet
let own = ''

test.before(async () => {
  const [port] = await freePorts(1)
  pellet = await RunningPellet.start({ ...shipped('scrfd'), 'manifests/scrfd.yaml': switchedOn('scrfd', [port!]) })
  own = `http://127.0.0.1:${port}`
})
test.after(async () => {
  await pellet.stop()
})

test('GET /health, before its model is loaded and after', async () => {
  const health = { status: 'healthy', service: 'hailo-scrfd', model_loaded: boolean, model: 'starter-scrfd' }
  const get = () => call(`${own}/health`, { method: 'GET' })
  assertShape((await get()).json, { ...health, model_loaded: false })
  await callJson(`${own}/v1/detect`, { image })
  const { status, json } = await get()
  assert.is(status, 200)
  assertShape(json, { ...health, model_loaded: true })
})

const face = { bbox: listOf(integer, 4), confidence: within(0, 1) }
const landmarks = listOf({ type: text, x: integer, y: integer }, 5)
const detected = { num_faces: integer, inference_time_ms: number, model: 'starter-scrfd' }

test('POST /v1/detect', async () => {
  for (const base of [own, pellet.url]) {
    const { status, json } = await callJson(`${base}/v1/detect`, { image })
    assert.is(status, 200)
    assertShape(json, { ...detected, faces: listOf({ ...face, landmarks }) })
    assert.ok(json.faces.length > 0)
    assert.is(json.num_faces, json.faces.length)
    assert.is(json.annotated_image, undefined)
    const scores = json.faces.map(({ confidence }: { confidence: number }) => confidence)
    assert.equal(
      scores,
      scores.toSorted((a: number, b: number) => b - a),
    )
  }
})

test('without return_landmarks there is no such key', async () => {
  const { json } = await callJson(`${own}/v1/detect`, { image, return_landmarks: false })
  assertShape(json, { ...detected, faces: listOf(face) })
  assert.ok(json.faces.length > 0)
  for (const one of json.faces) assert.not.ok('landmarks' in one)
})

test('conf_threshold decides what is a face', async () => {
  const counts = []
  for (const conf_threshold of [0, 0.5, 1])
    counts.push((await callJson(`${own}/v1/detect`, { image, conf_threshold })).json.num_faces)
  assert.ok(counts[0]! >= counts[1]! && counts[1]! > 0, counts.join())
  assert.is(counts[2], 0)
})

test('annotate brings the posted picture back with the faces drawn in', async () => {
  const { json } = await callJson(`${own}/v1/detect`, { image, annotate: true })
  const picture = await sharp(bytesOf(json.annotated_image)).metadata()
  const posted = await sharp(faces).metadata()
  assert.equal([picture.width, picture.height], [posted.width, posted.height])
})

test('POST /v1/align gives each face as a JPEG of 112 x 112', async () => {
  for (const base of [own, pellet.url]) {
    const { status, json } = await callJson(`${base}/v1/align`, { image })
    assert.is(status, 200)
    const aligned_image = matching(/^data:image\/jpeg;base64,/)
    assertShape(json, {
      num_faces: integer,
      model: 'starter-scrfd',
      faces: listOf({ ...face, face_id: (value) => value !== undefined, aligned_image }),
    })
    assert.ok(json.faces.length > 0)
    for (const one of json.faces) {
      const crop = await sharp(bytesOf(one.aligned_image)).metadata()
      assert.equal([crop.format, crop.width, crop.height, crop.channels], ['jpeg', 112, 112, 3])
    }
  }
})

test('no face is an answer too', async () => {
  const grey = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#888' } })
    .png()
    .toBuffer()
  for (const route of ['/v1/detect', '/v1/align']) {
    const { status, json } = await call(own + route, { headers: { 'content-type': 'image/png' }, body: grey })
    assert.is(status, 200)
    assert.equal([json.faces, json.num_faces], [[], 0])
  }
})

test('options are read from a form and from the query as well', async () => {
  const form = new FormData()
  form.append('image', new Blob([new Uint8Array(faces)]), 'faces.jpg')
  form.append('return_landmarks', 'false')
  form.append('conf_threshold', '0.9')
  const written = new Response(form)
  const headers = { 'content-type': written.headers.get('content-type')! }
  const [posted, queried, json] = [
    await call(`${own}/v1/detect`, { headers, body: Buffer.from(await written.arrayBuffer()) }),
    await call(`${own}/v1/detect?return_landmarks=false&conf_threshold=0.9`, {
      headers: { 'content-type': 'image/jpeg' },
      body: faces,
    }),
    await callJson(`${own}/v1/detect`, { image, return_landmarks: false, conf_threshold: 0.9 }),
  ]
  assert.equal(posted.json.faces, json.json.faces)
  assert.equal(queried.json.faces, json.json.faces)
})

test.run()

// --- internal ---

/** Of a data URI or of base64 alone. */
function bytesOf(image: string): Buffer {
  return Buffer.from(image.slice(image.indexOf(',') + 1), 'base64')
}

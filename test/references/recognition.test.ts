import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { RunningPellet } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, postBytes, readJson, readShared, sharedFile } from './calls.ts'
import { assertNear, deviation } from './measure.ts'

interface Truth {
  images: Record<
    string,
    { bbox: number[]; score: number; kps: number[][]; embeddings: { imagenet_rgb: { unit: number[] } } }
  >
  cosine: { imagenet_rgb: Record<string, Record<string, number>> }
}

interface Embedded {
  embedding: number[]
  dimensions: number
  model: string
  inference_time_ms: number
}

interface Faces {
  faces: {
    face_id: number
    bbox: number[]
    confidence: number
    landmarks?: { type: string; x: number; y: number }[]
    embedding: number[]
  }[]
  num_faces: number
  model: string
  embedding_model?: string
  inference_time_ms: number
}

const tolerance = 0.02
const samePerson = 0.93
const otherPerson = 0.07
const recognition = suite('recognition')
let pellet: RunningPellet
let truth: Truth

recognition.before(async () => {
  if (sharedData('') === undefined) return
  truth = readJson<Truth>(readShared('truth/recognition.json'))
  pellet = await RunningPellet.start({
    'functions/scrfd.ts': ownFile('functions/scrfd.ts'),
    'functions/arcface.ts': ownFile('functions/arcface.ts'),
    'manifests/scrfd.yaml': withModel('scrfd', detector),
    'manifests/faces.yaml': withModel('faces', detector),
    'manifests/arcface.yaml': withModel('arcface', recogniser),
    'models/detector.onnx': sharedFile('models/scrfd_2.5g_kps.onnx'),
    'models/recogniser.onnx': sharedFile('models/mobilefacenet.onnx'),
  })
})

recognition.after(async () => {
  if (pellet) assert.is(await pellet.stop(), 0)
})

testWithShared(recognition, 'of faces by their landmarks gives the embeddings of the reference', async () => {
  const found: Record<string, number[]> = {}
  for (const [photo, { kps, embeddings }] of Object.entries(truth.images)) {
    const form = new FormData()
    form.append('image', new Blob([new Uint8Array(readShared(`images/identities/${photo}`))]), photo)
    form.append('landmarks', JSON.stringify(kps))
    const answer = await pellet.fetch('/v1/embed', { method: 'POST', body: form })
    const { embedding, dimensions, model } = await jsonOf<Embedded>(answer)
    assert.equal([dimensions, embedding.length, model], [128, 128, 'mobilefacenet'])
    assertNear([dot(embedding, embedding)], [1], 1e-5, `${photo}: length`)
    assertNear([dot(embedding, embeddings.imagenet_rgb.unit)], [1], tolerance, `${photo} and its own reference`)
    found[photo] = embedding
  }
  assertCosines(found, '/v1/embed with landmarks')
})

testWithShared(recognition, 'of whole pictures takes one request: found, turned upright, embedded', async () => {
  const found: Record<string, number[]> = {}
  for (const [photo, { bbox, score, kps, embeddings }] of Object.entries(truth.images)) {
    const answer = await postBytes(pellet, '/v1/faces', readShared(`images/identities/${photo}`))
    const { faces, num_faces, model, embedding_model, inference_time_ms } = await jsonOf<Faces>(answer)
    assert.equal([num_faces, model, embedding_model], [1, 'scrfd_2.5g_kps', 'mobilefacenet'])
    assert.type(inference_time_ms, 'number')
    const [face] = faces
    assert.is(Object.keys(face!).join(), 'face_id,bbox,confidence,landmarks,embedding')
    const [x = 0, y = 0, width = 0, height = 0] = face!.bbox
    const faceWidth = bbox[2]! - bbox[0]!
    // Whole pixels, and 1 % of the face's width.
    assertNear([x, y, x + width, y + height], bbox, 0.5 + 0.01 * faceWidth, `${photo} box`)
    const points = face!.landmarks!.flatMap((point) => [point.x, point.y])
    assertNear(points, kps.flat(), 0.5 + 0.01 * faceWidth, `${photo} landmarks`)
    assertNear([face!.confidence], [score], tolerance, `${photo} confidence`)
    assertNear([dot(face!.embedding, embeddings.imagenet_rgb.unit)], [1], tolerance, `${photo} and its own reference`)
    found[photo] = face!.embedding
  }
  assertCosines(found, '/v1/faces')
})

testWithShared(recognition, 'by three requests of a client, with JPEGs in between, comes to the same', async () => {
  const found: Record<string, number[]> = {}
  for (const photo of Object.keys(truth.images)) {
    const answer = await postBytes(pellet, '/v1/align', readShared(`images/identities/${photo}`))
    const { faces } = await jsonOf<{ faces: { aligned_image: string }[] }>(answer)
    assert.is(faces.length, 1)
    found[photo] = (
      await jsonOf<Embedded>(await pellet.post('/v1/embed', { image: faces[0]!.aligned_image }))
    ).embedding
  }
  assertCosines(found, '/v1/align and /v1/embed')
})

testWithShared(recognition, 'of a group has an embedding for each face, and of nobody an empty list', async () => {
  const group = await jsonOf<Faces>(await postBytes(pellet, '/v1/faces?max_faces=7', readShared('images/people1.jpeg')))
  assert.equal([group.num_faces, group.faces.map(({ face_id }) => face_id)], [7, [0, 1, 2, 3, 4, 5, 6]])
  for (const { embedding } of group.faces) assertNear([dot(embedding, embedding)], [1], 1e-5, 'length')
  const pairs = group.faces.flatMap((a, i) => group.faces.slice(i + 1).map((b) => dot(a.embedding, b.embedding)))
  assert.ok(Math.max(...pairs) < 0.9, `seven people: ${Math.max(...pairs)}`)
  const bare = await postBytes(pellet, '/v1/faces?return_landmarks=false', readShared('images/people1.jpeg'))
  assert.is(Object.keys((await jsonOf<Faces>(bare)).faces[0]!).join(), 'face_id,bbox,confidence,embedding')
  const nobody = await jsonOf<Faces>(await postBytes(pellet, '/v1/faces', readShared('images/street_road1.jpg')))
  assert.equal([nobody.faces, nobody.num_faces, nobody.embedding_model], [[], 0, undefined])
})

recognition.run()

// --- internal ---

const detector = { onnx: { name: 'scrfd_2.5g_kps', file: 'detector.onnx', mean: 127.5, std: 128 } }
const recogniser = {
  onnx: {
    name: 'mobilefacenet',
    file: 'recogniser.onnx',
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
  },
}

/** The manifest as it is shipped, with the reference's model instead of its own. JSON is YAML. */
function withModel(name: string, model: object): string {
  const manifest = parse(readFileSync(join(projectRoot, `manifests/${name}.yaml`), 'utf8')) as object
  // Its probe speaks of the starter model, and of a picture that is not here.
  return JSON.stringify({ ...manifest, model, probe: [] })
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0)
}

function assertCosines(found: Record<string, number[]>, where: string): void {
  const same: number[] = []
  const other: number[] = []
  let worst = 0
  for (const [one, row] of Object.entries(truth.cosine.imagenet_rgb))
    for (const [another, expected] of Object.entries(row)) {
      const cosine = dot(found[one]!, found[another]!)
      worst = Math.max(worst, deviation([cosine], [expected]))
      if (one !== another) (one.split('_')[0] === another.split('_')[0] ? same : other).push(cosine)
    }
  console.log(
    `${where}: cosines ${worst.toFixed(5)} off, same ${Math.min(...same).toFixed(4)}, other ${Math.max(...other).toFixed(4)}`,
  )
  assert.ok(worst <= tolerance, `${where}: expected cosines within ${tolerance}, found ${worst}`)
  assert.ok(Math.min(...same) >= samePerson, `${where}: one person ${Math.min(...same)}`)
  assert.ok(Math.max(...other) <= otherPerson, `${where}: two people ${Math.max(...other)}`)
}

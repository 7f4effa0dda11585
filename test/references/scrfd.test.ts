import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet, starterModel, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, postBytes, readJson, readShared, sharedFile } from './calls.ts'
import { deviation } from './measure.ts'

/** A face as the references tell it: edges and points in pixels. */
interface Expected {
  bbox: number[]
  score: number
  kps: number[][]
}

interface Photos {
  models: Record<string, Record<string, { faces: Expected[] }>>
}

interface Exact {
  models: Record<string, { faces: Expected[] }>
}

interface Golden {
  scrfd: { input: string; faces_in_640_pixels: { score: number; box: number[]; landmarks: number[][] }[] }[]
}

/** What the step scrfd.decode gives. */
interface Decoded {
  faces: { score: number; box: number[]; landmarks: number[] }[]
}

interface Detections {
  faces: { bbox: number[]; confidence: number; landmarks: { type: string; x: number; y: number }[] }[]
  num_faces: number
  model: string
}

const models = ['scrfd_2.5g_kps', 'scrfd_500m_kps']
const largePart = 0.01
const tinyPart = 0.035
const scoreTolerance = 0.02
const exactPixels = 1e-3
const scrfd = suite('SCRFD through functions/scrfd.ts')
let pellet: RunningPellet

scrfd.before(async () => {
  const files: ProjectFiles = {
    'functions/scrfd.ts': ownFile('functions/scrfd.ts'),
    'manifests/scrfd.yaml': ownFile('manifests/scrfd.yaml'),
    'models/scrfd.onnx': starterModel('scrfd.onnx'),
    'models/samples/faces_2_exif6.jpg': starterModel('samples/faces_2_exif6.jpg'),
    'manifests/starter.yaml': manifestOf('starter', 'scrfd.onnx'),
  }
  for (const [i, model] of (sharedData('') === undefined ? [] : models).entries()) {
    files[`models/${model}.onnx`] = sharedFile(`models/${model}.onnx`)
    files[`manifests/model-${i}.yaml`] = manifestOf(model, `${model}.onnx`)
  }
  pellet = await RunningPellet.start(files)
})

scrfd.after(async () => {
  assert.is(await pellet.stop(), 0)
})

testWithShared(scrfd, 'finds the faces of photos where the reference finds them', async () => {
  const { models: truth } = readJson<Photos>(readShared('truth/scrfd_photos.json'))
  for (const model of models) {
    for (const [photo, { faces }] of Object.entries(truth[model]!)) {
      const picture = readShared(`images/${photo}`)
      const found = await decoded(model, picture)
      assertFaces(found, faces, (width) => largePart * width, scoreTolerance, `${model} ${photo}`)
      assertSame(await detections(model, picture), found, model)
    }
  }
})

testWithShared(scrfd, 'finds tiny faces where the reference finds them', async () => {
  const { models: truth } = readJson<Exact>(readShared('truth/scrfd_exact_640.json'))
  // The photo that the exact input was made of, by this factor.
  const toPhoto = (value: number) => value / 0.5325
  for (const model of models) {
    const faces = truth[model]!.faces.map(({ bbox, score, kps }) => {
      return { bbox: bbox.map(toPhoto), score, kps: kps.map((point) => point.map(toPhoto)) }
    })
    const found = await decoded(model, readShared('images/people1.jpeg'))
    assertFaces(found, faces, (width) => tinyPart * width, scoreTolerance, `${model} people1.jpeg`)
  }
})

testWithShared(scrfd, 'gives the very numbers of the reference for its exact input', async () => {
  const { models: truth } = readJson<Exact>(readShared('truth/scrfd_exact_640.json'))
  for (const model of models) {
    const found = await decoded(model, readShared('truth/exact_people1_640.png'))
    assertFaces(found, truth[model]!.faces, () => exactPixels, 1e-4, `${model} exact`)
  }
})

scrfd('finds the golden faces of the starter model', async () => {
  const golden = readJson<Golden>(join(projectRoot, 'models/golden.json'))
  for (const { input, faces_in_640_pixels: faces } of golden.scrfd) {
    const picture = readFileSync(join(projectRoot, 'models', input))
    const expected = faces.map(({ score, box, landmarks }) => ({ bbox: box, score, kps: landmarks }))
    assertFaces(await decoded('starter', picture), expected, () => 0.05, 1e-3, input)
  }
})

scrfd('finds the faces of pictures, turned and of other sizes than the model', async () => {
  for (const [sample, golden] of [
    ['faces_1.jpg', 0],
    ['faces_2_exif6.jpg', 1],
  ] as const) {
    const { scrfd: truth } = readJson<Golden>(join(projectRoot, 'models/golden.json'))
    const expected = truth[golden]!.faces_in_640_pixels
    const answer = await postBytes(pellet, '/v1/detect', readFileSync(join(projectRoot, 'models/samples', sample)))
    const { faces, num_faces, model } = await jsonOf<Detections>(answer)
    assert.is(model, 'starter-scrfd')
    assert.is(num_faces, expected.length)
    for (const [i, { box, score }] of expected.entries()) {
      const [x = 0, y = 0, width = 0, height = 0] = faces[i]!.bbox
      assert.ok(deviation([x, y, x + width, y + height], box) <= 1, `${sample} ${i}: ${faces[i]!.bbox.join()}`)
      assert.ok(Math.abs(faces[i]!.confidence - score) <= scoreTolerance)
    }
  }
})

scrfd.run()

// --- internal ---

function manifestOf(name: string, file: string): string {
  return `
function: scrfd
model: { onnx: { name: ${name}, file: ${file}, mean: 127.5, std: 128 } }
routes:
  POST /v1/${name}/decoded: [scrfd.decode]
  POST /v1/${name}/detect: [scrfd.decode, scrfd.detections]
`
}

async function decoded(model: string, picture: Buffer): Promise<Decoded['faces']> {
  return (await jsonOf<Decoded>(await postBytes(pellet, `/v1/${model}/decoded`, picture))).faces
}

async function detections(model: string, picture: Buffer): Promise<Detections> {
  return jsonOf<Detections>(await postBytes(pellet, `/v1/${model}/detect`, picture))
}

/** As many faces, in the same order, each where it is expected. */
function assertFaces(
  found: Decoded['faces'],
  expected: Expected[],
  tolerance: (faceWidth: number) => number,
  within: number,
  where: string,
): void {
  assert.is(found.length, expected.length, `${where}: number of faces`)
  let worst = 0
  let worstPart = 0
  for (const { bbox, score, kps } of expected) {
    const width = bbox[2]! - bbox[0]!
    // Scores that are almost alike may change places.
    const face = found.find(({ box }) => deviation(box, bbox) < width / 2)
    assert.ok(face, `${where}: expected a face at ${bbox.join()}`)
    const by = Math.max(deviation(face!.box, bbox), deviation(face!.landmarks, kps.flat()))
    worst = Math.max(worst, by)
    worstPart = Math.max(worstPart, by / width)
    assert.ok(by <= tolerance(width), `${where}: expected at most ${tolerance(width)} pixels of deviation, found ${by}`)
    assert.ok(Math.abs(face!.score - score) <= within, `${where}: expected the score ${score}, found ${face!.score}`)
  }
  console.log(`${where}: ${worst.toFixed(4)} px, ${(worstPart * 100).toFixed(3)} % of the face's width`)
}

/** The answer tells the same faces in whole pixels. */
function assertSame({ faces, num_faces, model }: Detections, decoded: Decoded['faces'], name: string): void {
  assert.is(model, name)
  assert.is(num_faces, decoded.length)
  const names = 'left_eye,right_eye,nose,left_mouth,right_mouth'
  for (const [i, { bbox, confidence, landmarks }] of faces.entries()) {
    const { score, box, landmarks: points } = decoded[i]!
    const [x = 0, y = 0, width = 0, height = 0] = bbox
    assert.ok([...bbox, ...landmarks.flatMap(({ x, y }) => [x, y])].every(Number.isInteger))
    assert.ok(deviation([x, y, x + width, y + height], box) <= 0.5)
    assert.ok(Math.abs(confidence - score) <= 1e-4)
    assert.is(landmarks.map(({ type }) => type).join(), names)
    const flat = landmarks.flatMap(({ x, y }) => [x, y])
    assert.ok(deviation(flat, points) <= 0.5)
  }
}

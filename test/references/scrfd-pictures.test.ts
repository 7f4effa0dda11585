import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet, starterModel } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'
import { jsonOf, ownFile, postBytes } from './calls.ts'
import { deviation } from './measure.ts'
import { sides, toJpeg, toStored, withOrientation } from './turned.ts'

interface Face {
  bbox: [x: number, y: number, width: number, height: number]
  confidence: number
  landmarks: { type: string; x: number; y: number }[]
}

interface Detections {
  faces: Face[]
  num_faces: number
  inference_time_ms: number
  model: string
  annotated_image?: string
}

interface Aligned {
  faces: { face_id: number; bbox: number[]; confidence: number; aligned_image: string }[]
  num_faces: number
  model: string
}

const samples = join(projectRoot, 'models/samples')
const faces = readFileSync(join(samples, 'faces_1.jpg'))
const room = readFileSync(join(samples, 'room_1.jpg'))
const pictures = suite('pictures with and without faces')
let pellet: RunningPellet

pictures.before(async () => {
  pellet = await RunningPellet.start({
    'functions/scrfd.ts': ownFile('functions/scrfd.ts'),
    'manifests/scrfd.yaml': ownFile('manifests/scrfd.yaml'),
    'models/scrfd.onnx': starterModel('scrfd.onnx'),
    'models/samples/faces_2_exif6.jpg': starterModel('samples/faces_2_exif6.jpg'),
  })
})

pictures.after(async () => {
  assert.is(await pellet.stop(), 0)
})

pictures('have the same faces however a camera was held, where they are shown', async () => {
  const { data, info } = await sharp(faces).raw().toBuffer({ resolveWithObject: true })
  const shown = { data, width: info.width, height: info.height }
  const plain = await detect(await toJpeg(shown, 100))
  assert.is(plain.num_faces, 4)
  let worst = 0
  for (const [number, [row, column]] of Object.entries(sides)) {
    const stored = await toJpeg(toStored(shown, row, column), 100)
    const found = await detect(withOrientation(stored, Number(number), 'MM'))
    assert.is(found.num_faces, 4, number)
    const by = Math.max(...plain.faces.map((face) => distance(nearest(face, found.faces), face)))
    worst = Math.max(worst, by)
    assert.ok(by <= 1, `${number}: ${by} pixels`)
    // Else the faces above would say nothing.
    if (number === '1') continue
    const other = await detect(stored)
    assert.ok(
      other.num_faces !== 4 || plain.faces.some((face) => distance(nearest(face, other.faces), face) > 10),
      number,
    )
  }
  console.log(`EXIF 1 to 8: ${worst} pixels`)
})

pictures('of any size and content are answered, whatever the threshold', async () => {
  for (const [name, picture, most] of [
    ['1 x 1', await flat(1, 1, '#808080'), 100],
    ['32 x 32', await sharp(room).resize(32, 32, { fit: 'fill' }).jpeg().toBuffer(), 100],
    ['8000 x 200', await sharp(room).resize(8000, 200, { fit: 'fill' }).jpeg().toBuffer(), 0],
    ['200 x 8000', await sharp(room).resize(200, 8000, { fit: 'fill' }).jpeg().toBuffer(), 0],
    ['all black', await flat(640, 480, 'black'), 0],
    ['no face', room, 0],
  ] as const) {
    const { width, height } = await sharp(picture).metadata()
    const { faces, num_faces } = await detect(picture)
    assert.is(num_faces, faces.length)
    assert.ok(num_faces <= most, `${name}: found ${num_faces}`)
    const all = await detect(picture, '?conf_threshold=0&annotate=true')
    assert.ok(all.num_faces > 0 && all.num_faces <= 100, `${name}: ${all.num_faces} at threshold 0`)
    assertWithin(all.faces, width, height, name)
    const annotated = await sharp(fromDataUri(all.annotated_image!)).metadata()
    assert.equal([annotated.format, annotated.width, annotated.height], ['jpeg', width, height], name)
    assert.is((await detect(picture, '?conf_threshold=1')).num_faces, 0, name)
    const aligned = await align(picture, '?conf_threshold=0&max_faces=20')
    assert.equal([aligned.num_faces, aligned.faces.length], [20, 20], name)
  }
})

pictures('of a crowd give as many faces as are asked for, the surest first', async () => {
  const [tile, columns, rows] = [42, 15, 10]
  const face = await sharp(faces)
    .extract({ left: 335, top: 137, width: 130, height: 130 })
    .resize(tile, tile)
    .toBuffer()
  const crowd = await sharp({ create: { width: 640, height: 480, channels: 3, background: '#506070' } })
    .composite(
      Array.from({ length: columns * rows }, (_, i) => {
        return { input: face, left: (i % columns) * tile + 5, top: Math.floor(i / columns) * 48 }
      }),
    )
    .png()
    .toBuffer()
  const all = await detect(crowd, '?max_faces=1000')
  console.log(`crowd of 150: ${all.num_faces} found`)
  assert.is(all.num_faces, 150)
  assertWithin(all.faces, 640, 480, 'crowd')
  for (const [query, count] of [
    ['', 100],
    ['?max_faces=150', 150],
    ['?max_faces=20', 20],
    ['?max_faces=1', 1],
  ] as const) {
    const found = await detect(crowd, query)
    assert.equal(found.faces, all.faces.slice(0, count), query)
  }
  assert.is((await align(crowd, '?max_faces=150')).faces.length, 150)
})

pictures('are annotated in the size in which they are shown, as JSON and alone', async () => {
  const turned = readFileSync(join(samples, 'faces_2_exif6.jpg'))
  const { annotated_image, num_faces } = await detect(turned, '?annotate=true')
  assert.is(num_faces, 3)
  const answer = await postBytes(pellet, '/v1/detect', turned, 'image/jpeg')
  assert.equal([answer.status, answer.headers.get('content-type')], [200, 'image/jpeg'])
  const alone = Buffer.from(await answer.arrayBuffer())
  assert.equal(alone, fromDataUri(annotated_image!))
  const marked = await sharp(alone).raw().toBuffer({ resolveWithObject: true })
  assert.equal([marked.info.width, marked.info.height], [480, 640])
  const plain = await sharp(turned).rotate().raw().toBuffer()
  const isGreen = (data: Buffer) => (_: unknown, at: number) =>
    data[at * 3 + 1]! > 180 && data[at * 3]! < 90 && data[at * 3 + 2]! < 90
  const greens = (data: Buffer) => Array.from({ length: 480 * 640 }, isGreen(data)).filter(Boolean).length
  assert.ok(greens(marked.data) > greens(plain) + 500, `${greens(plain)} green pixels became ${greens(marked.data)}`)
})

pictures('give faces turned upright, in the size that is asked for', async () => {
  // Lying on its side by 20 degrees: the crop must stand.
  const tilted = await sharp(faces).rotate(20, { background: '#405060' }).jpeg({ quality: 95 }).toBuffer()
  const found = await detect(tilted)
  const { faces: aligned, num_faces, model } = await align(tilted)
  assert.equal([num_faces, model], [found.num_faces, 'starter-scrfd'])
  assert.ok(num_faces >= 3, `${num_faces}`)
  assert.equal(
    aligned.map(({ face_id, bbox, confidence }) => ({ face_id, bbox, confidence })),
    found.faces.map(({ bbox, confidence }, face_id) => ({ face_id, bbox, confidence })),
  )
  for (const { aligned_image, face_id } of aligned) {
    const jpeg = fromDataUri(aligned_image)
    const { format, width, height } = await sharp(jpeg).metadata()
    assert.equal([format, width, height], ['jpeg', 112, 112])
    // The crop shows a face alone, too near for the model: a margin brings it back to what it knows.
    const framed = await sharp(jpeg)
      .extend({ top: 112, bottom: 112, left: 112, right: 112, background: '#808080' })
      .png()
      .toBuffer()
    const [face] = (await detect(framed, '?conf_threshold=0.2&max_faces=1')).faces
    assert.ok(face, `face ${face_id}: none in its crop`)
    const points = face!.landmarks.flatMap(({ x, y }) => [x - 112, y - 112])
    const by = deviation(points, template)
    const eyes = Math.abs(points[1]! - points[3]!)
    console.log(`aligned face ${face_id}: points ${by.toFixed(1)} pixels from the template, eyes ${eyes} from level`)
    // In the tilted picture they would be 12 pixels from it, at this size.
    assert.ok(eyes <= 5, `face ${face_id}: ${points.join()}`)
    assert.ok(by <= 13, `face ${face_id}: ${points.join()}`)
  }
  const { faces: small } = await align(tilted, '?size=64&max_faces=1')
  const { width, height } = await sharp(fromDataUri(small[0]!.aligned_image)).metadata()
  assert.equal([width, height], [64, 64])
})

pictures('with options that cannot be are refused, in the words of the old daemon', async () => {
  for (const [query, message] of [
    ['conf_threshold=1.1', /^conf_threshold: /],
    ['conf_threshold=-0.1', /^conf_threshold: /],
    ['conf_threshold=high', /^conf_threshold: /],
    ['max_faces=0', /^max_faces: /],
    ['max_faces=1001', /^max_faces: /],
    ['max_faces=2.5', /^max_faces: /],
    ['size=8', /^size: /],
    ['size=4000', /^size: /],
    ['return_landmarks=perhaps', /^return_landmarks: /],
    ['annotate=2', /^annotate: /],
  ] as const) {
    const answer = await postBytes(pellet, `/v1/align?${query}`, faces)
    const { error, ...more } = (await answer.json()) as { error: string }
    assert.is(answer.status, 400, query)
    assert.match(error, message)
    assert.equal(more, {})
  }
})

pictures.run()

// --- internal ---

const template = [38.3, 51.7, 73.5, 51.5, 56, 71.7, 41.5, 92.4, 70.7, 92.2]

async function detect(picture: Buffer, query = ''): Promise<Detections> {
  return jsonOf<Detections>(await postBytes(pellet, `/v1/detect${query}`, picture))
}

async function align(picture: Buffer, query = ''): Promise<Aligned> {
  return jsonOf<Aligned>(await postBytes(pellet, `/v1/align${query}`, picture))
}

function flat(width: number, height: number, background: string): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer()
}

function fromDataUri(uri: string): Buffer {
  assert.match(uri, /^data:image\/jpeg;base64,/)
  return Buffer.from(uri.slice(uri.indexOf(',') + 1), 'base64')
}

function centreOf({ bbox: [x, y, width, height] }: Face): [x: number, y: number] {
  return [x + width / 2, y + height / 2]
}

function nearest(face: Face, among: Face[]): Face {
  const far = (one: Face) => deviation(centreOf(one), centreOf(face))
  return among.reduce((best, one) => (far(one) < far(best) ? one : best))
}

/** The greatest deviation of box and points, in pixels. */
function distance(found: Face, expected: Face): number {
  const numbers = ({ bbox, landmarks }: Face) => [...bbox, ...landmarks.flatMap(({ x, y }) => [x, y])]
  return deviation(numbers(found), numbers(expected))
}

function assertWithin(faces: Face[], width: number, height: number, where: string): void {
  for (const { bbox, confidence, landmarks } of faces) {
    const [x, y, w, h] = bbox
    const isInside = x >= 0 && y >= 0 && w >= 1 && h >= 1 && x + w <= width && y + h <= height
    assert.ok(isInside && bbox.every(Number.isInteger), `${where}: ${bbox.join()}`)
    assert.ok(confidence >= 0 && confidence <= 1)
    assert.ok(
      landmarks.length === 5 && landmarks.every((point) => Number.isInteger(point.x) && Number.isInteger(point.y)),
    )
  }
  assert.ok(
    faces.every(({ confidence }, i) => i === 0 || confidence <= faces[i - 1]!.confidence),
    `${where}: order`,
  )
}

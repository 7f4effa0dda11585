// @timeout 150s
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readHefModel } from '../../runtime/engines/hef-file.ts'
import { tensorsOfHef } from '../../runtime/engines/hef-tensors.ts'
import { toFloat32 } from '../../runtime/steps/vector.ts'
import type { Quantisation, Tensor } from '../../runtime/tensor.ts'
import { shipped } from '../contracts/contract.ts'
import { depthOf, jsonOf, ownFile, postBytes, readJson, readShared, sharedFile } from '../references/calls.ts'
import { deviation } from '../references/measure.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { boxesHef } from '../support/boxes-hef.ts'
import { RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { noise } from '../steps/fixture-steps.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData } from '../support/shared.ts'
import { SimControl, simulatedFiles, testWithSim } from '../support/sim.ts'
import { recordingName, simulatedOutputs } from '../support/sim-hash.ts'

/** What the simulated chip was given and gave, as it was recorded: truth/scrfd_hef_outputs.json. */
interface Recorded {
  images: Record<
    string,
    {
      det_scale: number
      resized: [width: number, height: number]
      outputs: { name: string; shape: number[]; file: string }[]
      faces: { bbox: Box; score: number; kps: [number, number][] }[]
    }
  >
}
type Box = [number, number, number, number]

interface Faces {
  faces: { bbox: Box; confidence: number; landmarks: { x: number; y: number }[] }[]
  model: string
}

const test = suite('functions on the NPU, through the whole server')
const hasShared = sharedData('') !== undefined
const register = (name: string, fn: () => Promise<void>) => (hasShared ? testWithSim(test, name, fn) : test.skip(name))

register('scrfd, as it comes: the faces of the recorded outputs, from the photos alone', async () => {
  const { images } = readJson<Recorded>(readShared('truth/scrfd_hef_outputs.json'))
  const hef = sharedData('hef/scrfd_2.5g.hef')!
  const order = tensorsOfHef(await readHefModel(hef), hef).outputs.map(({ name }) => name)
  const recordings = temporaryFolder()
  for (const [photo, { outputs }] of Object.entries(images)) {
    const read = (file: string) => gunzipSync(readShared(`truth/scrfd_hef_outputs/${file}`))
    const frames = order.map((name) => read(outputs.find((output) => output.name === name)!.file))
    const input = read(`${photo.split('.')[0]}.input_rgb_u8.gz`)
    writeFileSync(join(recordings, recordingName([input])), Buffer.concat(frames))
  }
  const files = { ...shipped('scrfd'), 'models/hailo10h/scrfd_2.5g.hef': { from: hef } }
  await withPellet(files, new SimControl({ chip: 'hailo10h', recordings }), async (pellet) => {
    for (const [photo, { det_scale, resized, faces }] of Object.entries(images)) {
      const picture = readShared(`images/${photo}`)
      const answer = await postBytes(pellet, '/v1/detect', picture)
      assert.is(answer.headers.get('x-pellet-engine'), 'simulated')
      const found = await jsonOf<Faces>(answer)
      assert.is(found.model, 'scrfd_2.5g_bnkps')
      assert.is(found.faces.length, faces.length, photo)
      // The record has one scale for both axes; the height was rounded down, and Pellet undoes that exactly.
      const { width, height } = await sharp(picture).metadata()
      const [x, y] = [(det_scale * width) / resized[0], (det_scale * height) / resized[1]]
      const inPhoto = (values: number[]) => values.map((value, i) => Math.round(value * (i % 2 === 0 ? x : y)))
      for (const { bbox, score, kps } of faces) {
        const [left, top, right, bottom] = inPhoto(bbox)
        const box = [left!, top!, right! - left!, bottom! - top!]
        // Of equal scores any may come first.
        const face = found.faces.find((one) => one.bbox.join() === box.join())
        assert.ok(face, `${photo}: expected a face at ${box.join()}, found ${JSON.stringify(found.faces)}`)
        assert.ok(Math.abs(face!.confidence - score) <= 1e-4)
        assert.equal(
          face!.landmarks.flatMap(({ x, y }) => [x, y]),
          inPhoto(kps.flat()),
          photo,
        )
      }
    }
    const jpeg = await postBytes(pellet, '/v1/detect', readShared('images/people1.jpeg'), 'image/jpeg')
    const { width, height } = await sharp(Buffer.from(await jpeg.arrayBuffer())).metadata()
    assert.equal([width, height], [1200, 800])
    assert.is((await pellet.row('scrfd')).loads, 1)
  })
})

register('depth, arcface and detect: what the chip gives, quantised or packed, is what is answered', async () => {
  const given: [name: string, hef: string, Buffer | { from: string }][] = [
    ['depth', 'scdepthv3', sharedFile('hef/fast_depth.hef')],
    ['arcface', 'arcface_mobilefacenet', sharedFile('hef/arcface_mobilefacenet_v2.hef')],
    ['detect', 'yolox_s_leaky', boxesHef({ side: 96, classes: 80, boxes: 4 })],
  ]
  const files: ProjectFiles = {
    ...shipped('depth'),
    'models/coco.txt': ownFile('models/coco.txt'),
    'manifests/arcface.yaml': ownFile('manifests/arcface.yaml'),
    'functions/arcface.ts': ownFile('functions/arcface.ts'),
    'manifests/detect.yaml': ownFile('manifests/detect.yaml'),
    'functions/detect.ts': ownFile('functions/detect.ts'),
  }
  for (const [, hef, content] of given) files[`models/hailo8/${hef}.hef`] = content
  await withPellet(files, new SimControl({ chip: 'hailo8' }), async (pellet) => {
    const chipOf = async (hef: string, side: number) => {
      const file = join(pellet.folder, `models/hailo8/${hef}.hef`)
      const { outputs } = tensorsOfHef(await readHefModel(file), file)
      const pixels = noise(side, side)
      const [{ name, type, shape, quant }] = outputs as [(typeof outputs)[0]]
      const dims = shape as number[]
      const count = dims.reduce((all, size) => all * size, 1)
      const nms = quant ? {} : { nms: { classes: dims[0]!, maxBoxesPerClass: (dims[1]! - 1) / 5, maxBoxesTotal: 0 } }
      const width = { uint8: 1, uint16: 2, float32: 4 }[type as 'uint8' | 'uint16' | 'float32']
      const edge = { name, type: type as 'uint8', bytes: count * width, ...nms }
      const [bytes] = simulatedOutputs([edge], [pixels.data])
      const data = { 1: bytes!, 2: new Uint16Array(bytes!.buffer), 4: new Float32Array(bytes!.buffer) }[width]!
      const image = await sharp(pixels.data, { raw: { width: side, height: side, channels: 3 } })
        .png()
        .toBuffer()
      return { image, output: { type, dims, data, ...(quant && { quant: quant as Quantisation }) } as Tensor }
    }

    const depth = await chipOf('scdepthv3', 224)
    const map = await depthOf(pellet, '/v1/depth/estimate', depth.image)
    const logits = toFloat32(depth.output)
    const expected = logits.map((logit) => 1 / (10 / (1 + Math.exp(-logit)) + 0.009))
    assert.ok(deviation(map.data, expected) <= 1e-6, 'depth of 16 bits')

    const face = await chipOf('arcface_mobilefacenet', 112)
    const { embedding } = await jsonOf<{ embedding: number[] }>(await postBytes(pellet, '/v1/embed', face.image))
    const values = toFloat32(face.output)
    const length = Math.hypot(...values)
    assert.ok(
      deviation(
        embedding,
        values.map((value) => value / length),
      ) <= 1e-6,
      'a vector of bytes',
    )

    const scene = await chipOf('yolox_s_leaky', 96)
    const route = '/v1/detect/objects?min_confidence=0.6&nms=1'
    const { objects } = await jsonOf<{ objects: object[] }>(await postBytes(pellet, route, scene.image))
    assert.ok(objects.length > 3 && objects.length < 100)
    assert.equal(inOrder(objects), inOrder(boxesIn(scene.output, 96, 0.6)))
    for (const name of ['depth', 'arcface', 'detect']) assert.is((await pellet.row(name)).loads, 1)
  })
})

test.run()

// --- internal ---

async function withPellet(files: ProjectFiles, sim: SimControl, use: (pellet: RunningPellet) => Promise<void>) {
  const pellet = await RunningPellet.start({ ...(await simulatedFiles()), ...files }, [], sim.env)
  try {
    await use(pellet)
  } finally {
    await pellet.stop()
  }
}

/** The frame as HailoRT packs it, read once more, as /v1/detect/objects tells what is in it. */
function boxesIn({ dims, data }: Tensor, side: number, minimum: number): object[] {
  const labels = readFileSync(join(projectRoot, 'models/coco.txt'), 'utf8').split('\n')
  const found: object[] = []
  for (let class_id = 0, at = 0; class_id < dims[0]!; class_id++) {
    for (let count = Number(data[at++]); count > 0; count--, at += 5) {
      const [top, left, bottom, right, score] = Array.from({ length: 5 }, (_, i) => Number(data[at + i]))
      if (score! < minimum) continue
      const edges = [left!, top!, Math.min(right!, 1) - left!, Math.min(bottom!, 1) - top!]
      const bbox = edges.map((edge) => Math.round(edge * side * 100) / 100)
      found.push({ label: labels[class_id], class_id, confidence: Math.round(score! * 1e4) / 1e4, bbox })
    }
  }
  return found
}

function inOrder(objects: object[]): string[] {
  return objects.map((object) => JSON.stringify(object)).toSorted()
}

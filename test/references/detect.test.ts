import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withPellet } from '../support/pellet.ts'
import { testWithShared } from '../support/shared.ts'
import { jsonOf, ownFile, postBytes, readJson, readShared, sharedFile } from './calls.ts'
import { deviation } from './measure.ts'

interface Box {
  label: string
  score: number
  bbox: [left: number, top: number, right: number, bottom: number]
}

interface Truth {
  images: Record<string, { detections: Box[] }>
}

const boxTolerance = 0.02
const scoreTolerance = 1e-3
const detect = suite('a detector as a function file')

testWithShared(detect, 'finds what YOLOX nano finds in the reference, in the pixels of the photo', async () => {
  const truth = readJson<Truth>(readShared('truth/yolox_nano.json'))
  const files = {
    'functions/detect.ts': ownFile('test/references/functions/detect.ts'),
    'models/coco.txt': ownFile('test/references/functions/coco.txt'),
    'models/yolox_nano.onnx': sharedFile('models/yolox_nano.onnx'),
  }
  await withPellet(files, [], async (pellet) => {
    for (const [photo, { detections }] of Object.entries(truth.images)) {
      const answer = await postBytes(pellet, '/v1/objects', readShared(`images/${photo}`))
      const { objects } = await jsonOf<{ objects: Box[] }>(answer)
      const missing = detections.filter((wanted) => !objects.some((found) => isSame(found, wanted)))
      const extra = objects.filter((found) => !detections.some((wanted) => isSame(found, wanted)))
      assert.equal(missing, [], `${photo}: in the reference only`)
      assert.equal(extra, [], `${photo}: found only here`)
    }
    const photo = Object.keys(truth.images)[0]!
    const sure = await postBytes(pellet, '/v1/objects?threshold=0.7', readShared(`images/${photo}`))
    const { objects } = await jsonOf<{ objects: Box[] }>(sure)
    assert.is(objects.length, truth.images[photo]!.detections.filter(({ score }) => score >= 0.7).length)
  })
})

detect.run()

// --- internal ---

/** Edges within a part of the box's own size. */
function isSame(found: Box, wanted: Box): boolean {
  const [left, top, right, bottom] = wanted.bbox
  const size = Math.max(right - left, bottom - top)
  return (
    found.label === wanted.label &&
    Math.abs(found.score - wanted.score) <= scoreTolerance &&
    deviation(found.bbox, wanted.bbox) <= boxTolerance * size
  )
}

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RunningPellet, starterModel } from './support/pellet.ts'
import { projectRoot } from './support/root.ts'

const first = suite('a function file')
const walk = readFileSync(join(projectRoot, 'models/samples/imu_walk.json'), 'utf8')

first('answers on its route with nothing but a model beside it', async () => {
  const pellet = await RunningPellet.start({
    'models/tcn.onnx': starterModel('tcn.onnx'),
    'functions/win.ts': `
      import { defineFunction, step, topK } from 'pellet'
      export default defineFunction({
        manifest: { route: 'POST /v1/win', model: { onnx: 'tcn.onnx' }, pre: ['window'], post: ['tags'] },
        steps: {
          window: step.request(({ fields }) => ({
            imu_window: { type: 'float32', dims: [1, 100, 9], data: Float32Array.from((fields.x as number[][]).flat()) },
          })),
          tags: step.outputs((out) => ({ tags: topK(out.motif_scores, 3) })),
        },
      })`,
  })
  const answer = await pellet.fetch('/v1/win', {
    method: 'POST',
    body: walk,
    headers: { 'content-type': 'application/json' },
  })
  assert.is(answer.status, 200)
  const { tags } = (await answer.json()) as { tags: { index: number; score: number }[] }
  assert.is(tags.length, 3)
  assert.ok(tags[0]!.score > tags[1]!.score)
  const { win } = await pellet.ps()
  assert.is(win!.loads, 1)
  assert.is(await pellet.stop(), 0)
})

first.run()

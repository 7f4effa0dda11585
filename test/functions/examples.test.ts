import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toOnnx, type OnnxModel } from '../support/onnx-writer.ts'
import { withPellet, type ProjectFiles } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'

const examples = suite('docs/functions.md')

const page = readFileSync(join(projectRoot, 'docs/functions.md'), 'utf8')
/** Whole function files; single lines are explained there as well. */
const sources = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)]
  .map(([, source]) => source!)
  .filter((source) => source.includes('export default'))

/** A model that takes a picture of 64 x 64 and always gives the same. */
function constantModel(outputs: Record<string, { dims: number[]; data: number[] }>): Buffer {
  const entries = Object.entries(outputs)
  const model: OnnxModel = {
    inputs: [{ name: 'x', type: 'float32', shape: [1, 3, 64, 64] }],
    outputs: entries.map(([name, { dims }]) => ({ name, type: 'float32', shape: dims })),
    nodes: entries.map(([name]) => ({ op: 'Identity', inputs: [`${name}_value`], outputs: [name] })),
    constants: Object.fromEntries(
      entries.map(([name, { dims, data }]) => [
        `${name}_value`,
        { type: 'float32', dims, data: Float32Array.from(data) },
      ]),
    ),
  }
  return toOnnx(model)
}

examples('every function of the page runs as it stands', async () => {
  const names = sources.map((source) => /POST \/v1\/(\w+)/.exec(source)![1]!)
  assert.equal(names, ['tags', 'plates'])
  const files: ProjectFiles = {
    'models/tags.onnx': constantModel({ logits: { dims: [1, 4], data: [1, 4, 2, 3] } }),
    'models/plates.onnx': constantModel({
      boxes: { dims: [1, 4, 4], data: [8, 16, 24, 32, 9, 16, 25, 32, 40, 0, 72, 64, 0, 0, 9, 9] },
      scores: { dims: [1, 4], data: [0.75, 0.5, 0.875, 0.25] },
    }),
  }
  for (const [i, name] of names.entries()) files[`functions/${name}.ts`] = sources[i]!
  const picture = await sharp({ create: { width: 200, height: 100, channels: 3, background: '#345' } })
    .jpeg()
    .toBuffer()
  await withPellet(files, [], async ({ url }) => {
    const post = async (path: string) => {
      const answer = await fetch(`${url}${path}`, {
        method: 'POST',
        body: new Uint8Array(picture),
        headers: { 'content-type': 'image/jpeg' },
      })
      return (await answer.json()) as unknown
    }
    assert.equal(await post('/v1/tags?top=2'), {
      tags: [
        { index: 1, score: 4 },
        { index: 3, score: 3 },
      ],
    })
    // 200 x 100 in 64 x 64: a scale of 0.32, and 16 pixels above.
    assert.equal(await post('/v1/plates'), {
      plates: [
        { score: 0.875, box: [125, 0, 200, 100] },
        { score: 0.75, box: [25, 0, 75, 50] },
      ],
    })
    const all = (await post('/v1/plates?threshold=0.1')) as { plates: unknown[] }
    assert.is(all.plates.length, 3)
  })
})

examples.run()

import { CliError } from '../cli-error.ts'
import { member, pixelLines, sizedStep, type Draft, type Task } from './draft.ts'
import { valuesText } from './model.ts'
import { pictureOf, rowsOf } from './shapes.ts'

/** @throws CliError where the model gives no vector of a picture */
export function embeddingDraft(task: Task): Draft {
  const { model } = task
  const picture = model && pictureOf(model)
  if (model && !picture)
    throw new CliError(
      `embedding: expected a model that takes one picture, found ${valuesText(model.inputs)}; say tensor`,
    )
  const rows = model ? rowsOf(model) : []
  const row = rows.find(({ output }) => /embed|feature|latent/i.test(output.name)) ?? rows[0]
  if (model && !row)
    throw new CliError(
      `embedding: expected an output that is one vector such as [1, 512], found ${valuesText(model.outputs)}`,
    )
  const isOne = !model || model.outputs.length === 1
  // As ONNX the network of a HEF has another name for it.
  const vector = row && !(isOne && model?.chip) ? member('out', row.output.name) : 'Object.values(out)[0]'
  return {
    summary: 'A picture as a vector of length 1: the dot product of two says how alike they are',
    imports: { values: ['defineFunction', 'step', 'toFloat32'] },
    source: `export default defineFunction({
  steps: {
    // The last step of post: what it returns is the answer. l2, before it, has brought the vector to length 1.
    answer: step.outputs((out, { model, elapsedMs }) => {
      const embedding = toFloat32(${vector})
      return { embedding, dimensions: embedding.length, model: model.entry.name, ms: Math.round(elapsedMs()) }
    }),
  },
})`,
    manifest: {
      entry: pixelLines(picture, { mean: 127.5, std: 127.5, takers: 'most face embeddings' }, task),
      pre: `[image.decode, ${sizedStep('image.resize', picture, 112)}, tensor]`,
      post: `[${isOne ? 'l2' : `{ l2: { output: ${row!.output.name} } }`}, answer]`,
    },
    test: {
      title: 'makes a vector of length 1 of a picture',
      body: 'picture',
      checks: [
        ...(row
          ? [`assert.equal(answer.embedding.length, ${row.length})`]
          : ['assert.ok(answer.embedding.length > 1)']),
        'const length = Math.hypot(...answer.embedding)',
        'assert.ok(Math.abs(length - 1) < 1e-3, `length ${length}`)',
      ],
    },
  }
}

import { CliError } from '../cli-error.ts'
import { pixelLines, sizedStep, type Draft, type Task } from './draft.ts'
import { valuesText } from './model.ts'
import { givesProbabilities, pictureOf, rowsOf } from './shapes.ts'

/** @throws CliError where the model is no classifier of pictures */
export function classifierDraft(task: Task): Draft {
  const { model } = task
  const picture = model && pictureOf(model)
  if (model && !picture)
    throw new CliError(`classifier: expected a model that takes one picture, found ${valuesText(model.inputs)}`)
  const rows = model ? rowsOf(model) : []
  const row = rows.find(({ output }) => givesProbabilities(output)) ?? rows[0]
  if (model && !row)
    throw new CliError(
      `classifier: expected an output that is one row, a number for each class, found ${valuesText(model.outputs)}`,
    )
  const most = Math.min(row?.length ?? 1000, 10_000)
  const first = Math.min(5, most)
  const output = model && model.outputs.length > 1 ? [`output: ${row!.output.name}`] : []
  const withOutput = (step: string) => (output.length > 0 ? `{ ${step}: { ${output[0]} } }` : step)
  const isProbability = row !== undefined && givesProbabilities(row.output)
  return {
    summary: 'What is in a picture: its likeliest classes',
    imports: { values: ['defineFunction', 'step', 'z'] },
    source: `export default defineFunction({
  // What a request may set, in its form, JSON or query. The built-in step topk reads k.
  input: { k: z.number().int().min(1).max(${most}).default(${first}) },
  steps: {
    // The last step of post: what it returns is the answer. topk gives { top: [{ index, score, label? }, ...] }.
    answer: step.result((result, { model, elapsedMs }) => ({
      ...(result as object),
      model: model.entry.name,
      ms: Math.round(elapsedMs()),
    })),
  },
})`,
    manifest: {
      entry: pixelLines(picture, imagenet, task),
      takesLabels: true,
      classes: row?.length,
      pre: `[image.decode, ${sizedStep('image.resize', picture, 224)}, tensor]`,
      post: `[${isProbability ? '' : `${withOutput('softmax')}, `}${withOutput('topk')}, answer]`,
    },
    test: {
      title: 'names the likeliest classes of a picture',
      body: 'picture',
      query: '?k=3',
      checks: [
        `assert.equal(answer.top.length, ${Math.min(3, most)})`,
        'for (const { index, score } of answer.top) {',
        `  assert.ok(Number.isInteger(index) && index >= 0${row ? ` && index < ${row.length}` : ''}, \`class \${index}\`)`,
        '  assert.ok(score >= 0 && score <= 1, `probability ${score}`)',
        '}',
        'assert.ok(answer.top[0].score >= answer.top[1].score)',
      ],
    },
  }
}

// --- internal ---

const imagenet = {
  mean: [123.675, 116.28, 103.53],
  std: [58.395, 57.12, 57.375],
  takers: 'most classifiers (those of ImageNet)',
}

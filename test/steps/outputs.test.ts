import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { builtinSteps } from '../../runtime/steps/index.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import { contextOf, distance, failureOf, modelOf } from './fixture-steps.ts'

const outputs = suite('outputs')

const float = (data: number[], dims = [1, data.length]): Tensor => ({
  type: 'float32',
  dims,
  data: Float32Array.from(data),
})
const info = (name: string, shape: (number | string)[]): TensorInfo => ({ name, type: 'float32', shape })
const labels = ['cat', 'dog', 'emu']

async function run(name: string, tensors: Tensors, options: object = {}, files: Record<string, unknown> = {}) {
  const infos = Object.entries(tensors).map(([key, { dims }]) => info(key, [...dims]))
  return builtinSteps[name]!.run(tensors, contextOf({ outputs: infos }, options, files))
}

function check(name: string, infos: TensorInfo[], options: object = {}, files: Record<string, unknown> = {}) {
  return builtinSteps[name]!.check!({ options, model: modelOf({ outputs: infos }), files })
}

outputs('softmax and l2 replace one output and leave the others', async () => {
  const tensors = { logits: float([0, Math.log(3)]), other: float([3, 4]) }
  const soft = (await run('softmax', tensors, { output: 'logits' })) as Tensors
  assert.ok(distance(soft['logits']!.data as Float32Array, [0.25, 0.75]) < 1e-6)
  assert.is(soft['other'], tensors.other)
  const unit = (await run('l2', tensors, { output: 'other' })) as Tensors
  assert.ok(distance(unit['other']!.data as Float32Array, [0.6, 0.8]) < 1e-6)
  assert.equal([...(tensors.other.data as Float32Array)], [3, 4])
})

outputs('softmax takes an axis', async () => {
  const result = (await run('softmax', { x: float([0, 0, 0, 0], [2, 2]) }, { axis: 0 })) as Tensors
  assert.equal([...(result['x']!.data as Float32Array)], [0.5, 0.5, 0.5, 0.5])
})

outputs('topk gives labels where files has them', async () => {
  const tensors = { logits: float([0.25, 0.75, 0.5]) }
  assert.equal(await run('topk', tensors, { k: 2 }, { labels: [...labels, ''] }), {
    top: [
      { index: 1, score: 0.75, label: 'dog' },
      { index: 2, score: 0.5, label: 'emu' },
    ],
  })
  assert.equal(await run('topk', tensors), {
    top: [
      { index: 1, score: 0.75 },
      { index: 2, score: 0.5 },
      { index: 0, score: 0.25 },
    ],
  })
})

outputs('argmax gives the best one', async () => {
  assert.equal(await run('argmax', { x: float([1, 3, 2]) }, {}, { labels }), { index: 1, score: 3, label: 'dog' })
  const { code, message } = await failureOf(() => run('argmax', { x: float([Number.NaN]) }))
  assert.is(code, 'function_failed')
  assert.match(message, 'found only NaN')
})

outputs('quantised outputs are read as real numbers', async () => {
  const tensor: Tensor = {
    type: 'uint8',
    dims: [1, 3],
    data: Uint8Array.of(10, 30, 20),
    quant: { scale: 0.5, zeroPoint: 10 },
  }
  assert.equal(await run('argmax', { x: tensor }), { index: 1, score: 10 })
})

outputs('without output the only one counts; of several, one has to be named', async () => {
  const several = [info('a', [1, 3]), info('b', [1, 3])]
  for (const name of ['softmax', 'l2', 'topk', 'argmax']) {
    check(name, [info('a', [1, 3])])
    check(name, several, { output: 'b' })
    const none = await failureOf(() => check(name, several))
    assert.is(none.code, 'invalid_manifest')
    assert.match(
      none.message,
      `${name}: expected the option output, since the model has 2 outputs ("a", "b"), found none`,
    )
    const wrong = await failureOf(() => check(name, several, { output: 'c' }))
    assert.match(wrong.message, `${name}: expected output to be one of the model's, "a", "b", found "c"`)
  }
})

outputs('shapes, axes and labels that do not fit are refused at deploy', async () => {
  const cases: [() => void, string][] = [
    [
      () => check('topk', [info('map', [1, 21, 64, 64])]),
      'expected output "map" to be one row such as [1, 1000], found [1, 21, 64, 64]',
    ],
    [() => check('argmax', [info('map', [2, 5])]), 'found [2, 5]'],
    [() => check('softmax', [info('x', [1, 5])], { axis: 2 }), 'expected an axis of output "x" [1, 5], found 2'],
    [
      () => check('topk', [info('x', [1, 4])], {}, { labels }),
      'expected 4 labels in files.labels, one for each value of "x", found 3',
    ],
    [
      () => check('topk', [info('x', [1, 3])], {}, { labels: { 0: 'cat' } }),
      'expected files.labels to be a list of texts',
    ],
    [() => check('argmax', [info('x', [1, 3])], {}, { labels: ['cat', 1, 'emu'] }), 'a list with something else in it'],
    [() => check('argmax', [info('x', [1, 3])], {}, { labels: new Uint8Array(3) }), 'found bytes'],
  ]
  for (const [run, expected] of cases) {
    const { code, message } = await failureOf(run)
    assert.is(code, 'invalid_manifest')
    assert.match(message, expected)
  }
  check('topk', [info('x', ['N', 'classes'])], {}, { labels })
})

outputs('an engine that leaves the output out is named', async () => {
  const context = contextOf({ outputs: [info('x', [1, 3])] })
  const { code, message } = await failureOf(() => builtinSteps['topk']!.run({ y: float([1]) }, context))
  assert.is(code, 'function_failed')
  assert.is(message, 'topk: expected an output "x", found y')
})

outputs('options are validated by their shapes', () => {
  const shape = z.object(builtinSteps['topk']!.options)
  assert.equal(shape.parse({}), { k: 5 })
  for (const options of [{ k: 0 }, { k: 1.5 }, { k: '3' }, { output: '' }])
    assert.not.ok(shape.safeParse(options).success)
})

outputs.run()

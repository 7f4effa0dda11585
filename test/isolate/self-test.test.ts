import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { PelletError } from '../../runtime/errors.ts'
import { bindChains } from '../../runtime/isolate/child/pipeline.ts'
import type { Loaded } from '../../runtime/isolate/child/run.ts'
import { selfTest } from '../../runtime/isolate/child/self-test.ts'
import { Turnstile } from '../../runtime/isolate/child/turnstile.ts'
import { defineFunction } from '../../runtime/functions/define.ts'
import { step } from '../../runtime/steps/step.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { deploymentOf } from '../deployments/tiny.ts'

const test = suite('the self-test of a model')

const vector: TensorInfo = { name: 'x', type: 'float32', shape: [1, 4] }
const picture: TensorInfo = { name: 'image', type: 'float32', shape: [1, 3, 8, 8] }
const result: TensorInfo = { name: 'y', type: 'float32', shape: [1, 2] }

type Run = (inputs: Tensors) => Tensors

const numbers = (...values: number[]): Tensor => ({
  type: 'float32',
  dims: [1, values.length],
  data: Float32Array.from(values),
})
const y = (...values: number[]): Tensors => ({ y: numbers(...values) })

const rows: [what: string, outputs: TensorInfo, run: Run, ...told: RegExp[]][] = [
  ['well', result, () => y(1, -2)],
  [
    'not a number',
    result,
    () => y(1, NaN),
    /^output "y": expected float32 \[1, 2\] of finite numbers, found at 1 what is not/,
  ],
  ['infinite', result, () => y(-Infinity, 0), /found at 0/],
  [
    'a float16 that is none',
    { ...result, type: 'float16' },
    () => ({ y: { type: 'float16', dims: [1, 2], data: Uint16Array.of(0x3c00, 0x7e00) } }),
    /found at 1/,
  ],
  [
    'a float16 of one',
    { ...result, type: 'float16' },
    () => ({ y: { type: 'float16', dims: [1, 2], data: Uint16Array.of(0x3c00, 0xbc00) } }),
  ],
  [
    'big integers',
    { ...result, type: 'int64' },
    () => ({ y: { type: 'int64', dims: [1, 2], data: BigInt64Array.of(1n, 2n) } }),
  ],
  ['another shape', result, () => y(1, 2, 3), /^output "y": expected float32 \[1, 2\], found float32 \[1, 3\]$/],
  [
    'fewer values than its shape',
    result,
    () => ({ y: { ...numbers(1, 2), data: new Float32Array(1) } }),
    /found float32 \[1, 2\]/,
  ],
  ['a size that is free', { ...result, shape: ['n', 2] }, () => y(1, 2)],
  ['no such output', result, () => ({ z: numbers(1, 2) }), /found nothing$/],
  [
    'zeros divided by their length, as embeddings are',
    result,
    ({ x }) => y(1, Number(x!.data[0]) / Number(x!.data[0])),
  ],
  ['broken for zeros and for ones', result, ({ x }) => y(Number(x!.data[0]) ? Infinity : NaN, 0), /found at 0/],
  [
    'a run that fails',
    result,
    () => {
      throw new PelletError('internal_error', 'no such operator')
    },
    /^its model does not run: no such operator$/,
  ],
]

for (const [what, outputs, run, ...told] of rows)
  test(what, async () => {
    const problems = await selfTest(loadedWith([vector], [outputs], run), [])
    assert.is(problems.length, told.length, problems.join())
    for (const [at, pattern] of told.entries()) assert.match(problems[at]!, pattern)
  })

test('a model that leaves its sizes open may refuse what it was given', async () => {
  const refuse: Run = () => {
    throw new PelletError('invalid_input', 'too small')
  }
  assert.equal(await selfTest(loadedWith([{ ...vector, shape: [1, 'length'] }], [result], refuse), []), [])
})

const chains: [what: string, pre: ManifestInput['pre'], seen: string, told?: RegExp][] = [
  ['a grey picture goes through the steps', ['image.decode', 'image.resize', 'tensor'], '127'],
  ['steps that want another picture are not to blame', ['image.decode', 'choosy', 'image.resize', 'tensor'], '0'],
  ['steps that break are', ['image.decode', 'broken', 'tensor'], '', /^its model does not run: step broken: oh no$/],
]

for (const [what, pre, seen, told] of chains)
  test(what, async () => {
    const definition = defineFunction({
      steps: {
        choosy: step.image(() => {
          throw new PelletError('invalid_input', 'no faces')
        }),
        broken: step.image(() => {
          throw new Error('oh no')
        }),
        end: step.outputs(() => ({})),
      },
    })
    const { manifest } = deploymentOf({ name: 'a', pre: pre!, post: ['end'] })
    const { pipelines, problems } = bindChains(manifest, definition)
    assert.equal(problems, [])
    let found = ''
    const run: Run = ({ image }) => {
      found = String(Math.round(Number(image!.data[0])))
      return y(1, 2)
    }
    const said = await selfTest(loadedWith([picture], [result], run), pipelines)
    assert.is(found, seen)
    if (told) assert.match(said.join(), told)
    else assert.equal(said, [])
  })

test.run()

// --- internal ---

function loadedWith(inputs: TensorInfo[], outputs: TensorInfo[], run: Run): Loaded {
  return {
    engine: { inputs, outputs, run: async (tensors: Tensors) => ({ outputs: run(tensors), inferMs: 1 }) },
    model: { engine: 'onnxruntime', entry: { name: 'a', file: 'a.onnx' }, inputs, outputs },
    engineTurn: new Turnstile(2),
    pixelTurn: new Turnstile(1e6),
    pixels: 1e6,
    files: {},
    options: { defaults: {}, read: () => ({}) },
  } as unknown as Loaded
}

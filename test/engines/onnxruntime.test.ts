import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { onnxruntime } from '../../runtime/engines/onnxruntime.ts'
import type { Tensor, Tensors, TensorType } from '../../runtime/tensor.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { onnxTypeNumber, toOnnx } from '../support/onnx-writer.ts'
import type { OnnxModel, OnnxType } from '../support/onnx-writer.ts'
import { projectRoot } from '../support/root.ts'
import { caught, engineConformance, opened } from './conformance.ts'
import type { ModelCase } from './conformance.ts'

const folder = temporaryFolder()

const sums: ModelCase = {
  name: 'float32, several inputs and outputs, free dimensions',
  ...model('sums', {
    inputs: [info('a', 'float32', ['N', 3]), info('b', 'float32', [1, 3])],
    outputs: [info('product', 'float32', ['N', 3]), info('sum', 'float32', ['N', 3])],
    nodes: [
      { op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
      { op: 'Mul', inputs: ['a', 'b'], outputs: ['product'] },
    ],
  }),
  sizes: [{ N: 1 }, { N: 5 }, { N: 2 }],
  compute(inputs) {
    const { a, b } = inputs as { a: Tensor; b: Tensor }
    const each = (join: (x: number, y: number) => number): Tensor => {
      const [left, right] = [a.data as Float32Array, b.data as Float32Array]
      return { ...a, data: left.map((value, index) => join(value, right[index % 3] as number)) }
    }
    return { product: each((x, y) => x * y), sum: each((x, y) => x + y) }
  },
}

const types: TensorType[] = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64']
types.push('bool', 'float16', 'float32', 'float64')
const identities = types.map((type): ModelCase =>
  Object.assign(
    model(`identity_${type}`, {
      inputs: [info('x', type, ['N', ''])],
      outputs: [info('y', type, ['N', ''])],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    }),
    {
      name: `${type} through and through`,
      sizes: [
        { N: 1, '': 1 },
        { N: 2, '': 9 },
      ],
      compute: ({ x }: Tensors) => ({ y: x as Tensor }),
    },
  ),
)

const scalar: ModelCase = {
  name: 'a scalar',
  ...model('scalar', {
    inputs: [info('x', 'float32', [])],
    outputs: [info('y', 'float32', [])],
    nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
  }),
  compute: ({ x }) => ({ y: { type: 'float32', dims: [], data: Float32Array.of(2 * Number(x?.data[0])) } }),
}

mkdirSync(join(folder, 'folder.onnx'))
const unary = (op: string, type: OnnxType, opset?: number): OnnxModel => ({
  inputs: [{ name: 'x', type, shape: ['N'] }],
  outputs: [{ name: 'y', type, shape: ['N'] }],
  nodes: [{ op, inputs: ['x'], outputs: ['y'] }],
  ...(opset === undefined ? {} : { opset }),
})

engineConformance({
  engine: onnxruntime,
  models: {
    cases: [sums, ...identities, scalar],
    broken: {
      missing: join(folder, 'missing.onnx'),
      'a folder': join(folder, 'folder.onnx'),
      empty: write('empty.onnx', ''),
      garbage: write('garbage.onnx', 'this is not a model'),
      'cut short': write('short.onnx', readFileSync(join(projectRoot, 'models/tcn.onnx')).subarray(0, 50_000)),
      'of an opset to come': write('opset.onnx', toOnnx(unary('Identity', 'float32', 99))),
      'with an operator that nobody knows': write('operator.onnx', toOnnx(unary('Frobnicate', 'float32'))),
    },
  },
  ownThreads: true,
})

const engine = suite('onnxruntime')

engine('casts, and concatenates, as any model of many element types', async () => {
  const { file } = model('cast', {
    inputs: [info('pixels', 'uint8', ['N']), info('ids', 'int64', ['M'])],
    outputs: [info('halves', 'float16', ['N']), info('all', 'int64', [''])],
    nodes: [
      { op: 'Cast', inputs: ['pixels'], outputs: ['halves'], attributes: { to: onnxTypeNumber('float16') } },
      { op: 'Cast', inputs: ['pixels'], outputs: ['longs'], attributes: { to: onnxTypeNumber('int64') } },
      { op: 'Concat', inputs: ['longs', 'ids'], outputs: ['all'], attributes: { axis: 0 } },
    ],
  })
  await using session = await opened(onnxruntime, file)
  const { halves, all } = await session.run({
    pixels: { type: 'uint8', dims: [3], data: Uint8Array.of(0, 1, 255) },
    ids: { type: 'int64', dims: [2], data: BigInt64Array.of(-1n, 2n ** 60n) },
  })
  // IEEE 754 binary16: 1 = 0x3c00, 255 = 0x5bf8.
  assert.equal(halves, { type: 'float16', dims: [3], data: Uint16Array.of(0, 0x3c00, 0x5bf8) })
  assert.equal(all?.data, BigInt64Array.of(0n, 1n, 255n, -1n, 2n ** 60n))
})

engine('takes typed arrays that look into a larger buffer', async () => {
  await using session = await opened(onnxruntime, sums.file)
  const buffer = Float32Array.of(9, 9, 1, 2, 3, 10, 20, 30, 9)
  const { sum } = await session.run({
    a: { type: 'float32', dims: [1, 3], data: buffer.subarray(2, 5) },
    b: { type: 'float32', dims: [1, 3], data: buffer.subarray(5, 8) },
  })
  assert.equal(sum?.data, Float32Array.of(11, 22, 33))
})

for (const type of ['string', 'bfloat16'] as const) {
  engine(`refuses a model with ${type} tensors, and says which`, async () => {
    const error = await caught(onnxruntime.open(write(`${type}.onnx`, toOnnx(unary('Identity', type)))))
    assert.is(error.code, 'load_failed')
    assert.match(error.message, type === 'string' ? /input "x" is string \[N\].*Export/ : /data type: 16.*export/)
  })
}

engine('says which sizes do not fit each other, without the path of the model', async () => {
  const { file } = model('add', {
    inputs: [info('a', 'float32', ['N']), info('b', 'float32', ['N'])],
    outputs: [info('y', 'float32', ['N'])],
    nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['y'] }],
  })
  await using session = await opened(onnxruntime, file)
  const floats = (length: number): Tensor => ({ type: 'float32', dims: [length], data: new Float32Array(length) })
  const error = await caught(session.run({ a: floats(2), b: floats(3) }))
  assert.is(error.code, 'invalid_input')
  assert.match(error.message, /^add\.onnx: cannot be run with "a" float32 \[2\], "b" float32 \[3\]: .*2 by 3\.$/)
  assert.not.match(error.message, /onnxruntime_src/)
  assert.not.ok(error.message.includes(folder))
})

engine('says when a run does not fit into memory, and goes on', async () => {
  const { file } = model('expand', {
    inputs: [info('x', 'float32', [1]), info('shape', 'int64', [1])],
    outputs: [info('y', 'float32', ['N'])],
    nodes: [{ op: 'Expand', inputs: ['x', 'shape'], outputs: ['y'] }],
  })
  await using session = await opened(onnxruntime, file)
  const run = (size: bigint) =>
    session.run({
      x: { type: 'float32', dims: [1], data: Float32Array.of(4) },
      shape: { type: 'int64', dims: [1], data: BigInt64Array.of(size) },
    })
  const error = await caught(run(2n ** 42n))
  assert.is(error.code, 'out_of_memory')
  assert.match(error.message, /expand\.onnx: no memory for a run/)
  assert.equal((await run(3n)).y?.data, Float32Array.of(4, 4, 4))
})

engine('reports nothing to the makers of ONNX Runtime', async () => {
  // With the reports on, ORT leaves a device id and a database under HOME and logs in the temporary folder.
  const home = join(folder, 'home')
  mkdirSync(home)
  // Under CI the reports would be off anyway.
  const { CI: _ci, GITHUB_ACTIONS: _actions, ORT_DISABLE_TELEMETRY: _disable, ...env } = process.env
  const module = new URL('../../runtime/engines/onnxruntime.js', import.meta.url)
  const script = `const { onnxruntime } = await import('${module}')
    const session = await onnxruntime.open(process.argv[1])
    await session.release()
    console.log(process.env.ORT_DISABLE_TELEMETRY, process.argv[1])`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, sums.file], {
    env: { ...env, HOME: home, TMPDIR: home },
  })
  assert.is(stdout, `1 ${sums.file}\n`)
  assert.equal(readdirSync(home), [])
})

engine('a model in the format of ORT is known by its bytes: one that was deployed has no ending', async () => {
  const { InferenceSession } = await import('onnxruntime-node')
  const made = join(folder, 'made.ort')
  await (await InferenceSession.create(sums.file, { optimizedModelFilePath: made })).release()
  const blob = write('0'.repeat(64), readFileSync(made))
  for (const file of [made, blob, write('onnx.ort', readFileSync(sums.file))]) {
    await using session = await opened(onnxruntime, file)
    assert.equal(session.outputs, sums.outputs)
  }
})

engine.run()

// --- internal ---

function info(name: string, type: TensorType, shape: (number | string)[]): TensorInfo {
  return { name, type, shape }
}

function model(name: string, graph: OnnxModel & { inputs: TensorInfo[]; outputs: TensorInfo[] }) {
  return { file: write(`${name}.onnx`, toOnnx(graph)), inputs: graph.inputs, outputs: graph.outputs }
}

function write(name: string, content: string | Uint8Array): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

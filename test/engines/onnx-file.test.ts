import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readOnnxFile } from '../../runtime/engines/onnx-file.ts'
import { checkOnnxFrame } from '../../runtime/engines/onnx-frame.ts'
import { onnxruntime } from '../../runtime/engines/onnxruntime.ts'
import { PelletError } from '../../runtime/errors.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import '../support/no-telemetry.ts'
import { toOnnx, type OnnxModel, type OnnxValue } from '../support/onnx-writer.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { opened } from './conformance.ts'

const test = suite('what an ONNX file says')
const folder = temporaryFolder()
const starter = (name: string) => join(projectRoot, 'models', name)

for (const name of ['depth.onnx', 'scrfd.onnx', 'tcn.onnx'])
  test(`${name}: inputs and outputs as ONNX Runtime has them`, () => sameAsEngine(starter(name)))

const sharedModels = ['mobilefacenet', 'pydnetpp_256x320_fp32', 'scrfd_2.5g_kps', 'scrfd_500m_kps', 'yolox_nano']
for (const name of [...sharedModels, 'tcn_encoder_for_edgeinfer'])
  testWithShared(test, `${name}: inputs and outputs as ONNX Runtime has them`, () =>
    sameAsEngine(sharedData(`models/${name}.onnx`)!),
  )

test('whether it is whole, without reading all of it', async () => {
  const file = join(folder, 'frame.onnx')
  const bytes = readFileSync(starter('scrfd.onnx'))
  const says = (these: Uint8Array) => {
    writeFileSync(file, these)
    return checkOnnxFrame(file).then(
      () => 'whole',
      (error: Error) => error.message,
    )
  }
  assert.is(await says(bytes), 'whole')
  for (const length of [bytes.length - 1, bytes.length >> 1, 100])
    assert.match(await says(bytes.subarray(0, length)), /field \d+ says that it has \d+ bytes, and \d+ are left|EOF/)
  assert.is(await says(new Uint8Array()), 'it has no graph')
  assert.not.equal(await says(Buffer.alloc(100_000, 7)), 'whole')
  assert.not.equal(await says(Buffer.concat([bytes, Buffer.from('more')])), 'whole')
  // Damage inside of the graph.
  const damaged = Buffer.from(bytes)
  damaged.fill(0xff, bytes.length >> 1)
  assert.not.equal(await says(damaged), 'whole')
})

test('all of a starter model', async () => {
  const { sizeBytes, sha256, irVersion, producer, opsets, operators, parameters, externalData } = await readOnnxFile(
    starter('tcn.onnx'),
  )
  const golden = JSON.parse(readFileSync(starter('golden.json'), 'utf8')) as { sha256: Record<string, string> }
  assert.is(sha256, golden.sha256['tcn.onnx'])
  assert.equal([sizeBytes, irVersion, producer, opsets], [226886, 7, 'pytorch 2.13.0', { 'ai.onnx': 13 }])
  const once = { Concat: 1, Gather: 1, ReduceMean: 1, Softmax: 1, Transpose: 1 }
  assert.equal(operators, { Conv: 11, Pad: 10, Relu: 10, Add: 5, Gemm: 2, ...once })
  assert.equal(parameters, { count: 54795, bytes: 54764 * 4 + 31 * 8, byType: { float32: 54764, int64: 31 } })
  assert.equal(externalData, [])
})

test('which operator gives an output', async () => {
  const { outputs } = await readOnnxFile(starter('tcn.onnx'))
  assert.equal(
    outputs.map(({ name, operator }) => [name, operator]),
    [
      ['latent_embeddings', 'Gemm'],
      ['motif_scores', 'Softmax'],
    ],
  )
})

const small: OnnxModel = {
  inputs: [
    { name: 'ids', type: 'int64', shape: ['batch', '', 4] },
    { name: 'flag', type: 'bool', shape: [] },
  ],
  outputs: [{ name: 'out', type: 'float16', shape: ['batch', '', 4] }],
  nodes: [
    { op: 'Add', inputs: ['ids', 'one'], outputs: ['sum'] },
    { op: 'Cast', inputs: ['sum'], outputs: ['out'], attributes: { to: 10 } },
  ],
  constants: { one: { type: 'int64', dims: [1], data: new BigInt64Array([1n]) } },
  opset: 17,
}

test('free dimensions by their names, scalars, every type', async () => {
  const model = await readOnnxFile(write('small.onnx', toOnnx(small)))
  assert.equal(model.inputs, small.inputs as OnnxValue[])
  assert.equal(model.outputs, [{ ...small.outputs[0]!, operator: 'Cast' }])
  assert.equal(model.operators, { Add: 1, Cast: 1 })
  assert.equal(model.parameters, { count: 1, bytes: 8, byType: { int64: 1 } })
})

test('weights beside the model: which files, and whether they are there', async () => {
  // A TensorProto in a graph, as onnx.proto3 has it: dims [2, 3], float32, external_data { location: weights/a.bin }.
  const entry = (key: string, value: string) => message(13, message(1, key), message(2, value))
  const tensor = (file: string) =>
    message(5, Buffer.from([8, 2, 8, 3, 16, 1]), message(8, file), entry('location', file), entry('offset', '0'))
  const file = write('external.onnx', toOnnx(small), message(7, tensor('weights/a.bin'), tensor('weights/b.bin')))
  mkdirSync(join(folder, 'weights'))
  writeFileSync(join(folder, 'weights/a.bin'), Buffer.alloc(24))
  const { externalData, parameters } = await readOnnxFile(file)
  assert.equal(externalData, [
    { file: 'weights/a.bin', sizeBytes: 24 },
    { file: 'weights/b.bin', sizeBytes: null },
  ])
  assert.equal(parameters.byType, { int64: 1, float32: 12 })
})

const others: [name: string, content: Buffer | string, found: RegExp][] = [
  ['empty', '', /found an empty file/],
  ['text', 'hello, this is no model\n', /found a text file/],
  ['web page', '<!DOCTYPE html><html>', /found a web page/],
  ['LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /found a pointer of Git LFS/],
  ['PyTorch', 'PK\x03\x04....', /found a ZIP archive/],
  ['TFLite', Buffer.from('1c00000054464c33', 'hex'), /found a TensorFlow Lite model/],
  ['graph only', message(7, message(2, 'graph')), /it has no IR version/],
  ['no graph', Buffer.from([8, 7]), /it has no graph/],
  ['other messages', message(2, message(3, '\x01\x02')), /it has no graph/],
  [
    'wrong types',
    Buffer.concat([Buffer.from([8, 7]), Buffer.from([7 * 8, 1])]),
    /field 7: expected a length and bytes/,
  ],
  ['a length of 4 GB', Buffer.from('3affffffff0f', 'hex'), /says that it has 4294967295 bytes, and 0 are left/],
  ['a book', message(14, message(2, 'x'.repeat(34e6))), /its names and metadata are longer than 33554432 bytes/],
  ['fields without end', Buffer.alloc(11e6 * 2, '\x30\x00'), /the file has more than 10 million fields/],
  ['nested without end', nested(5000), /nested more than 64 deep/],
]
for (const [name, content, found] of others)
  test(`refused: ${name}`, async () => {
    const error = await refusal(write(`${name}.onnx`, Buffer.from(content)))
    assert.match(error.message, found)
    assert.match(error.message, /\.onnx: expected an ONNX model, found /)
  })

test('refused: a file that no protobuf can be, without reading it', async () => {
  const file = write('huge.onnx', readFileSync(starter('tcn.onnx')))
  truncateSync(file, 3e9)
  assert.match((await refusal(file)).message, /of at most 2 GB, found 3000000000 bytes/)
})

test('refused: no file, a folder', async () => {
  assert.match((await refusal(join(folder, 'nothing.onnx'))).message, /found no file/)
  assert.match((await refusal(folder)).message, /found a folder or device/)
})

test('a file that ends too early is refused wherever it does', async () => {
  const whole = readFileSync(starter('tcn.onnx'))
  const file = join(folder, 'cut.onnx')
  copyFileSync(starter('tcn.onnx'), file)
  for (let length = 226_000; length > 0; length -= 6000) {
    writeFileSync(file, whole.subarray(0, length))
    await refusal(file)
  }
})

test('damage ends in an answer or a refusal', async () => {
  const whole = toOnnx(small)
  const file = join(folder, 'damaged.onnx')
  let refused = 0
  let seed = 1
  const next = (below: number) => (seed = (seed * 48271) % 2147483647) % below
  for (let i = 0; i < 400; i++) {
    const bytes = Buffer.from(whole)
    for (let flips = 1 + next(3); flips > 0; flips--) bytes[next(bytes.length)] = next(256)
    writeFileSync(file, bytes)
    await readOnnxFile(file).catch((error: unknown) => {
      assert.instance(error, PelletError, String(error))
      refused++
    })
  }
  assert.ok(refused > 50 && refused < 400, `${refused} of 400`)
})

test.run()

// --- internal ---

async function sameAsEngine(file: string): Promise<void> {
  const { inputs, outputs } = await readOnnxFile(file)
  await using session = await opened(onnxruntime, file)
  assert.equal(inputs, session.inputs)
  assert.equal(
    outputs.map(({ name, type, shape }) => ({ name, type, shape })),
    session.outputs,
  )
  assert.ok(outputs.every(({ operator }) => operator))
}

function write(name: string, ...parts: Buffer[]): string {
  const file = join(folder, name)
  writeFileSync(file, Buffer.concat(parts))
  return file
}

async function refusal(file: string): Promise<PelletError> {
  try {
    await readOnnxFile(file)
  } catch (error) {
    assert.instance(error, PelletError, String(error))
    assert.is((error as PelletError).code, 'load_failed')
    return error as PelletError
  }
  throw new Error(`${file} was read`)
}

/** A field of bytes, text or messages. */
function message(field: number, ...parts: (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const sizes: number[] = []
  for (let rest = content.length; ; rest >>>= 7) {
    if (rest < 128) break
    sizes.push((rest % 128) + 128)
  }
  sizes.push(content.length >>> (7 * sizes.length))
  return Buffer.concat([Buffer.from([field * 8 + 2, ...sizes]), content])
}

/** Graphs in attributes of nodes of graphs. */
function nested(depth: number): Buffer {
  let graph: Buffer = Buffer.alloc(0)
  for (let i = 0; i < depth; i++) graph = message(1, message(5, message(6, graph)))
  return message(7, graph)
}

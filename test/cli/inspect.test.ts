import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createProject, runCli, starterModel } from '../support/pellet.ts'

const test = suite('pellet inspect')
const folder = createProject({ 'm.onnx': starterModel('tcn.onnx'), 'notes.onnx': 'buy milk\n' })

test('says for people what is in a model, without a project or a running Pellet', async () => {
  const { code, stdout, stderr } = await runCli(folder, ['inspect', 'm.onnx'])
  assert.equal([code, stderr], [0, ''])
  assert.is(
    stdout,
    `m.onnx: ONNX model, 222 KB
inputs      imu_window  float32 [1, 100, 9]
outputs     latent_embeddings  float32 [1, 64] by Gemm
            motif_scores       float32 [1, 12] by Softmax
graph       main_graph
producer    pytorch 2.13.0
version     IR 7, ai.onnx opset 13
parameters  54,795 (214 KB): float32 54,764, int64 31
operators   43 nodes: Conv 11, Pad 10, Relu 10, Add 5, Gemm 2, Concat 1, Gather 1, ReduceMean 1, Softmax 1,
            Transpose 1
sha256      807c1edeff36b09155f1713ba74a4cf30ad8ff38852a00290844037af6bbc5b5
`,
  )
})

test('says the same for programs', async () => {
  const { code, stdout } = await runCli(folder, ['inspect', 'm.onnx', '--json'])
  const { file, format, size_bytes, inputs, operators, parameters } = JSON.parse(stdout)
  assert.equal([code, file, format, size_bytes], [0, 'm.onnx', 'onnx', 226886])
  assert.equal(inputs, [{ name: 'imu_window', type: 'float32', shape: [1, 100, 9] }])
  assert.equal([operators.Conv, parameters.count, parameters.size_bytes], [11, 54795, 219304])
})

test('refuses what is no model, with the reason', async () => {
  const { code, stdout, stderr } = await runCli(folder, ['inspect', 'notes.onnx'])
  assert.equal([code, stdout], [1, ''])
  assert.is(stderr, 'notes.onnx: expected an ONNX model, found a text file. Check what was downloaded.\n')
})

test.run()

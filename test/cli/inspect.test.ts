import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHefProto } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { runHere } from '../support/cli.ts'
import { createProject, starterModel } from '../support/pellet.ts'

const test = suite('pellet inspect')
const hef = toHef(
  3,
  toHefProto({
    arch: 103,
    optionalExtensions: [11],
    extensions: [13],
    groups: [
      {
        name: 'tiny',
        layout: 'op',
        edges: [
          { layer: { name: 'tiny/in', shape: [8, 8, 3], scale: 1, zeroPoint: 0 } },
          { layer: { name: 'tiny/out', shape: [1, 1, 10], format: 2, bytes: 2, scale: 0.25 }, isOutput: true },
          { layer: { name: 'tiny/conv', shape: [4, 4, 9] }, isOutput: true, pad: 1 },
        ],
        sortedOutputs: ['tiny/boxes', 'tiny/out'],
        ops: [{ name: 'nms', inputs: [2], output: { name: 'tiny/boxes' }, nms: { kind: 8, classes: 80, boxes: 100 } }],
        padEdges: [[1, 2]],
      },
    ],
  }),
)
const folder = createProject({
  'm.hef': hef,
  'copy.onnx': hef,
  'cut.hef': hef.subarray(0, -1),
  'm.onnx': starterModel('tcn.onnx'),
  'notes.onnx': 'buy milk\n',
})

test('says for people what is in a model, without a project or a running Pellet', async () => {
  const { code, stdout, stderr } = await runHere(folder, ['inspect', 'm.onnx'])
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
  const { code, stdout } = await runHere(folder, ['inspect', 'm.onnx', '--json'])
  const { file, format, size_bytes, inputs, operators, parameters } = JSON.parse(stdout)
  assert.equal([code, file, format, size_bytes], [0, 'm.onnx', 'onnx', 226886])
  assert.equal(inputs, [{ name: 'imu_window', type: 'float32', shape: [1, 100, 9] }])
  assert.equal([operators.Conv, parameters.count, parameters.size_bytes], [11, 54795, 219304])
})

test('refuses what is no model, with the reason', async () => {
  const { code, stdout, stderr } = await runHere(folder, ['inspect', 'notes.onnx'])
  assert.equal([code, stdout], [1, ''])
  assert.is(stderr, 'notes.onnx: expected an ONNX model, found a text file. Check what was downloaded.\n')
  execFileSync('mkfifo', [join(folder, 'pipe.hef')])
  const pipe = await runHere(folder, ['inspect', 'pipe.hef'])
  assert.match(pipe.stderr, /^pipe\.hef: expected a HEF, found a folder or device/)
})

test('a HEF: tensors, what its numbers mean, and the chips that take it', async () => {
  const { code, stdout, stderr } = await runHere(folder, ['inspect', 'm.hef'])
  assert.equal([code, stderr], [0, ''])
  assert.is(
    stdout,
    `m.hef: HEF for hailo10h, ${hef.length} B
inputs    tiny/in  uint8 [8, 8, 3] NHWC  -1 to 1 = q
outputs   tiny/boxes  float32, boxes NMS_BY_CLASS  80 classes, at most 100 boxes each, score 0.25, IoU 0.45
          tiny/out    uint16 [1, 1, 10] NC         -1 to 1 = (q - 7) * 0.25
runs on   hailo10h
network   tiny; the compiler expects 100 frames a second, 10 ms each
compiler  3.33.0, 2023-11-14
version   header 3, architecture HAILO1XH (103)
needs     EXTENSION_26, EXTENSION_13
may use   EXTENSION_11
checksum  xxh3 ${hef.toString('hex', 12, 20)}: right
sha256    ${createHash('sha256').update(hef).digest('hex')}
`,
  )
})

test('a HEF for programs, whatever its name', async () => {
  const { code, stdout } = await runHere(folder, ['inspect', 'copy.onnx', '--json'])
  const { format, size_bytes, inputs, outputs, arch, runs_on, network_groups, header } = JSON.parse(stdout)
  assert.equal([code, format, size_bytes, arch.name, runs_on], [0, 'hef', hef.length, 'hailo10h', ['hailo10h']])
  assert.equal(inputs[0], {
    name: 'tiny/in',
    direction: 'input',
    network: 'tiny/tiny',
    is_transposed: false,
    type: 'uint8',
    order: 'NHWC',
    shape: [8, 8, 3],
    quantization: { scales: [1], zero_points: [0], min: -1, max: 1 },
    frame_bytes: 192,
  })
  assert.equal([outputs[0].nms.classes, outputs[0].nms.max_boxes_per_class], [80, 100])
  assert.equal([network_groups[0].streams.length, header.version], [3, 3])
})

test('refuses a HEF that is cut off', async () => {
  const { code, stdout, stderr } = await runHere(folder, ['inspect', 'cut.hef'])
  assert.equal([code, stdout], [1, ''])
  const [whole, cut] = [hef.length, hef.length - 1]
  assert.is(
    stderr,
    `cut.hef: expected ${whole} bytes, as its header says, found ${cut}: it is cut off; fetch it again.\n`,
  )
})

test.run()

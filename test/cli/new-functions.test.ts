// @timeout 90s
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { guessKind, type Kind } from '../../runtime/cli/new/kinds.ts'
import { readModelShape } from '../../runtime/cli/new/model.ts'
import { planFunction } from '../../runtime/cli/new/plan.ts'
import { writeAll } from '../../runtime/cli/new/project.ts'
import { loadConfig } from '../../runtime/config.ts'
import type { TensorInfo } from '../../runtime/engines/engine.ts'
import { bundleFunction } from '../../runtime/functions/bundle.ts'
import type { FunctionDefinition } from '../../runtime/functions/define.ts'
import type { Tensor, Tensors } from '../../runtime/tensor.ts'
import { call, check, drive, type DriverRequest } from '../functions/driver.ts'
import { toHefProto, type HefEdge } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'
import { boxesHef } from '../support/boxes-hef.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData, testWithShared } from '../support/shared.ts'

const test = suite('what pellet new writes')
const root = temporaryFolder()
const config = await loadConfig({ root }, {})
const side = 64
const image: TensorInfo = { name: 'images', type: 'float32', shape: [1, 3, side, side] }
const info = (name: string, ...shape: (number | string)[]): TensorInfo => ({ name, type: 'float32', shape })
const scrfd = [1, 4, 10].flatMap((last) => [128, 32, 8].map((rows) => info(`out${last}_${rows}`, 1, rows, last)))

const scrfdMaps = [2, 8, 20].flatMap((last) => [8, 4, 2].map((side) => info(`map${last}_${side}`, 1, side, side, last)))

const guesses: [kind: Kind, inputs: TensorInfo[], outputs: TensorInfo[], why: RegExp][] = [
  ['classifier', [image], [info('logits', 1, 1000)], /gives 1000 numbers; say embedding/],
  ['classifier', [image], [info('probs', 'N', 10, 1, 1)], /gives 10 numbers/],
  ['embedding', [image], [info('output0', 1, 128)], /as embeddings often have; say classifier/],
  ['embedding', [image], [info('feature', 'batch', 100)], /as embeddings often have/],
  ['detector', [image], [info('output0', 1, 84, 84)], /YOLOv8/],
  ['detector', [image], [info('output0', 'batch', 84, 'anchors')], /YOLOv8/],
  ['detector', [image], [info('output', 1, 84, 85)], /YOLOX/],
  ['detector', [image], [info('output', 1, 252, 85)], /YOLOv5/],
  ['detector', [image], [info('output0', 1, 300, 6)], /after NMS/],
  ['detector', [image], [info('boxes', 'n', 4), info('scores', 'n')], /boxes and scores/],
  ['detector', [image], scrfd, /SCRFD/],
  ['detector', [image], scrfdMaps, /SCRFD/],
  ['tensor', [image], [info('depth', 1, 1, side, side)], /neither a row of numbers nor boxes/],
  ['tensor', [info('window', 1, 100, 9)], [info('latent', 1, 64)], /takes no picture alone, but window/],
  ['tensor', [image, info('scale', 1)], [info('logits', 1, 10)], /takes no picture alone/],
]
for (const [kind, inputs, outputs, why] of guesses)
  test(`${outputs[0]!.name} [${outputs[0]!.shape.join(', ')}] of ${inputs.map(({ name }) => name).join(', ')} speaks for a ${kind}`, async () => {
    const model = await readModelShape(writeModel('guess', inputs, outputs))
    const guess = guessKind(model)
    assert.is(guess.kind, kind)
    assert.match(guess.why, why)
  })

for (const [kind, inputs, outputs, message] of [
  [
    'classifier',
    [info('window', 1, 100, 9)],
    [info('logits', 1, 10)],
    /expected a model that takes one picture, found window/,
  ],
  ['classifier', [image], [info('depth', 1, 1, 64, 64)], /expected an output that is one row.*found depth/],
  [
    'embedding',
    [info('window', 1, 100, 9)],
    [info('latent', 1, 64)],
    /expected a model that takes one picture.*say tensor/,
  ],
  ['detector', [image], [info('logits', 1, 1000)], /expected outputs that hold boxes \(YOLOX.*found logits/],
  ['tensor', [{ name: 'x', type: 'float16', shape: [1, 8] }], [info('y', 1)], /found x float16.*with float32 inputs/],
] as [Kind, TensorInfo[], TensorInfo[], RegExp][])
  test(`refused: a ${kind} of ${inputs[0]!.name} and ${outputs[0]!.name}`, async () => {
    await planFunction('misfit', kind, writeModel('misfit', inputs, outputs), config).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, message),
    )
  })

/** The same find in every layout: a box of class 1, one that it covers, one of class 2 at the same place. */
const finds = [
  { box: [20, 16, 52, 32], score: 0.9, index: 1 },
  { box: [21, 16, 52, 32], score: 0.8, index: 1 },
  { box: [20, 16, 52, 33], score: 0.7, index: 2 },
] as const
const kept = [finds[0], finds[2]].map(({ box, score, index }) => ({ class: index, score, box: [...box] }))
const centred = (box: readonly number[]) => {
  const [left = 0, top = 0, right = 0, bottom = 0] = box
  return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
}
const classes = (index: number, score: number) => [0, 1, 2].map((at) => (at === index ? score : 0.01))

test('detector: YOLOv8', async () => {
  const data = new Float32Array(7 * 84)
  for (const [i, { box, score, index }] of finds.entries())
    for (const [row, value] of [...centred(box), ...classes(index, score)].entries()) data[row * 84 + 30 + i] = value
  await detects('v8', { output0: floats([1, 7, 84], data) }, kept)
})

test('detector: YOLOv5', async () => {
  const data = new Float32Array(252 * 8)
  for (const [i, { box, score, index }] of finds.entries())
    data.set([...centred(box), 1, ...classes(index, score)], (100 + i) * 8)
  await detects('v5', { output: floats([1, 252, 8], data) }, kept)
})

test('detector: YOLOX', async () => {
  const data = new Float32Array(84 * 8)
  for (const [i, { box, score, index }] of finds.entries()) {
    // Cells 5 to 7 of the grid of stride 16, whose rows are four wide.
    const [x, y, width, height] = centred(box).map((value) => value / 16) as [number, number, number, number]
    const row = [x - (1 + i), y - 1, Math.log(width), Math.log(height), 1, ...classes(index, score)]
    data.set(row, (64 + 5 + i) * 8)
  }
  await detects('x', { output: floats([1, 84, 8], data) }, kept)
})

test('detector: boxes after NMS', async () => {
  const data = new Float32Array(5 * 6)
  for (const [i, { box, score, index }] of finds.entries()) data.set([...box, score, index], i * 6)
  await detects('finished', { 'the boxes': floats([1, 5, 6], data) }, kept)
})

test('detector: boxes, labels and scores', async () => {
  const labels: Tensor = { type: 'int64', dims: [3], data: BigInt64Array.from(finds, ({ index }) => BigInt(index)) }
  const outputs = {
    boxes: floats([3, 4], Float32Array.from(finds.flatMap(({ box }) => [...box]))),
    labels,
    scores: floats(
      [3],
      Float32Array.from(finds, ({ score }) => score),
    ),
  }
  await detects('boxes', outputs, kept)
})

test('detector: SCRFD', async () => {
  const outputs: Tensors = Object.fromEntries(
    scrfd.map(({ name, shape }) => [
      name,
      floats(shape as number[], new Float32Array((shape[1]! as number) * (shape[2] as number))),
    ]),
  )
  // The second anchor of cell (2, 1) of stride 16, whose corner is at (32, 16).
  const row = (1 * 4 + 2) * 2 + 1
  ;(outputs['out1_32']!.data as Float32Array)[row] = 0.9
  ;(outputs['out4_32']!.data as Float32Array).set([0.75, 0, 1.25, 1], row * 4)
  await detects('scrfd', outputs, [{ class: 0, score: 0.9, box: [20, 16, 52, 32] }])
})

test('detector: boxes by class, of a HEF with its NMS', async () => {
  const model = join(root, 'given', 'boxes.hef')
  mkdirSync(join(root, 'given'), { recursive: true })
  writeFileSync(model, boxesHef({ side, classes: 3, boxes: 4 }))
  const shape = await readModelShape(model)
  assert.match(guessKind(shape).why, /boxes by class/)

  const frame = new Float32Array(3 * 21).fill(77)
  const parts = (box: readonly number[]) => [box[1]!, box[0]!, box[3]!, box[2]!].map((edge) => edge / side)
  const boxes = (index: number) => finds.filter((find) => find.index === index)
  frame.set(
    [0, 1, 2].flatMap((i) => [boxes(i).length, ...boxes(i).flatMap(({ box, score }) => [...parts(box), score])]),
  )
  await writeAll((await planFunction('packed', undefined, model, config)).files)
  await detects('packed', { 'net/boxes': floats([3, 21], frame) }, kept, shape.inputs)
})

test('tensor: numbers for a HEF that takes no picture, quantised', async () => {
  const model = join(root, 'given', 'motion.hef')
  const edges: HefEdge[] = [
    { layer: { name: 'net/imu', shape: [1, 2, 9], scale: 0.5, zeroPoint: 10 } },
    { layer: { name: 'net/latent', shape: [1, 1, 4], format: 2, scale: 0.1, zeroPoint: 3 }, isOutput: true },
  ]
  writeFileSync(model, toHef(1, toHefProto({ groups: [{ name: 'net', edges, sortedOutputs: ['net/latent'] }] })))
  const { inputs } = await readModelShape(model)
  await writeAll((await planFunction('motion', undefined, model, config)).files)
  const read = readFileSync(join(root, 'functions/motion.ts'), 'utf8')
  assert.ok(read.includes("'net/imu': toTensor(model.inputs[0]!, realNumbers('net/imu', 18, fields['net/imu'])),"))
  const latent: Tensor = {
    type: 'uint8',
    dims: [1, 4],
    data: Uint8Array.of(3, 4, 13, 2),
    quant: { scale: 0.1, zeroPoint: 3 },
  }
  const fields = { 'net/imu': Array.from({ length: 18 }, (_, i) => i) }
  const outputs = { 'net/latent': latent }
  const answer = await answerOf('motion', 'tensor', [...inputs], [info('net/latent', 1, 4)], { fields, outputs })
  const { data } = answer['output'] as { data: number[] }
  assert.equal(
    data.map((value) => Math.round(value * 10)),
    [0, 1, 10, -1],
  )
})

test('classifier: probabilities of logits, and those that the model gives itself', async () => {
  const logits = floats([1, 4], Float32Array.from([0, 2, 1, -1]))
  const ask = { options: { k: 2 }, outputs: { logits } }
  const { top } = (await answerOf('tags', 'classifier', [image], [info('logits', 1, 4)], ask)) as {
    top: { index: number; score: number }[]
  }
  assert.equal(
    top.map(({ index }) => index),
    [1, 2],
  )
  assert.ok(Math.abs(top[0]!.score - 0.6439) < 1e-4, String(top[0]!.score))
  const model = writeModel('soft', [image], [info('probs', 1, 4)], 'Softmax')
  const { files } = await planFunction('soft', 'classifier', model, config)
  assert.match(files.find(({ path }) => path.endsWith('soft.yaml'))!.text!, /^post: \[topk, answer\]$/m)
})

test('embedding: a vector of length 1', async () => {
  const vector = floats([1, 128], new Float32Array(128).fill(3))
  const outputs = { other: floats([1, 1, 8, 8], new Float32Array(64)), embedding: vector }
  const infos = [info('other', 1, 1, 8, 8), info('embedding', 1, 128)]
  const answer = (await answerOf('vector', 'embedding', [image], infos, { outputs })) as { embedding: number[] }
  assert.is(answer.embedding.length, 128)
  assert.ok(answer.embedding.every((value) => Math.abs(value - 1 / Math.sqrt(128)) < 1e-6))
})

test('tensor: fields of every type with free dimensions, and a refusal of what does not fit', async () => {
  const ids: TensorInfo = { name: 'input.ids', type: 'int64', shape: ['batch', 'length'] }
  const outputs = { hidden: floats([1, 3, 2], Float32Array.from([1, 2, 3, 4, 5, 6])) }
  const inputs = [ids, info('window', 1, 2, 2), { name: 'mask', type: 'bool', shape: [1] } as TensorInfo]
  const ask = (fields: Record<string, unknown>) =>
    answerOf('tokens', 'tensor', inputs, [info('hidden', 'batch', 'length', 2)], { fields, outputs })
  const answer = (await ask({
    'input.ids': [[5, 6, 7]],
    window: [
      [1, 2],
      [3, 4],
    ],
    mask: [1],
  })) as { hidden: unknown }
  assert.equal(answer.hidden, { shape: [1, 3, 2], data: [1, 2, 3, 4, 5, 6] })
  for (const [fields, message] of [
    [
      { 'input.ids': [1.5], window: [1, 2, 3, 4], mask: [1] },
      /input\.ids: expected numbers for \[1, 0\], found \[1\.5\]/,
    ],
    [{ 'input.ids': [1], window: [1, 2, 3], mask: [1] }, /window: expected 4 numbers, found \[1,2,3\]/],
    [{ 'input.ids': [1], window: [1, 2, 3, 4] }, /mask: expected 1 numbers, found undefined/],
  ] as const)
    await ask(fields).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, message),
    )
})

test('labels come from the model’s metadata', async () => {
  const model = { ...(await readModelShape(writeModel('named', [image], [info('output0', 1, 7, 84)]))) }
  const { labelsOf } = await import('../../runtime/cli/new/labels.ts')
  const named = (names: string) => labelsOf({ ...model, metadata: { names } }, 3)
  assert.equal(named(`{0: 'cat', 1: "dog's", 2: 'great owl'}`), ['cat', "dog's", 'great owl'])
  for (const names of ['', '{}', `{0: 'cat'}`, `{0: 'a', 1: 'b', 9999999: 'c'}`, `{0: 'a', 1: 'b\n', 2: 'c'}`])
    assert.is(named(names), undefined, names)
})

for (const [file, kind, chip] of [
  ['arcface_mobilefacenet_v2', 'embedding', 'hailo8'],
  ['fast_depth', 'tensor', 'hailo8'],
] as const)
  testWithShared(
    test,
    `${file}.hef: the manifest has it for its chip, the function would serve its ONNX, too`,
    async () => {
      const hef = sharedData(`hef/${file}.hef`)!
      const plan = await planFunction(`hef-${kind}`, undefined, hef, config)
      assert.is(plan.kind, kind)
      await writeAll(plan.files)
      const read = (path: string) => readFileSync(join(root, path), 'utf8')
      assert.match(
        read(`manifests/hef-${kind}.yaml`),
        new RegExp(`^  hef:\n    ${chip}:\n      file: ${file}\\.hef$`, 'm'),
      )
      assert.match(read(`functions/hef-${kind}.ts`), /toFloat32\(Object\.values\(out\)\[0\]\)/)
    },
  )

testWithShared(test, 'scrfd_2.5g.hef: its nine maps by the names that they have', async () => {
  const plan = await planFunction('hef-faces', undefined, sharedData('hef/scrfd_2.5g.hef'), config)
  assert.is(plan.kind, 'detector')
  await writeAll(plan.files)
  const source = readFileSync(join(root, 'functions/hef-faces.ts'), 'utf8')
  assert.ok(source.includes("{ stride: 16, scores: out['scrfd_2_5g/conv49'], boxes: out['scrfd_2_5g/conv50'] }"))
  const test = readFileSync(join(root, 'test/hef-faces.test.mjs'), 'utf8')
  assert.match(test, /PELLET_HAILORT: 'simulated:hailo10h', \.\.\.process\.env/)
})

// The last: it looks at all that the others wrote.
test('function files have their types, and the style that the house’s tools demand', () => {
  const bin = (name: string) => join(projectRoot, 'node_modules/.bin', name)
  assert.ok(readdirSync(join(root, 'functions')).length >= 9)
  const own = JSON.parse(readFileSync(join(projectRoot, 'tsconfig.json'), 'utf8')) as { compilerOptions: object }
  const paths = { pellet: [join(projectRoot, 'dist/runtime/index.d.ts')] }
  const typeRoots = [join(projectRoot, 'node_modules/@types')]
  const compilerOptions = { ...own.compilerOptions, rootDir: '/', noEmit: true, paths, typeRoots }
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['functions'] }))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  execFileSync(bin('tsc'), ['-p', root], { stdio: 'inherit' })
  for (const [tool, file, flags] of [
    ['oxfmt', '.oxfmtrc.json', ['--check']],
    ['oxlint', '.oxlintrc.json', []],
  ] as const) {
    writeFileSync(join(root, file), readFileSync(join(projectRoot, file)))
    execFileSync(bin(tool), [...flags, 'functions', 'test'], { cwd: root })
  }
})

test.run()

// --- internal ---

function floats(dims: number[], data: Float32Array): Tensor {
  return { type: 'float32', dims, data }
}

/** A model with these inputs and outputs. It is never run. */
function writeModel(name: string, inputs: TensorInfo[], outputs: TensorInfo[], op = 'Conv'): string {
  const file = join(root, 'given', `${name}.onnx`)
  mkdirSync(join(root, 'given'), { recursive: true })
  const nodes = [{ op, inputs: inputs.map((input) => input.name), outputs: outputs.map((output) => output.name) }]
  writeFileSync(file, toOnnx({ inputs, outputs, nodes }))
  return file
}

/** Writes a function for such a model once, and asks it what it makes of these outputs. */
async function answerOf(name: string, kind: Kind, inputs: TensorInfo[], outputs: TensorInfo[], request: DriverRequest) {
  if (!readdirSync(root).includes('functions') || !readdirSync(join(root, 'functions')).includes(`${name}.ts`))
    await writeAll((await planFunction(name, kind, writeModel(name, inputs, outputs), config)).files)
  const bundle = await bundleFunction(join(root, 'functions', `${name}.ts`), root, join(root, 'bundles'))
  const { default: definition } = (await import(pathToFileURL(bundle.file).href)) as { default: FunctionDefinition }
  const driver = await drive(name, definition, undefined, { root, inputs, outputs })
  check(driver)
  const png = sharp({ create: { width: side, height: side, channels: 3, background: '#808080' } }).png()
  const { result } = await call(driver, { image: await png.toBuffer(), ...request })
  const plain = (_: string, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value)
  return JSON.parse(JSON.stringify(result, plain)) as Record<string, unknown>
}

async function detects(
  name: string,
  outputs: Tensors,
  expected: { class: number; score: number; box: number[] }[],
  inputs: readonly TensorInfo[] = [image],
) {
  const infos = Object.entries(outputs).map(([name, { type, dims }]) => ({ name, type, shape: dims }))
  const { objects } = (await answerOf(name, 'detector', [...inputs], infos, { outputs })) as {
    objects: typeof expected
  }
  const rounded = objects.map(({ class: index, score, box }) => ({
    class: index,
    score: Math.round(score * 1e4) / 1e4,
    box: box.map((value) => Math.round(value * 1e3) / 1e3),
  }))
  assert.equal(rounded, expected)
}

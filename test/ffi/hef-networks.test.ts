import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readHef, type HefTensor } from '../../ffi/hef/hef.ts'
import { toHefProto, type HefEdge, type HefGroup, type HefLayer, type HefSpec } from '../support/hef-proto.ts'
import { toHef } from '../support/hef-writer.ts'

const test = suite('networks in a HEF')

/** Numbers of hef.proto's extensions. */
const [multiNetwork, netFlow, scalePerFeature] = [8, 13, 25]

const input: HefEdge = { layer: { name: 'n/in', shape: [8, 6, 3] } }
const out = (layer: Partial<HefLayer>, edge: Partial<HefEdge> = {}): HefEdge => ({
  layer: { name: 'n/out', shape: [4, 3, 2], ...layer },
  isOutput: true,
  ...edge,
})
const group = (edges: HefEdge[], rest: Partial<HefGroup> = {}): HefGroup => ({
  name: 'n',
  edges: [input, ...edges],
  sortedOutputs: edges.map(({ layer }) => ('mux' in layer ? layer.mux : 'planes' in layer ? layer.planes : layer.name)),
  ...rest,
})

interface Case extends Omit<HefSpec, 'groups'> {
  group: HefGroup
  /** Of the outputs: name and what is said of them. */
  outputs: [name: string, facts: Partial<HefTensor>][]
}

const quantized = { scales: [0.5], zeroPoints: [7], min: -1, max: 1 }
const cases: Record<string, Case> = {
  'one output, padded on the chip': {
    group: group([out({ padded: [4, 8, 8] })]),
    outputs: [['n/out', { shape: [4, 3, 2], order: 'NHWC', type: 'uint8', frameBytes: 24, quantization: quantized }]],
  },
  '16 bit, in the order of the list of outputs': {
    group: group([out({ name: 'n/b', bytes: 2 }), out({ name: 'n/a', format: 2 })], { sortedOutputs: ['n/a', 'n/b'] }),
    outputs: [
      ['n/a', { order: 'NC', type: 'uint8' }],
      ['n/b', { type: 'uint16', frameBytes: 48 }],
    ],
  },
  'transposed: height and width change places, except in a vector': {
    group: group([out({ transposed: true }), out({ name: 'n/v', transposed: true, format: 2 })]),
    outputs: [
      ['n/out', { shape: [3, 4, 2], isTransposed: true }],
      ['n/v', { shape: [4, 3, 2], isTransposed: true }],
    ],
  },
  'a scale for each feature': {
    group: group([out({ featureScales: [0.1, 0.2] })]),
    extensions: [scalePerFeature],
    outputs: [['n/out', { quantization: { ...quantized, scales: [0.1, 0.2], zeroPoints: [7, 7] } }]],
  },
  'a scale for each feature that HailoRT is not told to use': {
    group: group([out({ featureScales: [0.1, 0.2], featureZeroPoints: [1, 2] })]),
    outputs: [['n/out', { quantization: quantized }]],
  },
  'between contexts and in the DDR nothing is seen': {
    group: group(
      [out({}, { context: 1 }), out({ name: 'n/inner' }, { connection: 1 }), out({ name: 'n/ddr' }, { connection: 2 })],
      {
        sortedOutputs: ['n/out'],
      },
    ),
    outputs: [['n/out', {}]],
  },
  'boxes by the chip': {
    group: group([out({ format: 6, bytes: 2, nms: { classes: 80, boxes: 50, chunks: 2 } })]),
    outputs: [
      [
        'n/out',
        {
          order: 'HAILO_NMS_BY_CLASS',
          type: 'float32',
          frameBytes: 80 * (1 + 5 * 100) * 4,
          nms: { kind: 'chip', classes: 80, maxBoxesPerClass: 100, boxesOnly: false },
        },
      ],
    ],
  },
  'boxes by the chip, cut by classes': {
    group: group(
      ['n/a', 'n/b'].map((name) => out({ name, format: 6, nms: { classes: 40, boxes: 50, fused: 'n/boxes' } })),
      { fused: [{ name: 'n/boxes', nms: { classes: 80, boxes: 50 } }] },
    ),
    outputs: [['n/boxes', { nms: { kind: 'chip', classes: 80, maxBoxesPerClass: 50, boxesOnly: false } }]],
  },
  'a mux, with another in it': {
    group: group(
      [
        {
          layer: {
            mux: 'n/mux',
            of: [
              { name: 'n/a', shape: [1, 1, 3] },
              { mux: 'n/m2', of: [{ name: 'n/b', shape: [2, 2, 1] }] },
            ],
          },
          isOutput: true,
        },
      ],
      { sortedOutputs: ['n/b', 'n/a'] },
    ),
    outputs: [
      ['n/b', { shape: [2, 2, 1] }],
      ['n/a', { shape: [1, 1, 3] }],
    ],
  },
  'softmax and argmax on the host': {
    group: group([out({ name: 'n/a', format: 2, bytes: 2 }, { pad: 1 }), out({ name: 'n/b' }, { pad: 2 })], {
      layout: 'op',
      sortedOutputs: ['n/softmax', 'n/argmax'],
      ops: [
        { name: 'argmax', inputs: [12], output: { name: 'n/argmax', order: 5, type: 1 }, logits: 0 },
        { name: 'softmax', inputs: [11], output: { name: 'n/softmax' }, logits: 1 },
      ],
      padEdges: [
        [1, 11],
        [2, 12],
      ],
    }),
    extensions: [netFlow],
    outputs: [
      ['n/softmax', { order: 'NC', type: 'float32', shape: [4, 3, 2], frameBytes: 96 }],
      ['n/argmax', { order: 'NHW', type: 'uint8', shape: [4, 3, 1], frameBytes: 12 }],
    ],
  },
}

const kinds = [
  [7, 'yolov5'],
  [8, 'yolox'],
  [9, 'ssd'],
  [10, 'iou'],
  [11, 'yolov5-seg'],
  [12, 'yolov8'],
] as const
for (const [kind, name] of kinds)
  cases[`boxes of ${name} on the host, without the background`] = boxesOnHost(
    { kind, classes: 3, boxes: 20, background: true },
    {
      order: kind === 11 ? 'HAILO_NMS_WITH_BYTE_MASK' : 'HAILO_NMS_BY_CLASS',
      type: kind === 11 ? 'uint8' : 'float32',
      nms: {
        kind: name,
        classes: 2,
        maxBoxesPerClass: 20,
        scoreThreshold: 0.25,
        iouThreshold: 0.45,
        ...(kind === 11 && { maskThreshold: 0.6 }),
        boxesOnly: false,
      },
      ...(kind === 11 ? {} : { frameBytes: 2 * (1 + 5 * 20) * 4 }),
    },
  )
cases['boxes of YOLOv5 alone: a row for each anchor'] = boxesOnHost(
  {
    kind: 7,
    classes: 3,
    boxes: 20,
    boxesOnly: true,
    anchors: [
      [1, [10, 20, 30]],
      [2, [5]],
    ],
  },
  { order: 'NHWC', type: 'float32', shape: [1, 3 * 12 + 4, 5 + 3] },
)
cases['boxes of YOLOv8 alone: a row for each cell'] = boxesOnHost(
  { kind: 12, classes: 3, boxes: 20, boxesOnly: true },
  { order: 'NHWC', type: 'float32', shape: [1, 8, 4 + 3] },
)

for (const [name, { group: given, outputs, ...spec }] of Object.entries(cases))
  test(name, async () => {
    const { networkGroups } = await readHef(toHef(3, toHefProto({ ...spec, groups: [given] })))
    const [found] = networkGroups
    assert.equal(
      found!.outputs.map((tensor) => tensor.name),
      outputs.map(([output]) => output),
    )
    for (const [i, [, facts]] of outputs.entries())
      assert.equal(
        Object.fromEntries(Object.keys(facts).map((key) => [key, found!.outputs[i]![key as keyof HefTensor]])),
        facts,
      )
    assert.equal(
      found!.inputs.map(({ name: title, shape }) => [title, shape]),
      [['n/in', [8, 6, 3]]],
    )
  })

test('pictures in planes come in as one', async () => {
  const planes = {
    planes: 'n/camera',
    format: 0,
    shape: [4, 8, 3] as [number, number, number],
    of: [{ name: 'n/y', shape: [8, 8, 1] as [number, number, number], format: 0 }],
  }
  const edges: HefEdge[] = [{ layer: planes }, out({})]
  const { networkGroups } = await readHef(
    toHef(3, toHefProto({ groups: [{ name: 'n', edges, sortedOutputs: ['n/out'] }] })),
  )
  const [{ inputs, streams } = { inputs: [], streams: [] }] = networkGroups
  assert.equal(
    inputs.map(({ name, order, type, frameBytes }) => [name, order, type, frameBytes]),
    [['n/camera', 'NV12', 'uint8', 96]],
  )
  assert.equal(
    streams[0]!.parts.map(({ name }) => name),
    ['n/y'],
  )
})

test('several networks in a group', async () => {
  const edges = [input, out({}), out({ name: 'n/second' }, { network: 1 })]
  const groups = [{ name: 'n', edges, networkNames: ['a', 'b'], sortedOutputs: ['n/out', 'n/second'] }]
  const { networkGroups } = await readHef(toHef(2, toHefProto({ groups, optionalExtensions: [multiNetwork] })))
  assert.equal(networkGroups[0]!.networks, ['n/a', 'n/b'])
  assert.equal(
    networkGroups[0]!.outputs.map(({ network }) => network),
    ['n/a', 'n/b'],
  )
})

for (const [layout, extensions] of [
  ['partial', []],
  ['partial op', [netFlow]],
] as const)
  test(`for a Hailo-8L, whose layouts stand apart (${layout})`, async () => {
    const spec: HefSpec = { arch: 3, extensions: [...extensions], groups: [group([out({})], { layout })] }
    const { networkGroups, arch } = await readHef(toHef(1, toHefProto(spec)))
    assert.equal([arch.name, arch.runsOn], ['hailo8l', ['hailo8l', 'hailo8']])
    assert.equal([networkGroups[0]!.name, networkGroups[0]!.contexts], ['n', 1])
    assert.equal(
      networkGroups[0]!.outputs.map(({ name, network }) => [name, network]),
      [['n/out', 'n/n']],
    )
  })

const refused: Record<string, [spec: HefSpec | Case, message: RegExp]> = {
  'no network group': [{ groups: [] }, /expected a network group, found none/],
  'a Hailo-8L without its layouts': [
    { arch: 3, groups: [group([])] },
    /group n: expected a layout for a part of the chip/,
  ],
  'an output that is not listed': [
    { groups: [group([out({})], { sortedOutputs: [] })] },
    /expected output n\/out in the list/,
  ],
  'a shape of nothing': [
    { groups: [group([out({ shape: [0, 3, 3] })])] },
    /n\/out: expected a shape of less than 4 GB, found 0 x 3 x 3/,
  ],
  'a shape of too much': [{ groups: [group([out({ shape: [65536, 65536, 9] })])] }, /found 65536 x 65536 x 9/],
  'boxes of no class': [
    boxesOnHost({ kind: 8, classes: 0, boxes: 5, background: true }, {}),
    /n\/boxes: expected a shape/,
  ],
  'an operation on what the chip does not give': [
    {
      extensions: [netFlow],
      groups: [group([], { layout: 'op', ops: [{ name: 'nms', inputs: [3], output: { name: 'n/x' }, logits: 1 }] })],
    },
    /operation nms: expected its input 3 to be an output of the chip, found none/,
  ],
  'a format of the future': [
    { groups: [group([out({ format: 40 })])] },
    /n\/out: expected a format of HailoRT 4.23 or 5.2, found 40/,
  ],
  'elements of 3 bytes': [
    { groups: [group([out({ bytes: 3 })])] },
    /n\/out: expected elements of 1, 2 or 4 bytes, found 3/,
  ],
  'too few scales': [
    { groups: [group([out({ featureScales: [1] })])], extensions: [25] },
    /each of 2 features, found 1/,
  ],
  'a network without a name': [
    { groups: [group([out({}, { network: 3 })])], optionalExtensions: [8] },
    /network \d to have a name/,
  ],
}
for (const [name, [spec, message]] of Object.entries(refused))
  test(`refused: ${name}`, async () => {
    const error = await readHef(toHef(0, toHefProto('group' in spec ? { ...spec, groups: [spec.group] } : spec))).catch(
      (error: Error) => error,
    )
    assert.is((error as Error).name, 'HefError')
    assert.match((error as Error).message, message)
  })

test.run()

// --- internal ---

/** Two outputs of 12 and 4 cells that an operation makes boxes of. */
function boxesOnHost(nms: NonNullable<NonNullable<HefGroup['ops']>[number]['nms']>, facts: Partial<HefTensor>): Case {
  return {
    group: group([out({ name: 'n/a' }, { pad: 1 }), out({ name: 'n/b', shape: [2, 2, 2] }, { pad: 2 })], {
      layout: 'op',
      sortedOutputs: ['n/boxes'],
      ops: [{ name: 'nms', inputs: [11, 12], output: { name: 'n/boxes' }, nms }],
      padEdges: [
        [1, 11],
        [2, 12],
      ],
    }),
    extensions: [netFlow],
    outputs: [['n/boxes', facts]],
  }
}

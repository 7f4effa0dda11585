import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chooseModel, type Circumstances, type Choice } from '../../runtime/deployments/engine-choice.ts'
import { noNpu, type NpuStatus } from '../../runtime/device/npu.ts'
import type { HailoArch, Manifest } from '../../runtime/manifest/manifest.ts'

type Model = Manifest['model']

const entry = { name: 'm', file: 'm' }
const onnx = entry
const hef = (...chips: HailoArch[]) => Object.fromEntries(chips.map((chip) => [chip, entry]))
const npu = (chip: HailoArch): NpuStatus => ({ isUsable: true, kind: 'hailort', chip, library: '4.23.0', file: '' })
const broken: NpuStatus = { isUsable: false, isAbsent: false, reason: 'another program holds it' }
/** Every HEF is there, save those that are not. */
const files = (chips: Partial<Record<HailoArch, 'absent' | 'refused'>> = {}): Circumstances['hefs'] =>
  Object.fromEntries(
    (['hailo8', 'hailo8l', 'hailo10h'] as const).map((chip) => [
      chip,
      {
        shown: `models/${chip}.hef`,
        isThere: chips[chip] !== 'absent',
        refusal: chips[chip] === 'refused' ? `models/${chip}.hef is too new` : undefined,
      },
    ]),
  )

const absent = (chip: HailoArch) => `models/${chip}.hef is not there`
const hint = 'give an onnx entry as well to run it on the CPU'
const meanwhile = 'write engine: auto to run it on the CPU meanwhile'

const rows: [what: string, model: Model, circumstances: Partial<Circumstances>, expected: Choice][] = [
  // auto
  ['no HEF', { engine: 'auto', onnx }, { npu: npu('hailo8') }, { key: 'onnx' }],
  ['its chip', { engine: 'auto', onnx, hef: hef('hailo8') }, { npu: npu('hailo8') }, { key: 'hailo8' }],
  ['its own chip first', { engine: 'auto', hef: hef('hailo8l', 'hailo8') }, { npu: npu('hailo8') }, { key: 'hailo8' }],
  ['an 8 takes an 8L', { engine: 'auto', onnx, hef: hef('hailo8l') }, { npu: npu('hailo8') }, { key: 'hailo8l' }],
  [
    'an 8 takes an 8L where its own is not there',
    { engine: 'auto', onnx, hef: hef('hailo8', 'hailo8l') },
    { npu: npu('hailo8'), hefs: files({ hailo8: 'absent' }) },
    { key: 'hailo8l' },
  ],
  [
    'an 8L takes no 8',
    { engine: 'auto', onnx, hef: hef('hailo8') },
    { npu: npu('hailo8l') },
    { key: 'onnx', fallback: 'expected an entry for hailo8l, the chip of this machine, found hailo8' },
  ],
  [
    'no NPU',
    { engine: 'auto', onnx, hef: hef('hailo8') },
    { npu: noNpu },
    { key: 'onnx', fallback: 'no NPU was found' },
  ],
  [
    'an NPU that is broken',
    { engine: 'auto', onnx, hef: hef('hailo8') },
    { npu: broken },
    { key: 'onnx', fallback: broken.reason },
  ],
  [
    'a HEF that is not there',
    { engine: 'auto', onnx, hef: hef('hailo8') },
    { npu: npu('hailo8'), hefs: files({ hailo8: 'absent' }) },
    { key: 'onnx', fallback: absent('hailo8'), missing: 'hailo8' },
  ],
  [
    'a HEF that HailoRT would not take',
    { engine: 'auto', onnx, hef: hef('hailo8') },
    { npu: npu('hailo8'), hefs: files({ hailo8: 'refused' }) },
    {
      key: 'onnx',
      fallback: 'models/hailo8.hef is too new',
    },
  ],
  // onnxruntime
  ['the CPU by order', { engine: 'onnxruntime', onnx, hef: hef('hailo8') }, { npu: npu('hailo8') }, { key: 'onnx' }],
  // hailort, and a HEF alone
  ['the NPU by order', { engine: 'hailort', onnx, hef: hef('hailo8') }, { npu: npu('hailo8') }, { key: 'hailo8' }],
  ['a HEF alone', { engine: 'auto', hef: hef('hailo10h') }, { npu: npu('hailo10h') }, { key: 'hailo10h' }],
  [
    'the NPU by order, and none is there',
    { engine: 'hailort', onnx, hef: hef('hailo8') },
    { npu: noNpu },
    {
      path: ['model', 'engine'],
      refusal: `expected an NPU for engine: hailort, but no NPU was found; ${meanwhile}`,
    },
  ],
  [
    'a HEF alone, and the NPU is broken',
    { engine: 'auto', hef: hef('hailo8') },
    { npu: broken },
    { path: ['model'], refusal: `expected an NPU for a HEF alone, but ${broken.reason}; ${hint}` },
  ],
  [
    'a HEF alone, for another chip',
    { engine: 'auto', hef: hef('hailo10h') },
    { npu: npu('hailo8') },
    {
      path: ['model', 'hef'],
      refusal: `expected an entry for hailo8, the chip of this machine, found hailo10h; ${hint}`,
    },
  ],
  [
    'a HEF alone that is not there',
    { engine: 'auto', hef: hef('hailo8') },
    { npu: npu('hailo8'), hefs: files({ hailo8: 'absent' }) },
    { key: 'hailo8' },
  ],
  [
    'the NPU by order, and HailoRT would not take the HEF',
    { engine: 'hailort', hef: hef('hailo8') },
    { npu: npu('hailo8'), hefs: files({ hailo8: 'refused' }) },
    {
      path: ['model', 'hef'],
      refusal: `models/hailo8.hef is too new; ${hint}`,
    },
  ],
  // Only looked at
  [
    'a HEF alone, looked at where no NPU is',
    { engine: 'auto', hef: hef('hailo8', 'hailo10h') },
    { npu: noNpu, isForAnywhere: true, hefs: files({ hailo8: 'absent' }) },
    { key: 'hailo10h', note: 'does not run on this machine: no NPU was found' },
  ],
  [
    'a HEF whose ONNX model is not there, looked at where no NPU is',
    { engine: 'auto', onnx, hef: hef('hailo8') },
    { npu: noNpu, isForAnywhere: true, isCpuThere: false },
    { key: 'hailo8', note: 'does not run on this machine: no NPU was found' },
  ],
]

const test = suite('the choice of the engine')

for (const [what, model, circumstances, expected] of rows)
  test(what, () =>
    assert.equal(chooseModel(model, { npu: noNpu, hefs: files(), isCpuThere: true, ...circumstances }), expected),
  )

test.run()

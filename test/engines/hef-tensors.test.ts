import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HefNetworkGroup, HefTensor } from '../../ffi/hef/types.ts'
import { tensorsOfHef } from '../../runtime/engines/hef-tensors.ts'
import { PelletError } from '../../runtime/errors.ts'

const quantization = { scales: [0.5], zeroPoints: [3], min: -1, max: 1 }
const quant = { scale: 0.5, zeroPoint: 3 }
const tensor: HefTensor = {
  name: 'n/t',
  direction: 'output',
  network: 'n',
  shape: [4, 5, 6],
  order: 'NHWC',
  type: 'uint8',
  isTransposed: false,
  quantization,
}
const nms = { kind: 'yolov8', classes: 80, maxBoxesPerClass: 100, boxesOnly: false } as const
const { shape: _, quantization: __, ...boxes } = { ...tensor, nms, type: 'float32' as const }

const rows: [what: string, tensor: HefTensor, expected: object][] = [
  ['a map', tensor, { type: 'uint8', shape: [1, 4, 5, 6], quant }],
  ['one without features', { ...tensor, order: 'NHW' }, { type: 'uint8', shape: [1, 4, 5], quant }],
  ['a row', { ...tensor, order: 'NC', type: 'uint16' }, { type: 'uint16', shape: [1, 6], quant }],
  ['planes of a picture', { ...tensor, order: 'NV12' }, { type: 'uint8', shape: [1, 4, 5, 6], quant }],
  [
    'a scale for each feature',
    { ...tensor, quantization: { ...quantization, scales: [1, 2], zeroPoints: [3, 4] } },
    { type: 'uint8', shape: [1, 4, 5, 6], quant: { scale: [1, 2], zeroPoint: [3, 4] } },
  ],
  ['boxes by class', { ...boxes, order: 'HAILO_NMS_BY_CLASS' }, { type: 'float32', shape: [80, 501] }],
]

const groupOf = (...outputs: HefTensor[]) => ({ name: 'n', inputs: [], outputs }) as unknown as HefNetworkGroup

const test = suite('what HailoRT gives, by what a HEF says')

for (const [what, given, expected] of rows)
  test(what, () => {
    const { outputs } = tensorsOfHef({ networkGroups: [groupOf(given)] }, 'm.hef')
    assert.equal(outputs, [{ name: 'n/t', ...expected }])
  })

const refusals: [what: string, groups: HefNetworkGroup[], told: RegExp][] = [
  ['masks', [groupOf({ ...boxes, order: 'HAILO_NMS_WITH_BYTE_MASK' })], /m\.hef: "n\/t": .*found HAILO_NMS_WITH_BYTE/],
  ['several networks', [groupOf(), groupOf()], /m\.hef: expected a HEF with one network group, found 2: n, n/],
  ['no network', [], /found none/],
]
for (const [what, networkGroups, told] of refusals)
  test(`${what} are refused`, () =>
    assert.throws(
      () => tensorsOfHef({ networkGroups }, 'm.hef'),
      (error: Error) => error instanceof PelletError && error.code === 'load_failed' && told.test(error.message),
    ))

test.run()

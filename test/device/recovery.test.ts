import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { stepAfter, stepWhenAlive, type Failure } from '../../runtime/device/host/recovery.ts'

const test = suite('device: rules')

const usual = { tries: 1, holdsUnused: false, isRecycled: false }

const cases: [title: string, failure: Pick<Failure, 'operation' | 'kind'> & Partial<Failure>, expected: string][] = [
  ['an opening that comes to no end may have done no harm', { operation: 'open', kind: 'timeout' }, 'retry'],
  ['three of them are enough', { operation: 'open', kind: 'timeout', tries: 3 }, 'refuse'],
  ['no device', { operation: 'open', kind: 'absent' }, 'refuse'],
  ['another program has it', { operation: 'open', kind: 'busy' }, 'refuse'],
  ['what was closed just now is not free yet', { operation: 'open', kind: 'busy', isRecycled: true }, 'retry'],
  ['the server on the module starts anew', { operation: 'open', kind: 'lost', isRecycled: true, tries: 2 }, 'retry'],
  ['and does not come', { operation: 'open', kind: 'lost', isRecycled: true, tries: 3 }, 'refuse'],
  ['versions that do not fit', { operation: 'open', kind: 'version', isRecycled: true }, 'refuse'],
  ['the chip is full of what is in use', { operation: 'load', kind: 'full' }, 'refuse'],
  ['the chip is full, also of what is not', { operation: 'load', kind: 'full', holdsUnused: true }, 'recycle'],
  ['full after that', { operation: 'load', kind: 'full', holdsUnused: true, isRecycled: true }, 'refuse'],
  ['too many core ops', { operation: 'load', kind: 'too_many', holdsUnused: true }, 'recycle'],
  ['too many, all of them in use', { operation: 'load', kind: 'too_many' }, 'refuse'],
  ['a load that comes to no end', { operation: 'load', kind: 'timeout' }, 'retry'],
  ['twice', { operation: 'load', kind: 'timeout', tries: 2, holdsUnused: true }, 'recycle'],
  ['and after that', { operation: 'load', kind: 'timeout', tries: 3, isRecycled: true }, 'refuse'],
  ['a HEF that is none', { operation: 'load', kind: 'bad_hef', holdsUnused: true }, 'refuse'],
  ['a HEF for another chip', { operation: 'load', kind: 'wrong_chip' }, 'refuse'],
  ['the device is gone at a load', { operation: 'load', kind: 'lost' }, 'abandon'],
  ['HailoRT fails inside', { operation: 'load', kind: 'internal' }, 'identify'],
  ['what is left of others may be why', { operation: 'load', kind: 'internal', holdsUnused: true }, 'recycle'],
  ['frames never come back', { operation: 'unload', kind: 'timeout' }, 'abandon'],
  ['an unload fails otherwise', { operation: 'unload', kind: 'internal' }, 'abandon'],
  ['a close is done all the same', { operation: 'close', kind: 'timeout' }, 'ignore'],
  ['a close that is refused', { operation: 'close', kind: 'argument' }, 'end'],
  ['a single false timeout of identify', { operation: 'identify', kind: 'timeout' }, 'retry'],
  ['the second', { operation: 'identify', kind: 'timeout', tries: 2 }, 'abandon'],
  ['the device does not answer', { operation: 'identify', kind: 'lost' }, 'abandon'],
  ['a priority that is not taken', { operation: 'priority', kind: 'timeout' }, 'ignore'],
  ['a device that is gone by then', { operation: 'priority', kind: 'lost' }, 'abandon'],
  ['a frame is aborted', { operation: 'frame', kind: 'aborted' }, 'reload'],
  ['a frame is lost with the device, perhaps', { operation: 'frame', kind: 'lost' }, 'identify'],
  ['a frame is overdue', { operation: 'overdue', kind: 'timeout' }, 'identify'],
]

for (const [title, failure, expected] of cases)
  test(`${failure.operation}, ${failure.kind}: ${title}`, () => {
    assert.is(stepAfter({ ...usual, ...failure }).do, expected)
  })

test('a device that lives and stands still for one model: it is loaded anew after three frames, or when no slot is left', () => {
  assert.is(stepWhenAlive({ overdueInARow: 2, isFull: false }).do, 'ignore')
  assert.is(stepWhenAlive({ overdueInARow: 3, isFull: false }).do, 'reload')
  assert.is(stepWhenAlive({ overdueInARow: 1, isFull: true }).do, 'reload')
})

test.run()

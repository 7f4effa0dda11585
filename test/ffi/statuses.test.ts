import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HailoError, statusOf, type HailoErrorKind, type HailoOperation } from '../../ffi/hailort/statuses.ts'
import { sharedReference } from '../support/shared.ts'

const abiFile = sharedReference('hailort-abi.json')
const testWithAbi = abiFile ? test : test.skip

testWithAbi('names and numbers are those of both versions of hailort.h', () => {
  const abi = JSON.parse(readFileSync(abiFile!, 'utf8')) as Record<string, { enums: Record<string, object> }>
  for (const version of ['4.23.0', '5.2.0'])
    for (const [name, status] of Object.entries(abi[version]!.enums['hailo_status']!))
      if (!/_COUNT$|_MAX_ENUM$/.test(name)) assert.is(statusOf(status as number).name, name)
})

test('each says what it means and what to do, as clauses', () => {
  for (let status = 0; status <= 97; status++) {
    const { meaning, advice } = statusOf(status)
    for (const clause of [meaning, advice])
      assert.ok(clause.length > 5 && !/[.;]$/.test(clause), `${status}: ${clause}`)
  }
})

/** The situations that were seen on the real libraries, and what Pellet takes them for. */
const situations: [operation: HailoOperation, status: number, kind: HailoErrorKind][] = [
  ['open', 74, 'absent'],
  ['open', 73, 'busy'],
  ['open', 2, 'absent'],
  ['open', 76, 'version'],
  ['open', 79, 'version'],
  ['open', 64, 'absent'],
  ['open', 89, 'absent'],
  ['open', 4, 'timeout'],
  ['identify', 36, 'lost'],
  ['identify', 62, 'lost'],
  ['identify', 4, 'timeout'],
  ['load', 2, 'argument'],
  ['load', 3, 'host_memory'],
  ['load', 4, 'timeout'],
  ['load', 6, 'too_many'],
  ['load', 18, 'internal'],
  ['load', 36, 'lost'],
  ['load', 62, 'lost'],
  ['load', 71, 'full'],
  ['load', 81, 'host_memory'],
  ['load', 91, 'bad_hef'],
  ['load', 92, 'bad_hef'],
  ['load', 93, 'wrong_chip'],
  ['frame', 2, 'argument'],
  ['frame', 4, 'timeout'],
  ['frame', 62, 'lost'],
  ['frame', 63, 'aborted'],
  ['frame', 72, 'lost'],
  ['frame', 82, 'queue_full'],
  ['unload', 4, 'timeout'],
  ['unload', 62, 'lost'],
  ['close', 6, 'argument'],
  ['priority', 2, 'argument'],
  ['priority', 4, 'timeout'],
]

test('a number is taken for what it means while something is under way', () => {
  for (const [operation, status, kind] of situations)
    assert.is(statusOf(status, operation).kind, kind, `${operation}: ${status}`)
})

test('an error says what happened, what HailoRT says of it, and what to do', () => {
  const error = new HailoError(71, 'load', 'context 3')
  assert.is(
    error.message,
    'the chip’s memory is full (HAILO_OUT_OF_FW_MEMORY, 71: context 3); unload another model (`pellet ps`, `pellet unload NAME`), or take a smaller one',
  )
  assert.equal([error.status, error.kind, error.operation], [71, 'full', 'load'])
  assert.is(`${error.reason}; ${error.advice}`, error.message)
})

test('a status of a HailoRT that is newer than this', () => {
  assert.equal(statusOf(120), {
    status: 120,
    name: 'HAILO_STATUS_120',
    kind: 'internal',
    meaning: 'HailoRT answered with a status that is not known here',
    advice: 'run `pellet doctor`: HailoRT may be newer than this Pellet',
  })
})

test.run()

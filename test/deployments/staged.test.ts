import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Lease, LeaseReceiver } from '../../runtime/deployments/lease.ts'
import { createStaged, type StagingHost } from '../../runtime/deployments/staged.ts'
import { PelletError } from '../../runtime/errors.ts'
import type { DeploymentSnapshot } from '../../runtime/scheduler/types.ts'
import { deploymentOf } from './tiny.ts'

const test = suite('a staged revision')

test('is loaded once it was granted a place, which it gives back', async () => {
  const { staged, host } = setUp()
  const loading = staged.load()
  assert.is(host.asked, 'a (new revision)')
  host.receiver!.grant({ release: (isOk) => void host.said.push(`released ${isOk}`) } as Lease)
  await loading
  assert.equal(host.said, ['alarm off', 'released true'])
})

test('is told why it cannot be loaded', async () => {
  const { staged, host } = setUp()
  const loading = staged.load()
  host.receiver!.refuse(new PelletError('load_failed', 'no such file'))
  assert.is((await failureOf(loading)).message, 'no such file')
  assert.equal(host.said, ['alarm off'])
})

test('does not wait for room for ever: who has it is told, and what to do', async () => {
  const { staged, host } = setUp()
  const loading = staged.load()
  assert.is(host.alarmAt, 30_000)
  host.alarm!()
  const { code, message } = await failureOf(loading)
  assert.is(code, 'out_of_memory')
  assert.match(
    message,
    'room for the new revision (400 MB) beside what is loaded, within 30 s, found none; loaded: a (busy, 300 MB), b (200 MB); try again',
  )
  assert.ok(host.said.includes('left'))
})

test('but the time that the load itself takes is another matter', async () => {
  const { staged, host } = setUp()
  const loading = staged.load()
  host.rows.push(rowOf('a (new revision)', 0, { isolate: 3 }))
  host.alarm!()
  host.receiver!.grant({ release: () => {} } as unknown as Lease)
  await loading
})

test('ends one way, once', () => {
  const { staged, host } = setUp()
  staged.promote()
  staged.discard()
  assert.equal(host.said, ['promoted'])
  assert.throws(() => staged.promote(), /promoted or discarded before/)
  const other = setUp()
  other.staged.discard()
  other.staged.discard()
  assert.equal(other.host.said, ['discarded'])
  assert.throws(() => other.staged.promote(), /promoted or discarded before/)
})

test.run()

// --- internal ---

function setUp() {
  const host = {
    said: [] as string[],
    asked: '',
    receiver: undefined as LeaseReceiver | undefined,
    alarmAt: 0,
    alarm: undefined as (() => void) | undefined,
    rows: [rowOf('a', 300, { inFlight: 1 }), rowOf('b', 200), rowOf('c', 0)],
  }
  const staging: StagingHost = {
    clock: {
      now: () => 0,
      alarm(at, callback) {
        host.alarmAt = at
        host.alarm = callback
        return () => void host.said.push('alarm off')
      },
    },
    acquire(name, _options, receiver) {
      host.asked = name
      host.receiver = receiver
      return () => void host.said.push('left')
    },
    rows: () => host.rows,
    sizeBytes: 400 * 2 ** 20,
  }
  const outcome = { promote: () => void host.said.push('promoted'), discard: () => void host.said.push('discarded') }
  return { host, staged: createStaged(staging, deploymentOf({ name: 'a' }), outcome) }
}

function rowOf(name: string, megabytes: number, more: Partial<DeploymentSnapshot> = {}): DeploymentSnapshot {
  return { name, sizeBytes: megabytes * 2 ** 20, inFlight: 0, ...more } as DeploymentSnapshot
}

function failureOf(promise: Promise<unknown>): Promise<PelletError> {
  return promise.then(
    () => {
      throw new Error('expected a failure, found none')
    },
    (error: unknown) => error as PelletError,
  )
}

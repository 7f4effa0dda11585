// @timeout 240s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Outcome } from '../soak/send.ts'
import type { PlannedRequest } from '../soak/plan.ts'
import { deployUnderLoad } from './deploys.ts'
import { fillDisk, withOwnMounts } from './disk.ts'
import { stopUnderLoad, Tally } from './signals.ts'

/** A little of `npm run chaos`. */
const chaos = suite('chaos')

chaos('a request is lost where its headers were read, and only there', () => {
  const tally = new Tally(() => new Set(['soak-1', 'soak-3']))
  const cut: Outcome = { sentAt: 0, endedAt: 1, status: 0, headers: {}, body: Buffer.alloc(0), broken: 'ECONNRESET' }
  for (const id of [1, 2]) tally.add({ planned: { id, deployment: 'text' } as PlannedRequest, outcome: cut })
  tally.add({ planned: { id: 3 } as PlannedRequest, outcome: { ...cut, broken: 'ECONNREFUSED' } })
  tally.close()
  assert.is(tally.unread, 1)
  assert.is(tally.unconnected, 1)
  assert.is(tally.violations.length, 1)
  assert.match(tally.violations[0]!, /^request 1 .*: lost \(ECONNRESET\)$/)
})

/** With this seed a stop comes after some 110 answers, not after 600: a sample. */
const seed = 8
const harms = {
  'a SIGTERM under load: no request that was read is lost, and nothing is left': () =>
    stopUnderLoad({ seed, rounds: 1 }),
  'deploys under load: each answer is from one whole revision, none goes back': () =>
    deployUnderLoad({ seed: 1, rounds: 1 }),
  'a full disk: what is refused says so, what was there stays': () => withOwnMounts({ seed: 1, rounds: 1 }, fillDisk),
}
for (const [what, harm] of Object.entries(harms))
  chaos(what, async () => {
    const { violations, facts } = await harm()
    assert.equal(violations, [])
    console.log(facts.join(', '))
  })

chaos.run()

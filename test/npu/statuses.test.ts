// @timeout 120s
import { suite } from 'uvu'
import { testWithSim } from '../support/sim.ts'
import { statusRows } from './status-rows.ts'
import { tryStatuses } from './statuses.ts'

const test = suite('statuses of HailoRT, through a whole Pellet')

// One: 74 and 71 through a whole Pellet are in test/deployments/npu.test.ts and test/device/room.test.ts.
const sample = /^lost while nothing is under way: 72$/
testWithSim(test, 'the caller is told what it means, and the next one is served', () =>
  tryStatuses(statusRows.filter(({ chip, what }) => chip === 'hailo8' && sample.test(what))),
)

test.run()

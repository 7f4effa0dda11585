// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { testWithSim } from '../support/sim.ts'
import { proveFrames } from './frames.ts'

/** A little of `npm run npu`. */
const npu = suite('npu')

testWithSim(npu, 'whatever the NPU does, each answer belongs to its request', async () => {
  const { violations, facts } = await proveFrames({ seed: 1, frames: 100, isSample: true })
  console.log(facts.join('\n'))
  assert.equal(violations, [])
})

npu.run()

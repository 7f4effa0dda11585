// @timeout 300s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPlan } from './plan.ts'
import { plotSoak } from './plot.ts'
import { toReport } from './report.ts'
import { memoryForThree, soak } from './storm.ts'

const test = suite('soak')

test('the same seed gives the same plan, another one another', () => {
  const text = (seed: number) => JSON.stringify(createPlan(seed, 500))
  assert.is(text(1), text(1))
  assert.is.not(text(1), text(2))
  const { bursts } = createPlan(1, 500)
  assert.is(bursts.flatMap(({ requests }) => requests).length, 500)
})

test('200 requests of it: every answer is right, every refusal as documented, and nothing is left', async () => {
  const plan = createPlan(1, 200)
  const result = await soak({ plan, callers: 12, memory: memoryForThree, sampleEveryMs: 500 })
  assert.equal(result.violations, [])
  assert.is(result.answered.length, 200)
  const { answered, loads, evictions } = result
  // It would prove little if most were refused, or if there was no need.
  const served = answered.filter(({ code }) => code === 'ok').length
  assert.ok(served > 120, `${served} served`)
  assert.ok(loads >= 10 && evictions > 0, `${loads} loads, ${evictions} evictions`)
  assert.match(toReport(result), /200 requests in \d+ s/)
  assert.match(plotSoak(result, 'soak', 1), /^<svg[^]*<\/svg>\n$/)
})

test.run()

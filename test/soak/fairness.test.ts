// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { measure } from './fairness-case.ts'

const test = suite('fairness, measured')

test('who asks now and then waits no longer beside a flood than docs/scheduling.md says, and the flood goes on', async () => {
  const { waitsMs, longestMs, boundMs, floodPerSecond } = await measure(
    { name: 'equal priority', keepAlive: '-1' },
    4000,
  )
  assert.ok(waitsMs.length > 0 && longestMs <= boundMs, `${longestMs} ms, bound ${boundMs} ms`)
  // It was not there before, and had to wait for its turn.
  assert.ok(longestMs > 1000, `${longestMs} ms`)
  assert.ok(floodPerSecond > 5, `${floodPerSecond} requests/s`)
})

test.run()

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Stage } from './stage.ts'

/** What happens where the engine itself has no room, whatever the memory: the chip, above all. */
const outOfMemory = { outOfMemory: true, message: 'the chip has no memory left' }
const npu = { engine: 'hailort' }
const test = suite('full engine')

test('the one that was idle for longest goes, and the load is tried again', () => {
  const stage = new Stage({}, ...['a', 'b', 'c'].map((name) => ({ name, ...npu })), { name: 'd', ...npu })
  for (const name of ['a', 'b', 'c']) stage.resident(name)
  stage.wait(1000)
  stage.request('a')
  stage.release(1)
  stage.wait(1000)
  stage.request('d')
  assert.equal(stage.loadFailed(4, outOfMemory), ['kill #4 failed', 'kill #2 evicted'])
  assert.equal(stage.exited(4), [])
  assert.equal(stage.exited(2), ['load #5 d'])
  assert.equal(stage.loaded(5), ['grant 2 #5'])
  assert.equal(stage.notes, ['retrying d', 'evicted b'])
})

test('full again: one more goes, until it is alone; then it is a failure like any other', () => {
  const stage = new Stage({}, ...['a', 'b', 'c'].map((name) => ({ name, ...npu })))
  for (const name of ['a', 'b']) stage.resident(name)
  stage.wait(1000)
  stage.request('c')
  assert.equal(stage.loadFailed(3, outOfMemory), ['kill #3 failed', 'kill #1 evicted'])
  stage.exited(1)
  assert.equal(stage.exited(3), ['load #4 c'])
  assert.equal(stage.loadFailed(4, outOfMemory), ['kill #4 failed', 'kill #2 evicted'])
  stage.exited(2)
  assert.equal(stage.exited(4), ['load #5 c'])
  assert.equal(stage.loadFailed(5, outOfMemory), ['kill #5 failed', 'refuse 1 out_of_memory'])
  assert.is(stage.row('c').state, 'failed')
})

test('one that did not fit even alone costs nobody his place for ten minutes, save by order of the operator', () => {
  const stage = new Stage({}, { name: 'a', ...npu }, { name: 'big', ...npu })
  stage.request('big')
  assert.equal(stage.loadFailed(1, outOfMemory), ['kill #1 failed', 'refuse 1 out_of_memory'])
  stage.exited(1)
  stage.resident('a')
  stage.wait(1000)
  stage.request('big')
  assert.equal(stage.loadFailed(3, outOfMemory), ['kill #3 failed', 'refuse 2 out_of_memory'])
  stage.exited(3)
  stage.load('big')
  assert.equal(stage.loadFailed(4, outOfMemory), ['kill #4 failed', 'kill #2 evicted'])
})

test('ten minutes later it is given another try on its own: what was in its way may be gone', () => {
  const stage = new Stage({}, { name: 'a', keepAliveMs: -1, ...npu }, { name: 'big', ...npu })
  stage.request('big')
  stage.loadFailed(1, outOfMemory)
  stage.exited(1)
  stage.resident('a')
  stage.wait(10 * 60_000)
  assert.equal(stage.request('big'), ['load #3 big'])
  assert.equal(stage.loadFailed(3, outOfMemory), ['kill #3 failed', 'kill #2 evicted'])
})

test('what is on another engine keeps its place, be it idle for ever so long', () => {
  const stage = new Stage({}, { name: 'cpu', keepAliveMs: -1 }, { name: 'a', ...npu }, { name: 'd', ...npu })
  stage.resident('cpu')
  stage.wait(50_000)
  stage.resident('a')
  stage.wait(1000)
  stage.request('d')
  assert.equal(stage.loadFailed(3, outOfMemory), ['kill #3 failed', 'kill #2 evicted'])
  stage.exited(2)
  stage.exited(3)
  assert.equal(stage.loadFailed(4, outOfMemory), ['kill #4 failed', 'refuse 1 out_of_memory'])
  assert.is(stage.row('cpu').state, 'ready')
})

test('nothing else on the engine, or pinned ones only: a failure at once', () => {
  const stage = new Stage({}, { name: 'a', pin: true, ...npu }, { name: 'c' }, { name: 'd', ...npu })
  stage.resident('a')
  stage.resident('c')
  stage.wait(5000)
  stage.request('d')
  assert.equal(stage.loadFailed(3, outOfMemory), ['kill #3 failed', 'refuse 1 out_of_memory'])
})

test('who waits for a full engine is told by name, and so is who goes', () => {
  const stage = new Stage({}, { name: 'a', ...npu }, { name: 'd', ...npu })
  stage.resident('a')
  stage.wait(1000)
  stage.request('d')
  stage.loadFailed(2, outOfMemory)
  const notes = stage.effects.filter((effect) => effect.type === 'note').map(({ message }) => message)
  assert.equal(notes, [
    'There is no room for d on the NPU beside a: it is tried again with one fewer.',
    'Makes room for d, for which the NPU was full.',
  ])
})

test('beside a busy isolate: waits until that is idle', () => {
  const stage = new Stage({}, { name: 'a', ...npu }, { name: 'd', ...npu })
  stage.resident('a')
  stage.request('a')
  stage.wait(1000)
  stage.request('d')
  assert.equal(stage.loadFailed(2, outOfMemory), ['kill #2 failed'])
  assert.equal(stage.exited(2), [])
  assert.equal(stage.release(1), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #3 d'])
})

test('beside a flood: closes it as any starving deployment does, and nothing is loaded on that engine meanwhile', () => {
  const stage = new Stage({ starvingAfterMs: 2000 }, { name: 'a', ...npu }, { name: 'd', ...npu }, { name: 'c' })
  stage.resident('a')
  stage.request('a')
  stage.request('a')
  stage.request('d')
  stage.loadFailed(2, outOfMemory)
  stage.exited(2)
  stage.wait(2000)
  assert.equal(stage.release(1), ['kill #1 evicted'])
  assert.equal(stage.exited(1), ['load #3 d'])
  assert.equal(stage.request('a'), [], 'nothing is loaded beside the second try')
  assert.equal(stage.request('c'), ['load #4 c'], 'save elsewhere')
  assert.equal(stage.loaded(3), ['grant 3 #3', 'load #5 a'])
})

test('beside two floods: one of them is enough', () => {
  const stage = new Stage(
    { starvingAfterMs: 2000 },
    { name: 'a', ...npu },
    { name: 'b', ...npu },
    { name: 'd', ...npu },
  )
  for (const name of ['a', 'b']) {
    stage.resident(name)
    stage.request(name)
  }
  stage.request('d')
  stage.loadFailed(3, outOfMemory)
  stage.exited(3)
  stage.wait(2000)
  assert.equal([stage.row('a').state, stage.row('b').state], ['draining', 'ready'])
})

test('the time that the load took counts as waiting', () => {
  const stage = new Stage({ starvingAfterMs: 2000 }, { name: 'a', ...npu }, { name: 'd', ...npu })
  stage.resident('a')
  stage.wait(1000)
  stage.request('a')
  stage.request('d')
  stage.wait(1500)
  stage.loadFailed(2, outOfMemory)
  stage.wait(499)
  assert.is(stage.row('a').state, 'ready')
  stage.wait(1)
  assert.is(stage.row('a').state, 'draining')
})

test.run()

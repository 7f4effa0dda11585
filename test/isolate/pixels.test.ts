import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { release, type ParsedRequest } from '../../runtime/isolate/child/parse.ts'
import type { Pipeline } from '../../runtime/isolate/child/pipeline.ts'
import { runPipeline, type Loaded, type RequestScope } from '../../runtime/isolate/child/run.ts'
import { Turnstile } from '../../runtime/isolate/child/turnstile.ts'
import { builtinSteps } from '../../runtime/steps/index.ts'
import { step, type Step } from '../../runtime/steps/step.ts'
import { noise, png, requestOf } from '../steps/fixture-steps.ts'

const test = suite('pictures of several requests')
const limit = 2000
const seen: string[] = []
const bound = (name: string, one: Step) => ({ name, index: 0, step: one, options: {} })

function scopeOf(signal = new AbortController().signal): RequestScope {
  return { exchange: '1', phases: { receive: 0, pre: 0, wait: 0, infer: 0, post: 0 }, signal }
}

/** Notes when a picture of so many pixels gets past `image.decode`. */
async function begin(name: string, width: number, height: number, signal?: AbortSignal) {
  const note = step.image({ to: 'tensors' }, () => {
    seen.push(name)
    return {}
  })
  const request: ParsedRequest = { input: requestOf(await png(noise(width, height))), options: [] }
  const pre = [bound('image.decode', builtinSteps['image.decode']!), bound('note', note)]
  const running = runPipeline(loaded, { pre, post: [] } as unknown as Pipeline, request, scopeOf(signal))
  const done = running.then(
    () => 'done',
    (error: Error) => error.name,
  )
  return { request, done }
}

const loaded = {
  engine: { run: () => Promise.resolve({ outputs: {}, inferMs: 0 }) },
  pixels: limit,
  engineTurn: new Turnstile(9),
  pixelTurn: new Turnstile(limit),
} as unknown as Loaded

test('together they have limits.pixels: who comes too many waits until one is over', async () => {
  const first = await begin('first', 40, 30)
  assert.is(await first.done, 'done')
  const left = new AbortController()
  const gone = await begin('gone', 40, 30, left.signal)
  const third = await begin('third', 40, 30)
  left.abort()
  // Its answer is still made, and its pixels still there.
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(seen, ['first'])
  release(first.request)
  assert.is(await gone.done, 'AbortError', 'nothing is decoded for who has left')
  release(gone.request)
  assert.is(await third.done, 'done')
  release(third.request)
  assert.equal(seen, ['first', 'third'])
})

test('what is refused holds nothing', async () => {
  const large = await begin('large', 50, 50)
  assert.is(await large.done, 'Error')
  release(large.request)
  const whole = await begin('whole', 40, 50)
  assert.is(await whole.done, 'done')
  release(whole.request)
})

test.run()

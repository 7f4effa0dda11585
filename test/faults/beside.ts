import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { RunningPellet } from '../support/pellet.ts'

/**
 * Lets a fault happen beside the healthy deployment `steady`, which is asked all the while: it must answer every time,
 * from the same process, loaded once.
 */
export async function besideSteady(pellet: RunningPellet, fault: () => Promise<void>): Promise<void> {
  const { pid } = await expectOk(await pellet.post('/v1/steady', {}))
  const before = await pellet.row('steady')
  const over = new AbortController()
  const asking = (async () => {
    while (!over.signal.aborted) {
      assert.is((await expectOk(await pellet.post('/v1/steady', {}))).pid, pid)
      await pause(25)
    }
  })()
  try {
    await fault()
  } finally {
    over.abort()
    await asking
  }
  const after = await pellet.row('steady')
  assert.is(after.pid, before.pid)
  assert.is(after.loads, before.loads)
  assert.is(after.crashes, 0)
}

/** The answer of a function that works. */
export async function expectOk(answer: Response): Promise<{ ok: true; pid: number }> {
  const text = await answer.text()
  assert.is(answer.status, 200, text)
  return JSON.parse(text) as { ok: true; pid: number }
}

/** A call that the caller itself gave up. */
export async function expectLeft(call: Promise<Response>): Promise<void> {
  const how = await call.then(
    ({ status }) => `answered with ${status}`,
    (error: Error) => error.name,
  )
  assert.match(how, /^(AbortError|TimeoutError)$/)
}

export interface ExpectedError {
  status: number
  code: string
  message?: RegExp
  /** The answer must say when to try again; absent: it must not. */
  isRetryable?: boolean
  requestId?: string
}

/** An error in Pellet's own shape, with the headers that go with it. */
export async function expectError(answer: Response, expected: ExpectedError): Promise<void> {
  const { status, code, message = /./, isRetryable = false, requestId } = expected
  const text = await answer.text()
  assert.is(answer.status, status, text)
  assert.is(answer.headers.get('content-type'), 'application/json')
  assert.is(answer.headers.get('x-pellet-error'), code, text)
  const { error } = JSON.parse(text) as { error: Record<string, unknown> }
  assert.is(error['code'], code)
  assert.is(error['status'], status)
  assert.match(String(error['message']), message)
  assert.is(error['request_id'], answer.headers.get('x-request-id'))
  if (requestId !== undefined) assert.is(error['request_id'], requestId)
  const retryAfter = answer.headers.get('retry-after')
  if (isRetryable) assert.match(String(retryAfter), /^[1-9]\d*$/)
  else assert.is(retryAfter, null)
}

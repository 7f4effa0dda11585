import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import { CalleeError, createCallClient } from '../../runtime/isolate/child/call-client.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'

const test = suite('a call to another deployment')

const socketPath = join(temporaryFolder(), 'calls.sock')
const answer = serialize([{ embedding: new Float32Array(4000) }])
/** Main, as it is when the callee's process ends after half of its answer, or goes on for ever. */
const server = createServer((req, res) => {
  req.resume()
  res.writeHead(200, { 'content-length': answer.length })
  if (req.url === '/whole') return void res.end(answer)
  res.write(answer.subarray(0, answer.length / 2), () => {
    if (req.url === '/dying') res.destroy()
    else leaving.abort(new Error('the caller left'))
  })
})
const leaving = new AbortController()
test.before(() => new Promise<void>((resolve) => void server.listen(socketPath, resolve)))
test.after(() => void server.closeAllConnections())
test.after(() => void server.close())

const call = (deployment: string, { signal } = new AbortController()) =>
  createCallClient(socketPath)(deployment, undefined, [{}] as never, { exchange: '1', signal }).then(
    (values) => ({ values, error: undefined }),
    (error: Error) => ({ values: undefined, error }),
  )

test('gives the values of the answer', async () => {
  assert.equal((await call('whole')).values, [{ embedding: new Float32Array(4000) }])
})

test('whose answer breaks off is a crash of the callee, and worth another try', async () => {
  const { error } = await call('dying')
  assert.instance(error, CalleeError)
  const { code, status, message, retryAfterMs } = error as CalleeError
  assert.equal([code, status, retryAfterMs], ['isolate_crashed', 503, 1000])
  assert.match(message, /^dying: .* in the middle of its answer/)
})

test('whose own caller leaves meanwhile is no crash', async () => {
  const { error } = await call('endless', leaving)
  assert.not.instance(error, CalleeError)
})

test.run()

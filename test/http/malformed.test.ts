import { createServer, type Server } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerMalformed } from '../../runtime/http/malformed.ts'
import { RawConnection } from './raw.ts'
import { listen } from '../support/ports.ts'

const test = suite('what is no HTTP')
let server: Server
let url: string

test.before(async () => {
  server = createServer({ headersTimeout: 100, connectionsCheckingInterval: 20 }, (_req, res) => {
    res.writeHead(200, { 'content-length': 10 })
    res.write('half ')
  })
  answerMalformed(server, () => 'pellet')
  url = await listen(server)
})
test.after(() => {
  server.close()
  server.closeAllConnections()
})

test('headers that do not end in time are 408, and the connection closes', async () => {
  const connection = new RawConnection(url)
  await connection.send('GET / HTTP/1.1\r\nhost: x\r\nslow: ')
  const { status, headers, json } = await connection.answer()
  assert.is(status, 408)
  assert.is(headers.connection, 'close')
  assert.is(json.error.status, 408)
  assert.is(json.error.request_id, headers['x-request-id'])
  await connection.closed
})

test('a caller who goes on sending still reads why it was refused', async () => {
  const connection = new RawConnection(url)
  for (let part = 0; part < 50; part++) await connection.send('x'.repeat(10_000))
  assert.is((await connection.answer()).status, 400)
  await connection.closed
})

test('an answer that has begun is not talked over', async () => {
  const connection = new RawConnection(url)
  await connection.send('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  await new Promise<void>((resolve) => connection.socket.once('data', () => resolve()))
  await connection.send('nope\r\n')
  await connection.closed
  const answer = await connection.answer().catch((error: Error) => error)
  assert.instance(answer, Error, 'the answer is cut off')
  assert.match((answer as Error).message, /half $/)
})

test('bytes that come while nobody listens any more do no harm', async () => {
  const connection = new RawConnection(url)
  await connection.send('nonsense\r\n\r\n')
  connection.socket.resetAndDestroy()
  await connection.closed
  const next = new RawConnection(url)
  await next.send('more nonsense\r\n\r\n')
  assert.is((await next.answer()).status, 400)
  next.end()
})

test.run()

// @timeout 90s
// @alone
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { request, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { rssOf } from '../support/process.ts'
import { withPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { callJson } from '../http/raw.ts'

const test = suite('memory of main under a batch')
const mega = 2 ** 20

test('200 pictures of half a megabyte each way pass through main without growing it by them', async () => {
  const project = {
    'models/identity.onnx': identityModel(),
    'functions/mirror.ts': answering('return { image: request.fields.image }'),
  }
  await withPellet(project, [], async (pellet) => {
    const image = 'A'.repeat(mega / 2)
    // The first megabytes grow the buffers that stay.
    for (let i = 0; i < 10; i++) await callJson(`${pellet.url}/v1/mirror`, { image })
    const before = rssOf(pellet.pid)
    let peak = before
    const timer = setInterval(() => (peak = Math.max(peak, rssOf(pellet.pid))), 5)
    const headers = { 'content-type': 'application/x-ndjson' }
    const req = request(`${pellet.url}/f/mirror/batch`, { method: 'POST', headers })
    const answered = new Promise<IncomingMessage>((resolve, reject) => req.on('response', resolve).on('error', reject))
    let sent = 0
    const send = (): void => {
      while (sent < 200) if (!req.write(`{"image":"${image}","n":${sent++}}\n`)) return void req.once('drain', send)
      req.end()
    }
    send()
    let lines = 0
    for await (const line of createInterface({ input: await answered })) {
      assert.ok(line.startsWith(`{"index":${lines++},"status":200,"answer":{"image":"AAA`), line.slice(0, 100))
    }
    clearInterval(timer)
    assert.is(lines, 200)
    // 100 MB each way. What was passed on is garbage until V8 next collects.
    assert.ok(peak - before < 60 * mega, `main grew by ${Math.round((peak - before) / mega)} MB`)
  })
})

test.run()

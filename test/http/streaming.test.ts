// @timeout 90s
// @alone
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { request } from 'node:http'
import { rssOf } from '../support/process.ts'
import { withPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { call } from './raw.ts'

const test = suite('large bodies')
const mega = 2 ** 20

for (const way of ['with a length', 'in chunks'])
  test(`50 MB ${way} stream through main without growing it by them`, async () => {
    const project = {
      'models/identity.onnx': identityModel(),
      'functions/swallow.ts': answering('return { bytes: request.files.image.bytes.length }'),
    }
    await withPellet(project, [], async (pellet) => {
      const url = `${pellet.url}/v1/swallow`
      // The first megabytes grow the buffers that stay.
      for (let i = 0; i < 5; i++) await call(url, { body: Buffer.alloc(4 * mega, 1) })
      const before = rssOf(pellet.pid)
      let peak = before
      const timer = setInterval(() => (peak = Math.max(peak, rssOf(pellet.pid))), 5)
      const total = 50 * mega
      const bytes = await new Promise<number>((resolve, reject) => {
        const headers = { 'content-type': 'image/png', ...(way === 'with a length' && { 'content-length': total }) }
        const req = request(url, { method: 'POST', headers })
        req.on('error', reject)
        req.on('response', async (res) => {
          let text = ''
          for await (const chunk of res) text += String(chunk)
          resolve(JSON.parse(text).bytes)
        })
        const part = Buffer.alloc(mega, 1)
        let sent = 0
        const send = () => {
          while (sent < total) {
            sent += mega
            if (!req.write(part)) return void req.once('drain', send)
          }
          req.end()
        }
        send()
      })
      clearInterval(timer)
      assert.is(bytes, total)
      // What was passed on is garbage until V8 next collects, about 30 MB of it; a body that is gathered is 50 and more.
      assert.ok(peak - before < 40 * mega, `main grew by ${Math.round((peak - before) / mega)} MB`)
      assert.is(await pellet.stop(), 0)
    })
  })

test.run()

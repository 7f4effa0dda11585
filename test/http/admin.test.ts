import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { request } from 'node:http'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { RunningPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'

const test = suite('/api on the unix socket')
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/plain.ts': answering('return { plain: true }'),
    'functions/sad.ts': answering('return {}', {
      head: `if (!process.argv[1].includes('describe')) throw new Error('no such luck')`,
    }),
  })
})
test.after(async () => {
  await pellet?.stop()
})

function ask(method: string, path: string) {
  const socketPath = join(pellet.folder, '.pellet/pellet.sock')
  return new Promise<{ status: number; allow: string | undefined; json: any }>((resolve, reject) => {
    const req = request({ socketPath, method, path }, (res) => {
      buffer(res).then((bytes) => {
        const json = bytes.length > 0 ? JSON.parse(String(bytes)) : undefined
        resolve({ status: res.statusCode!, allow: res.headers.allow, json })
      }, reject)
    })
    req.on('error', reject).end()
  })
}

test('socket and folder are their owner’s alone', () => {
  assert.is(statSync(join(pellet.folder, '.pellet/pellet.sock')).mode & 0o777, 0o600)
  assert.is(statSync(join(pellet.folder, '.pellet')).mode & 0o777, 0o700)
  assert.is(statSync(join(pellet.folder, '.pellet/run')).mode & 0o777, 0o700)
})

test('it lists, loads and unloads', async () => {
  assert.equal(
    (await ask('GET', '/api/deployments')).json.map(({ name }: { name: string }) => name),
    ['plain', 'sad'],
  )
  const loaded = await ask('POST', '/api/deployments/plain/load')
  assert.equal([loaded.status, loaded.json.state, loaded.json.loads], [200, 'ready', 1])
  assert.ok(loaded.json.pid > 0)
  assert.is((await ask('POST', '/api/deployments/plain/load')).json.loads, 1, 'once is enough')
  assert.is((await ask('POST', '/api/deployments/plain/unload')).status, 200)
  assert.is((await ask('GET', '/api/ps')).json.length, 2)
})

test('a load that fails is 503 with the reason, and tried again when asked again', async () => {
  for (let round = 0; round < 2; round++) {
    const { status, json } = await ask('POST', '/api/deployments/sad/load')
    assert.is(status, 503)
    assert.is(json.error.code, 'load_failed')
    assert.match(json.error.message, 'no such luck')
  }
})

test('functions and health answer there too', async () => {
  assert.equal((await ask('POST', '/v1/plain')).json, { plain: true })
  assert.equal((await ask('POST', '/f/plain')).json, { plain: true })
  assert.is((await ask('GET', '/health')).status, 200)
})

const wrong: [method: string, path: string, status: number, allow?: string][] = [
  ['POST', '/api/deployments/nobody/load', 404],
  ['POST', '/api/deployments/%6eobody/unload', 404],
  ['GET', '/api/nothing', 404],
  ['GET', '/api', 404],
  ['HEAD', '/api/ps', 405, 'GET'],
  ['DELETE', '/api/ps', 405, 'GET'],
  ['POST', '/api/deployments', 405, 'GET'],
  ['GET', '/api/deployments/plain/load', 405, 'POST'],
  ['HEAD', '/api/deployments/plain/unload', 405, 'POST'],
]
for (const [method, path, status, allow] of wrong)
  test(`${method} ${path} is ${status}`, async () => {
    const answer = await ask(method, path)
    assert.is(answer.status, status)
    assert.is(answer.allow, allow)
  })

test.run()

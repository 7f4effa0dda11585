// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createGate, type Gate } from '../http/gate.ts'
import { call } from '../http/raw.ts'
import { accepted, later, resultOf } from './jobs.ts'
import { listen } from '../support/ports.ts'

const test = suite('jobs and the end of the process')
let gate: Gate
let folder: string
let pellet: RunningPellet
let finished: string

const start = async () => (pellet = await RunningPellet.start(folder))

test.before(async () => {
  gate = await createGate()
  const waits = `
    const { who, size } = request.fields
    if (who) await fetch('${gate.url}?who=' + who)
    if (request.fields.callback) throw new Error('the callback is not the function’s business')
    return size ? Buffer.alloc(size, 7) : { who }`
  folder = createProject({
    'models/identity.onnx': identityModel(),
    'pellet.yaml': 'grace: 20s\nresults_max: 5MB\nallow_urls: 127.0.0.1\n',
    'functions/slow.ts': answering(waits, { manifest: `limits: { concurrency: 1 }, errors: 'text'` }),
  })
  await start()
})
test.after(async () => {
  gate.close()
  await pellet.stop('SIGKILL')
})

test('a stop lets accepted jobs and open batches finish, also those that only wait; their results are there after it', async () => {
  const url = `${pellet.url}/v1/slow`
  finished = await accepted(url, { size: 2_000_000 })
  await resultOf(pellet.url, finished)
  const running = await accepted(url, { who: 'running' })
  await gate.waiting(1)
  const waiting = await accepted(url, { who: 'waiting' })
  const headers = { 'content-type': 'application/x-ndjson' }
  const batch = call(`${pellet.url}/f/slow/batch`, { headers, body: '{"who":"one"}\n{"who":"two"}' })
  const many = await call(`${pellet.url}/f/slow/batch`, { headers: { ...headers, ...later }, body: '{}\n{}' })
  const ended = pellet.stop()
  await pellet.logged(({ msg }) => msg.startsWith('stopping'))
  gate.open(true)
  assert.is((await batch).text.trimEnd().split('\n').length, 2)
  assert.is(await ended, 0)
  gate.open(false)
  await start()
  for (const [location, who] of [
    [running, 'running'],
    [waiting, 'waiting'],
  ] as const) {
    const { status, json } = await resultOf(pellet.url, location)
    assert.is(status, 200)
    assert.equal(json, { who })
  }
  assert.is((await resultOf(pellet.url, many.headers.location!)).text.split('"status":200').length, 3)
  const { text } = await resultOf(pellet.url, finished)
  assert.ok(text === Buffer.alloc(2_000_000, 7).toString())
})

test('what a killed process was at is answered with an error that says so, in the deployment’s shape', async () => {
  const url = `${pellet.url}/v1/slow`
  const running = await accepted(url, { who: 'running' }, { 'x-request-id': 'lost' })
  await gate.waiting(1)
  const waiting = await accepted(url, { who: 'waiting' })
  await pellet.stop('SIGKILL')
  await gate.waiting(0)
  await start()
  for (const location of [running, waiting]) {
    const { status, headers, json } = await resultOf(pellet.url, location)
    assert.is(status, 503)
    assert.is(headers['x-pellet-error'], 'job_interrupted')
    assert.is(headers['x-pellet-job'], 'done')
    assert.match(json.error, 'send the request again')
  }
  assert.is((await resultOf(pellet.url, running)).headers['x-request-id'], 'lost')
  assert.is((await resultOf(pellet.url, finished)).status, 200)
})

test('beyond results_max the oldest goes; an answer that is larger than that alone is an error', async () => {
  const url = `${pellet.url}/v1/slow`
  const second = await accepted(url, { size: 2_000_000 })
  assert.is((await resultOf(pellet.url, second)).status, 200)
  assert.is((await resultOf(pellet.url, finished)).status, 200, 'both fit')
  const third = await accepted(url, { size: 2_000_000 })
  assert.is((await resultOf(pellet.url, third)).status, 200)
  assert.is((await resultOf(pellet.url, finished)).status, 404)
  const huge = await resultOf(pellet.url, await accepted(url, { size: 6_000_000 }))
  assert.is(huge.status, 413)
  assert.match(huge.json.error, '5 MB (results_max)')
  assert.is((await resultOf(pellet.url, third)).status, 200)
})

test('where URLs are allowed the answer is sent to whoever wants it, again when that fails; other addresses are refused', async () => {
  const seen: { headers: IncomingHttpHeaders; url: string; body: Buffer }[] = []
  const receiver = createServer(async (req, res) => {
    seen.push({ headers: req.headers, url: req.url!, body: await buffer(req) })
    res.writeHead(seen.length === 1 ? 500 : 204).end()
  })
  const to = `${await listen(receiver)}/done?x=1`
  const location = await accepted(`${pellet.url}/v1/slow?callback=${encodeURIComponent(to)}`, { size: 2_000_000 })
  await pellet.logged(({ msg }) => /expected a status of 200 to 299, found 500; tried again in 1 s/.test(msg))
  await pellet.logged(({ msg }) => msg.includes('the result was sent to 127.0.0.1'))
  receiver.close()
  assert.is(seen.length, 2)
  for (const { headers, url, body } of seen) {
    assert.is(url, '/done?x=1')
    assert.is(headers['x-pellet-status'], '200')
    assert.is(headers['x-pellet-result'], location)
    assert.is(headers['content-type'], 'application/octet-stream')
    assert.ok(body.equals(Buffer.alloc(2_000_000, 7)))
  }
  for (const url of ['http://127.0.0.2/', 'http://169.254.169.254/', 'file:///etc/passwd', '']) {
    const answer = await call(`${pellet.url}/v1/slow?callback=${encodeURIComponent(url)}`, { headers: later })
    assert.is(answer.status, 400, url)
    assert.is(answer.headers['x-pellet-error'], 'url_input_refused')
  }
})

test.run()

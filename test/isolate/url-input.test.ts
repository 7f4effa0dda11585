import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer, type Server } from 'node:http'
import sharp from 'sharp'
import { callJson } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { colourModel } from '../deployments/tiny.ts'
import { listen } from '../support/ports.ts'

const test = suite('image_url, where allow_urls names the network')
const steps = 'model: { onnx: colour.onnx }\npre: [image.decode, image.resize, tensor]\npost: [argmax]\n'
let pellet: RunningPellet
let server: Server
let base: string

test.before(async () => {
  const blue = await sharp({ create: { width: 20, height: 20, channels: 3, background: '#0000ff' } })
    .jpeg()
    .toBuffer()
  server = createServer((req, res) => {
    if (req.url === '/blue.jpg') res.end(blue)
    else if (req.url === '/text') res.end('no picture')
    else if (req.url === '/large') res.end(Buffer.alloc(20_000, 1))
    else if (req.url === '/moved') res.writeHead(301, { location: 'http://169.254.169.254/' }).end()
    else if (req.url !== '/silent') res.writeHead(404).end()
  })
  base = await listen(server)
  pellet = await RunningPellet.start({
    'pellet.yaml': 'allow_urls: [127.0.0.1/32]\n',
    'models/colour.onnx': colourModel(),
    'manifests/colour.yaml': `${steps}limits: { body: 10KB }\n`,
    'manifests/hurry.yaml': `${steps}preload: true\nlimits: { timeout: 3s }\n`,
  })
})
test.after(async () => {
  server.closeAllConnections()
  server.close()
  await pellet?.stop()
})

const ask = (url: string, path = '/v1/colour') => callJson(pellet.url + path, { image_url: base + url })

test('the picture is fetched', async () => {
  const { status, json } = await ask('/blue.jpg')
  assert.is(status, 200)
  assert.is(json.index, 2)
  const byQuery = await callJson(`${pellet.url}/v1/colour?image_url=${encodeURIComponent(`${base}/blue.jpg`)}`, {})
  assert.is(byQuery.json.index, 2)
})

const refused: [url: string, status: number, code: string, message: string][] = [
  ['/nothing', 400, 'url_input_refused', '404'],
  ['/text', 400, 'invalid_image', 'image'],
  ['/large', 413, 'payload_too_large', 'image_url'],
  ['/moved', 400, 'url_input_refused', '169.254.169.254'],
]
for (const [url, status, code, message] of refused)
  test(`${url} is ${code}`, async () => {
    const answer = await ask(url)
    assert.is(answer.status, status)
    assert.is(answer.json.error.code, code)
    assert.match(answer.json.error.message, message)
  })

test('other addresses are refused, metadata ones always', async () => {
  for (const url of ['http://127.0.0.2/', 'http://10.0.0.1/', 'http://[::1]/', 'http://169.254.169.254/latest/']) {
    const { status, json } = await callJson(`${pellet.url}/v1/colour`, { image_url: url })
    assert.is(status, 400, url)
    assert.is(json.error.code, 'url_input_refused')
  }
})

test('a server that says nothing costs the deadline of the request, no more', async () => {
  assert.is((await ask('/blue.jpg', '/v1/hurry')).status, 200)
  const { status, json } = await ask('/silent', '/v1/hurry')
  assert.is(status, 504)
  assert.is(json.error.code, 'deadline_exceeded')
})

test.run()

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGate } from '../http/gate.ts'
import { call, type Answer, type Call } from '../http/raw.ts'
import { RunningPellet, withPellet } from '../support/pellet.ts'
import { freePorts } from '../support/ports.ts'
import { projectRoot } from '../support/root.ts'
import { assertShape, boolean, integer, number, orNull, sample, shipped, switchedOn, text } from './contract.ts'

const test = suite('hailo-depth')
const route = '/v1/depth/estimate'
const json = { 'content-type': 'application/json' }
const room = await sharp(sample('room_1.jpg')).resize(200, 150).jpeg().toBuffer()
let pellet: RunningPellet
let own = ''

test.before(async () => {
  const [port] = await freePorts(1)
  pellet = await RunningPellet.start({ ...shipped('depth'), 'manifests/depth.yaml': switchedOn('depth', [port!]) })
  own = `http://127.0.0.1:${port}`
})
test.after(async () => {
  await pellet.stop()
})

const health = {
  status: 'ok',
  service: 'hailo-depth',
  model: text,
  model_type: 'monocular',
  model_loaded: boolean,
  last_error: orNull(text),
  inference_count: integer,
  uptime_seconds: number,
}

test('GET /health, before its model is loaded and after', async () => {
  const before = await get('/health')
  assertShape(before, { ...health, model_loaded: false, inference_count: 0, last_error: null })
  await estimate({ image: room.toString('base64') })
  const after = await get('/health')
  assertShape(after, { ...health, model_loaded: true, inference_count: 1, last_error: null })
  assert.ok(after.uptime_seconds >= before.uptime_seconds)
  await call(own + route, { headers: json, body: '{}' })
  assert.is((await get('/health')).inference_count, 1, 'a refused request is no inference')
})

test('GET /health/ready: what loads on demand is ready when it is deployed', async () => {
  assert.equal(await get('/health/ready'), { ready: true })
})

test('GET /v1/info', async () => {
  assertShape(await get('/v1/info'), {
    service: 'hailo-depth',
    version: text,
    model: { name: 'starter-depth', type: 'monocular', loaded: boolean },
    capabilities: {
      monocular: true,
      stereo: boolean,
      output_formats: ['numpy', 'image', 'both', 'depth_png_16'],
      colormaps: ['viridis', 'plasma', 'magma', 'turbo', 'jet'],
    },
  })
})

test('GET /v1/models', async () => {
  assertShape(await get('/v1/models'), { models: [{ name: 'starter-depth', type: 'monocular', description: text }] })
})

test('the same health routes stand on the main port under its name', async () => {
  for (const path of ['/health', '/health/ready', '/v1/info', '/v1/models']) {
    const { status } = await call(`${pellet.url}/f/depth${path}`, { method: 'GET' })
    assert.is(status, 200, path)
  }
})

const formats = {
  numpy: ['depth_map'],
  image: ['depth_image'],
  both: ['depth_map', 'depth_image'],
  depth_png_16: ['depth_png_16'],
}
for (const [format, keys] of Object.entries(formats))
  test(`POST ${route} with output_format ${format} has ${keys.join(' and ')}, and no other`, async () => {
    for (const base of [own, pellet.url]) {
      const answer = await estimate({ image: room.toString('base64'), output_format: format }, base)
      assertShape(answer, {
        model: 'starter-depth',
        model_type: 'monocular',
        input_shape: [150, 200, 3],
        depth_shape: [150, 200],
        inference_time_ms: number,
        normalized: true,
        stats: { min: number, max: number, mean: number, p95: number },
        ...Object.fromEntries(keys.map((key) => [key, text])),
      })
      for (const key of ['depth_map', 'depth_image', 'depth_png_16']) assert.is(key in answer, keys.includes(key), key)
      const { min, mean, p95, max } = answer.stats
      assert.ok(min <= mean && mean <= p95 && p95 <= max, JSON.stringify(answer.stats))
    }
  })

test('the pictures are PNG: 8 bit RGB, and 16 bit grey', async () => {
  const { depth_image } = await estimate({ image: room.toString('base64'), output_format: 'image' })
  const { depth_png_16 } = await estimate({ image: room.toString('base64'), output_format: 'depth_png_16' })
  const colours = await sharp(Buffer.from(depth_image, 'base64')).metadata()
  assert.equal(
    [colours.format, colours.width, colours.height, colours.channels, colours.depth],
    ['png', 200, 150, 3, 'uchar'],
  )
  const grey = await sharp(Buffer.from(depth_png_16, 'base64')).metadata()
  assert.equal([grey.format, grey.width, grey.height, grey.channels, grey.depth], ['png', 200, 150, 1, 'ushort'])
})

const load = `
import sys, io, base64, json, numpy
depth = numpy.load(io.BytesIO(base64.b64decode(json.load(sys.stdin)['depth_map'])))
assert depth.files == ['depth'], depth.files
depth = depth['depth']
print(json.dumps([str(depth.dtype), list(depth.shape), float(depth.min()), float(depth.max())]))
`
const hasNumpy = spawnSync('python3', ['-c', 'import numpy']).status === 0
if (!hasNumpy) console.log('python3 with numpy is absent: numpy.load is not tried')
;(hasNumpy ? test : test.skip)('numpy.load reads depth_map', async () => {
  const { text: input } = await post({ headers: json, body: JSON.stringify({ image: room.toString('base64') }) })
  const { stdout, stderr } = spawnSync('python3', ['-c', load], { input, encoding: 'utf8', maxBuffer: 2 ** 24 })
  assert.equal(JSON.parse(stdout || '0'), ['float32', [150, 200], 0, 1], stderr)
})

test('options are read from JSON, from a form as text, and from the query', async () => {
  const image = room.toString('base64')
  const options = { output_format: 'numpy', normalize: 'false', colormap: 'turbo' }
  const form = new FormData()
  form.append('image', new Blob([new Uint8Array(room)]), 'room.jpg')
  for (const [name, value] of Object.entries(options)) form.append(name, value)
  const written = new Response(form)
  const answers = [
    await estimate({ image, ...options, normalize: false }),
    (
      await post({
        headers: { 'content-type': written.headers.get('content-type')! },
        body: Buffer.from(await written.arrayBuffer()),
      })
    ).json,
    (
      await call(`${own}${route}?${new URLSearchParams(options)}`, {
        headers: { 'content-type': 'image/jpeg' },
        body: room,
      })
    ).json,
  ]
  for (const answer of answers) {
    assert.is(answer.normalized, false)
    assert.is(answer.depth_image, undefined)
    assert.is(answer.depth_map, answers[0].depth_map)
  }
})

test('each colormap gives another picture', async () => {
  const image = room.toString('base64')
  const pictures = new Set<string>()
  for (const colormap of ['viridis', 'plasma', 'magma', 'turbo', 'jet'])
    pictures.add((await estimate({ image, output_format: 'image', colormap })).depth_image)
  assert.is(pictures.size, 5)
})

test('shapes are those of the picture as shown', async () => {
  const turned = await sharp(room).withMetadata({ orientation: 6 }).jpeg().toBuffer()
  const { json: answer } = await post({ headers: { 'content-type': 'image/jpeg' }, body: turned })
  assert.equal(
    [answer.input_shape, answer.depth_shape],
    [
      [200, 150, 3],
      [200, 150],
    ],
  )
})

test('where the time went is in Server-Timing', async () => {
  const { headers } = await post({ headers: { 'content-type': 'image/jpeg' }, body: room })
  for (const part of ['pre', 'infer', 'post']) assert.match(headers['server-timing'] as string, `${part};dur=`)
})

test('while its preload runs it is not ready, and says so', async () => {
  const gate = await createGate()
  await withPreload(`if (inIsolate) await fetch('${gate.url}')`, async (url, slow) => {
    await gate.waiting(1)
    const { status, json: body } = await call(`${url}/health/ready`, { method: 'GET' })
    assert.is(status, 503)
    assert.equal(body, { ready: false, reason: 'model_loading' })
    assertShape((await call(`${url}/health`, { method: 'GET' })).json, { ...health, model_loaded: false })
    gate.open(true)
    await slow.rowWhen('depth', ({ state }) => state === 'ready')
    assert.equal((await call(`${url}/health/ready`, { method: 'GET' })).json, { ready: true })
  }).finally(() => gate.close())
})

test('after its preload failed it is not ready, and says why', async () => {
  await withPreload(`if (inIsolate) throw new Error('no such key')`, async (url, failed) => {
    await failed.logged(({ msg }) => msg.startsWith('load failed'))
    const { status, json: body } = await call(`${url}/health/ready`, { method: 'GET' })
    assert.is(status, 503)
    assert.equal(body, { ready: false, reason: 'load_failed' })
    const { last_error } = (await call(`${url}/health`, { method: 'GET' })).json
    assert.match(last_error, 'no such key')
    const answer = await call(url + route, { headers: { 'content-type': 'image/jpeg' }, body: room })
    assert.is(answer.status, 503)
    assertShape(answer.json, { error: { message: text, type: 'internal_error' } })
  })
})

test.run()

// --- internal ---

async function get(path: string): Promise<any> {
  const answer = await call(own + path, { method: 'GET' })
  assert.is(answer.status, 200, `${path}: ${answer.text}`)
  assert.match(answer.headers['content-type']!, /^application\/json/)
  return answer.json
}

function post(request: Call, base = own): Promise<Answer> {
  return call(base + route, request)
}

async function estimate(body: object, base = own): Promise<any> {
  const answer = await post({ headers: json, body: JSON.stringify(body) }, base)
  assert.is(answer.status, 200, answer.text)
  return answer.json
}

/** The shipped function with more code in its module, preloaded. */
async function withPreload(code: string, use: (url: string, pellet: RunningPellet) => Promise<void>): Promise<void> {
  const [port] = await freePorts(1)
  const source = readFileSync(join(projectRoot, 'functions/depth.ts'), 'utf8')
  const files = {
    ...shipped('depth'),
    'manifests/depth.yaml': `${switchedOn('depth', [port!])}\npreload: true\n`,
    'functions/depth.ts': `${source}\nconst inIsolate = !process.argv[1].includes('describe')\n${code}\n`,
  }
  await withPellet(files, [], (preloading) => use(`http://127.0.0.1:${port}`, preloading))
}

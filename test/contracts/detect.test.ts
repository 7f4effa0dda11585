import { Agent } from 'node:http'
import sharp from 'sharp'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, type Answer } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePorts } from '../support/ports.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import { assertShape, integer, listOf, matching, ownFile, switchedOn, text, within } from './contract.ts'

/** Clients of DeepStack: what they post is recorded from their sources, what they read of the answer too. */
const test = suite("DeepStack's clients")
const route = '/v1/vision/detection'
let pellet: RunningPellet | undefined
let own = ''
let street: Buffer
let frame: Buffer

test.before(async () => {
  const [model, picture] = [sharedData('models/yolox_nano.onnx'), sharedData('images/street_road1.jpg')]
  if (model === undefined) return
  const [port] = await freePorts(1)
  pellet = await RunningPellet.start({
    'functions/detect.ts': ownFile('functions/detect.ts'),
    'manifests/detect.yaml': switchedOn('detect', [port!]),
    'models/coco.txt': ownFile('models/coco.txt'),
    'models/yolox_nano.onnx': { from: model },
  })
  own = `http://127.0.0.1:${port}`
  street = await sharp(picture).jpeg().toBuffer()
  // Frigate cuts regions of this size out of the picture.
  frame = await sharp(picture).resize(320, 320, { fit: 'cover' }).jpeg().toBuffer()
  await pellet.rowWhen('detect', ({ state }) => state === 'ready')
})
test.after(async () => {
  await pellet?.stop()
})

const prediction = {
  label: text,
  confidence: within(0, 1),
  x_min: integer,
  y_min: integer,
  x_max: integer,
  y_max: integer,
}

/** `requests.post(url, data={"api_key": ...}, files={"image": bytes})`: every field is there, the key empty or not. */
function frigateForm(image: Buffer, apiKey = ''): { headers: Record<string, string>; body: Buffer } {
  return form('d74496d66958873e', [
    ['Content-Disposition: form-data; name="api_key"', apiKey],
    ['Content-Disposition: form-data; name="image"; filename="image"', image],
  ])
}

testWithShared(test, 'Frigate reads predictions, the surest first', async () => {
  for (const base of [own, pellet!.url]) {
    const { status, json } = await call(base + route, frigateForm(street, 'secret'))
    assert.is(status, 200)
    assertShape(json, { success: true, predictions: listOf(prediction) })
    assert.ok(json.predictions.length >= 5)
    assertOrdered(json.predictions)
    const { width, height } = await sharp(street).metadata()
    for (const { x_min, y_min, x_max, y_max } of json.predictions)
      assert.ok(0 <= x_min && x_min < x_max && x_max <= width && 0 <= y_min && y_min < y_max && y_max <= height)
    assert.is(json.predictions[0].label, 'car')
    assert.ok(json.predictions.length <= 20, 'Frigate has room for 20')
    assert.ok(json.predictions.at(-1).confidence >= 0.4, 'it stops at the first under 0.4')
  }
})

testWithShared(test, 'Frigate gets its answers within 100 ms, one after the other on one connection', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    const startedAt = performance.now()
    const { status } = await call(own + route, { ...frigateForm(frame), agent })
    times.push(performance.now() - startedAt)
    assert.is(status, 200)
  }
  agent.destroy()
  const median = times.toSorted((a, b) => a - b)[10]!
  console.log(`median ${median.toFixed(0)} ms, ${times.filter((ms) => ms > 100).length} of 20 later than 100 ms`)
  // The model alone takes 15 to 60 ms on one core; a machine that is shared may take a multiple of that.
  assert.ok(median < 400, `median ${median} ms`)
})

testWithShared(
  test,
  'a camera loop that does not wait: the newest picture is answered, one in between is given up',
  async () => {
    const loop = Array.from({ length: 12 }, () => call(own + route, frigateForm(frame)))
    const answers = await Promise.all(loop)
    const counts = { 200: 0, 429: 0 } as Record<number, number>
    for (const { status, json, headers } of answers) {
      counts[status] = (counts[status] ?? 0) + 1
      if (status !== 429) continue
      assertShape(json, { success: false, error: text })
      assert.ok(headers['retry-after'])
    }
    assert.is(counts[200]! + counts[429]!, 12, JSON.stringify(counts))
    assert.ok(counts[429]! >= 1, JSON.stringify(counts))
    assert.is(answers.at(-1)!.status, 200)
  },
)

testWithShared(test, 'Blue Iris and Home Assistant set min_confidence as a field of the form', async () => {
  for (const [value, least] of [
    ['0.40', 0.4],
    ['0.7', 0.7],
    ['0.99', 0.99],
    ['', 0.4],
  ] as const) {
    const { status, json } = await call(
      own + route,
      form('--------------------------5d5b', [
        ['Content-Disposition: form-data; name="image"; filename="snapshot.jpg"\r\nContent-Type: image/jpeg', street],
        ['Content-Disposition: form-data; name="min_confidence"', value],
      ]),
    )
    assert.is(status, 200)
    assertShape(json, { success: true, predictions: listOf(prediction) })
    for (const { confidence } of json.predictions) assert.ok(confidence >= least)
    assertOrdered(json.predictions)
  }
})

testWithShared(test, 'Agent DVR is written in .NET: names without quotes', async () => {
  const { status, json } = await call(
    own + route,
    form('"0f9e2f0c-77f4-4a52-8f0a-3c1c0a1f5d11"', [
      ['Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=min_confidence', '0.5'],
      ["Content-Disposition: form-data; name=image; filename=image.jpg; filename*=utf-8''image.jpg", street],
    ]),
  )
  assert.is(status, 200, JSON.stringify(json))
  assert.ok(json.predictions.length > 0)
})

testWithShared(test, 'nothing seen is an empty list and a success', async () => {
  const grey = await sharp({ create: { width: 320, height: 240, channels: 3, background: '#777' } })
    .jpeg()
    .toBuffer()
  const { status, json } = await call(own + route, frigateForm(grey))
  assert.is(status, 200)
  assert.equal(json, { success: true, predictions: [] })
})

testWithShared(test, 'errors are { success: false, error }, for every answer of the port', async () => {
  const picture = (bytes: string) => ['Content-Disposition: form-data; name="image"; filename="a"', bytes] as const
  const wrong: [number, RegExp, Promise<Answer>][] = [
    [400, /image/, call(own + route, form('x', [['Content-Disposition: form-data; name="api_key"', '']]))],
    [400, /picture|image/, call(own + route, form('x', [picture('hello')]))],
    [400, /image/, call(own + route)],
    [400, /content type/, call(own + route, { headers: { 'content-type': 'text/csv' }, body: 'a' })],
    [400, /min_confidence/, call(`${own + route}?min_confidence=2`, frigateForm(frame))],
    [404, /./, call(`${own}/v1/vision/face`, frigateForm(frame))],
    [405, /./, call(own + route, { method: 'GET' })],
  ]
  for (const [status, words, answer] of wrong) {
    const { status: found, json } = await answer
    assert.is(found, status, JSON.stringify(json))
    assertShape(json, { success: false, error: matching(words) })
  }
})

testWithShared(test, 'our own route says more of the same objects', async () => {
  const { json: brief } = await call(own + route, frigateForm(street))
  const { json } = await call(`${own}/v1/detect/objects`, frigateForm(street))
  assert.equal(
    json.objects.slice(0, brief.predictions.length).map(({ label }: { label: string }) => label),
    brief.predictions.map(({ label }: { label: string }) => label),
  )
})

test.run()

// --- internal ---

function form(boundary: string, parts: (readonly [head: string, body: string | Buffer])[]) {
  const pieces = parts.flatMap(([head, body]) => [`--${boundary.replaceAll('"', '')}\r\n${head}\r\n\r\n`, body, '\r\n'])
  const body = Buffer.concat(
    [...pieces, `--${boundary.replaceAll('"', '')}--\r\n`].map((one) => Buffer.from(one as string)),
  )
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body }
}

function assertOrdered(predictions: { confidence: number }[]): void {
  const scores = predictions.map(({ confidence }) => confidence)
  assert.equal(
    scores,
    scores.toSorted((a, b) => b - a),
  )
}

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseMetrics, valuesOf } from '../http/prometheus.ts'
import { call, callJson } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePorts } from '../support/ports.ts'
import { assertShape, sampleWindow, shipped, switchedOn, text } from './contract.ts'

const test = suite('pages of the old daemons')
const own: Record<string, string> = {}
let pellet: RunningPellet

test.before(async () => {
  const [depth, scrfd, ...tcn] = await freePorts(4)
  pellet = await RunningPellet.start({
    ...shipped('depth', 'scrfd', 'tcn'),
    'manifests/depth.yaml': switchedOn('depth', [depth!]),
    'manifests/scrfd.yaml': switchedOn('scrfd', [scrfd!]),
    'manifests/tcn.yaml': switchedOn('tcn', tcn),
  })
  for (const [name, port] of Object.entries({ depth, scrfd, tcn: tcn[1] })) own[name] = `http://127.0.0.1:${port}`
  await pellet.rowWhen('tcn', ({ state }) => state === 'ready')
})
test.after(async () => {
  await pellet.stop()
})

const paths = {
  depth: ['/health', '/health/ready', '/v1/depth/estimate', '/v1/info', '/v1/models'],
  scrfd: ['/health', '/v1/align', '/v1/detect'],
  tcn: ['/encode', '/healthz', '/infer', '/status', '/test'],
}
/** What every own port has beside them. */
const everywhere = new Set(['/', '/docs', '/openapi.json', '/metrics', '/results/{id}'])
for (const [name, expected] of Object.entries(paths))
  test(`${name}: GET /, /docs and /openapi.json, of its own routes alone`, async () => {
    for (const path of ['/', '/docs']) assert.is((await get(name, path)).status, 200, path)
    assert.match((await get(name, '/docs')).headers['content-type']!, 'text/html')
    const { status, json } = await get(name, '/openapi.json')
    assert.is(status, 200)
    assertShape(json, { openapi: text, info: { title: text, version: text } })
    const theirs = Object.keys(json.paths).filter((path) => !everywhere.has(path))
    assert.equal(theirs.sort(), expected)
  })

test('the other methods of these pages are 405 in its shape', async () => {
  for (const path of ['/', '/docs', '/openapi.json', '/metrics']) {
    const { status, headers, json } = await call(own['tcn'] + path, { method: 'POST' })
    assert.is(status, 405)
    assert.is(headers.allow, 'GET, HEAD')
    assertShape(json, { detail: text })
  }
})

/** Names and labels that dashboards for the sidecar ask for. */
test("GET /metrics has the sidecar's names beside Pellet's own", async () => {
  const model = 'starter-tcn'
  for (let i = 0; i < 3; i++) await callJson(`${own['tcn']}/infer`, { x: sampleWindow() })
  await callJson(`${own['tcn']}/infer`, { x: [[1]] })
  const { status, headers, text: page } = await get('tcn', '/metrics')
  assert.is(status, 200)
  assert.match(headers['content-type']!, /^text\/plain; version=0\.0\.4/)
  const families = parseMetrics(page)
  const values = (name: string, labels: Record<string, string>) => valuesOf(families.get(name), labels)
  const types = [...families].filter(([name]) => name.startsWith('hailo_')).map(([name, { type }]) => `${name} ${type}`)
  assert.equal(types.sort(), [
    'hailo_device_temperature_celsius gauge',
    'hailo_errors_total counter',
    'hailo_inference_duration_seconds histogram',
    'hailo_inference_requests_total counter',
    'hailo_model_loaded gauge',
    'hailo_sidecar_start_time_seconds gauge',
  ])
  assert.equal(values('hailo_inference_requests_total', { status: 'success', model }), [3])
  assert.equal(values('hailo_inference_requests_total', { status: 'error', model }), [1])
  assert.equal(values('hailo_errors_total', { error_type: 'invalid_input', model }), [1])
  assert.equal(values('hailo_model_loaded', { model }), [1])
  assert.match(page, /^hailo_model_loaded\{model="starter-tcn",version="[^"]+"\} 1$/m)
  const [startedAt] = values('hailo_sidecar_start_time_seconds', {})
  assert.ok(Math.abs(startedAt! - Date.now() / 1000) < 120, String(startedAt))
  const buckets = [
    ...page.matchAll(/^hailo_inference_duration_seconds_bucket\{le="([^"]+)",model="starter-tcn"\} (\d+)$/gm),
  ]
  assert.equal(
    buckets.map(([, le]) => le),
    ['0.001', '0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf'],
  )
  assert.is(buckets.at(-1)![2], '3')
  assert.not.match(page, /starter-depth|scrfd/)
})

test.run()

// --- internal ---

function get(name: string, path: string) {
  return call(own[name] + path, { method: 'GET' })
}

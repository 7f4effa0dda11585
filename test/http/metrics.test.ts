import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { answering, identityModel } from '../deployments/tiny.ts'
import { RunningPellet } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { projectRoot } from '../support/root.ts'
import { createGate } from './gate.ts'
import {
  dashboard,
  dashboardQueries,
  documentedMetrics,
  missingIn,
  ruleQueries,
  rules,
  samplesOf,
} from './monitoring.ts'
import { parseMetrics, valuesOf, type Family } from './prometheus.ts'
import { call, callJson, RawConnection } from './raw.ts'

const test = suite('metrics')
const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string }
const buckets = ['0.001', '0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf']
const startedAt = Date.now() / 1000
let pellet: RunningPellet
let alone: string

test.before(async () => {
  const port = await freePort()
  alone = `http://127.0.0.1:${port}`
  const body = `
    if (request.fields.wait) await fetch(request.fields.wait)
    if (request.fields.fail) throw new Error('no such luck')
    return {}`
  const model = (name: string) => `model: { onnx: { file: 'identity.onnx', name: '${name}' } }`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/one.ts': answering(body, {
      manifest: `${model('shared')}, routes: { 'POST /v1/one': {}, 'GET /v1/one': {} }, listen: ${port}, limits: { body: 1000 }`,
    }),
    'functions/two.ts': answering(body, { manifest: model('shared') }),
    'functions/odd.ts': answering(body, { manifest: `${model('say \\\\"hi\\\\"')}, cache: { ttl: 60 }` }),
  })
})
test.after(async () => {
  await pellet.stop()
})

async function scrape(base = pellet.url): Promise<Map<string, Family>> {
  const { status, headers, text } = await call(`${base}/metrics`, { method: 'GET' })
  assert.is(status, 200)
  assert.match(headers['content-type'] as string, /^text\/plain; version=0\.0\.4/)
  return parseMetrics(text)
}

const requests = (families: Map<string, Family>, labels: Record<string, string>) =>
  valuesOf(families.get('pellet_requests_total'), labels)

test('series are there from the start, at zero; names and labels are those of the contract', async () => {
  const families = await scrape()
  const keys = (name: string) => [...families.get(name)!.samples.keys()]
  assert.equal(requests(families, { deployment: 'one', route: 'POST /v1/one', code: '200' }), [0])
  assert.equal(requests(families, { deployment: 'one', route: 'GET /v1/one', code: '200' }), [0])
  assert.equal(valuesOf(families.get('pellet_model_loaded'), {}), [0, 0, 0])
  assert.ok(
    keys('hailo_inference_requests_total').includes('hailo_inference_requests_total{status="success",model="shared"}'),
  )
  assert.ok(keys('hailo_model_loaded').includes(`hailo_model_loaded{model="shared",version="${version}"}`))
  assert.is(families.get('hailo_inference_duration_seconds')!.type, 'histogram')
  assert.equal(keys('hailo_device_temperature_celsius'), [], 'there is no device')
  assert.is(families.get('hailo_device_temperature_celsius')!.type, 'gauge')
  const [start] = valuesOf(families.get('hailo_sidecar_start_time_seconds'), {})
  assert.ok(Math.abs(start! - startedAt) < 120, `${start}`)
})

test('requests are counted by deployment, route and code, however they came', async () => {
  for (const url of [pellet.url, `${pellet.url}/f/one`, alone]) await callJson(`${url}/v1/one`, {})
  await callJson(`${pellet.url}/f/one`, {})
  await call(`${alone}/v1/one`, { method: 'GET' })
  await callJson(`${alone}/v1/one`, { fail: true })
  await callJson(`${alone}/v1/one`, { a: 'x'.repeat(2000) })
  await callJson(`${alone}/v1/nothing`, {})
  await callJson(`${pellet.url}/v1/two`, {})
  for (const base of [pellet.url, alone]) {
    const families = await scrape(base)
    const of = (code: string, method = 'POST') =>
      requests(families, { deployment: 'one', route: `${method} /v1/one`, code })
    assert.equal([of('200'), of('200', 'GET'), of('500'), of('413'), of('404')], [[4], [1], [1], [1], []])
    const errors = families.get('hailo_errors_total')
    assert.equal(valuesOf(errors, { error_type: 'function_failed', model: 'shared' }), [1])
    assert.equal(valuesOf(errors, { error_type: 'payload_too_large', model: 'shared' }), [1])
    const durations = families.get('pellet_request_duration_seconds')
    const post = { deployment: 'one', route: 'POST /v1/one' }
    assert.equal(valuesOf(durations, post, '_count'), [6])
    assert.ok(valuesOf(durations, post, '_sum')[0]! > 0)
    assert.is(valuesOf(durations, post, '_bucket').length, buckets.length)
    for (const le of buckets) assert.is(valuesOf(durations, { ...post, le }, '_bucket').length, 1, le)
  }
})

test('each phase of a request has its time, and each error its code', async () => {
  const families = await scrape()
  const post = { deployment: 'one', route: 'POST /v1/one' }
  const phases = families.get('pellet_phase_duration_seconds')
  // Refused before an isolate was asked: no phases. The isolate tells none of those that failed in it.
  const counts = { queue: 5, load: 1, receive: 4, pre: 4, wait: 4, infer: 4, post: 4, respond: 5 }
  for (const [phase, count] of Object.entries(counts))
    assert.equal([phase, ...valuesOf(phases, { ...post, phase }, '_count')], [phase, count])
  const sum = valuesOf(phases, post, '_sum').reduce((a, b) => a + b, 0)
  const [whole] = valuesOf(families.get('pellet_request_duration_seconds'), post, '_sum')
  assert.ok(sum > 0.5 * whole! && sum < whole!, `${sum} of ${whole} s`)
  const errors = families.get('pellet_request_errors_total')
  assert.equal(valuesOf(errors, { ...post, error: 'function_failed' }), [1])
  assert.equal(valuesOf(errors, { ...post, error: 'payload_too_large' }), [1])
  assert.equal(valuesOf(errors, { ...post, error: 'queue_full' }), [0], 'there from the start')
})

test('an own port tells of its deployment alone, the main port of all', async () => {
  const [own, all] = [await scrape(alone), await scrape()]
  assert.equal(requests(own, { deployment: 'two' }), [])
  assert.equal(requests(all, { deployment: 'two', code: '200' }), [1])
  assert.is(own.get('pellet_model_loaded')!.samples.size, 1)
  assert.not(own.has('process_cpu_seconds_total'), 'nothing of Pellet as a whole')
  // Two deployments with one model are one series of the sidecar's.
  assert.equal(valuesOf(own.get('hailo_inference_requests_total'), { status: 'success', model: 'shared' }), [5])
  assert.equal(valuesOf(all.get('hailo_inference_requests_total'), { status: 'success', model: 'shared' }), [6])
  assert.equal(valuesOf(all.get('hailo_inference_requests_total'), { status: 'error', model: 'shared' }), [2])
  assert.equal(valuesOf(all.get('hailo_inference_duration_seconds'), { model: 'shared' }, '_count'), [6])
})

test('a model is loaded or not', async () => {
  const loaded = async (base: string) => {
    const families = await scrape(base)
    const hailo = valuesOf(families.get('hailo_model_loaded'), { model: 'shared' })
    return [...valuesOf(families.get('pellet_model_loaded'), { deployment: 'one' }), ...hailo]
  }
  assert.equal(await loaded(alone), [1, 1])
  await pellet.admin('POST', '/api/deployments/one/unload')
  await pellet.rowWhen('one', ({ state }) => state === 'cold')
  assert.equal(await loaded(alone), [0, 0])
  assert.equal(await loaded(pellet.url), [0, 1], 'the other deployment still has it')
})

test('a caller who leaves is 499, and no inference', async () => {
  const gate = await createGate()
  const body = JSON.stringify({ wait: gate.url })
  const connection = new RawConnection(alone)
  await connection.send(
    `POST /v1/one HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await gate.waiting(1)
  const before = valuesOf((await scrape()).get('hailo_inference_requests_total'), { model: 'shared' })
  connection.end()
  const left = async () => requests(await scrape(), { deployment: 'one', code: '499' })[0] === 1
  await until(left, 'the caller to be counted')
  assert.equal(valuesOf((await scrape()).get('hailo_inference_requests_total'), { model: 'shared' }), before)
  gate.open(true)
  gate.close()
})

test('the lives of isolates are counted, and how things are is told', async () => {
  const value = async (name: string, labels: Record<string, string>, suffix = '') =>
    valuesOf((await scrape()).get(name), labels, suffix)[0]
  const two = { deployment: 'two' }
  assert.is(await value('pellet_loads_total', two), 1)
  assert.is(await value('pellet_load_duration_seconds', two, '_count'), 1)
  assert.is(await value('pellet_unloads_total', { ...two, reason: 'crashed' }), 0)
  assert.ok((await value('pellet_resident_bytes', two))! > 1e6)
  assert.is(await value('pellet_requests_in_flight', two), 0)
  assert.is(await value('pellet_queue_limit', two), 32)
  assert.is(await value('pellet_deployment_ready', two), 1)
  process.kill((await pellet.row('two')).pid!, 'SIGKILL')
  await pellet.rowWhen('two', ({ state }) => state === 'cold')
  await callJson(`${pellet.url}/v1/two`, {})
  assert.is(await value('pellet_unloads_total', { ...two, reason: 'crashed' }), 1)
  assert.is(await value('pellet_isolate_crashes_total', two), 1)
  assert.is(await value('pellet_isolate_restarts_total', two), 1)
  assert.is(await value('pellet_loads_total', two), 2)
  assert.is(await value('pellet_ready', {}), 1)
  assert.is(await value('pellet_stalled', {}), 0)
  assert.ok((await value('process_resident_memory_bytes', {}))! > 1e6)
  assert.ok((await value('pellet_event_loop_delay_seconds', {}, '_count'))! > 0)
})

test('docs/monitoring.md has exactly what is exported: names, types and labels', async () => {
  const families = await scrape()
  const samples = samplesOf(families)
  const exported = [...families].map(([name, { type }]) => {
    const found = samples.get(name) ?? samples.get(`${name}_count`) ?? []
    return { name, type, labels: [...new Set(found.flatMap((labels) => Object.keys(labels)))] }
  })
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
  // There is no device, so it has no samples that could show its label.
  const documented = documentedMetrics().map((one) => (/temperature/.test(one.name) ? { ...one, labels: [] } : one))
  assert.equal(documented.sort(byName), exported.sort(byName))
  const alerts = rules.flatMap(({ alert }) => alert ?? [])
  const text = readFileSync(join(projectRoot, 'docs/monitoring.md'), 'utf8')
  assert.equal([...text.matchAll(/^\| `(Pellet\w+)` \|/gm)].map(([, name]) => name).sort(), alerts.sort())
})

test('rules and dashboard name only metrics, labels and values that are exported, and the dashboard all of Pellet', async () => {
  const families = await scrape()
  const queries = [...ruleQueries(), ...dashboardQueries()]
  assert.ok(queries.length > 60, `${queries.length}`)
  assert.equal(
    queries.flatMap((query) => missingIn(query, families)),
    [],
  )
  const wrong = { where: 'x', expr: 'sum by (rout) (rate(pellet_request_total{code="2.."}[1m]))', texts: ['{{name}}'] }
  assert.equal(missingIn(wrong, families), ['x: pellet_request_total', 'x: rout', 'x: name'])
  const unlike = { where: 'x', expr: 'pellet_unloads_total{reason="bored", model="m"}', texts: [] }
  assert.equal(missingIn(unlike, families), [
    'x: pellet_unloads_total{reason="bored"}',
    'x: pellet_unloads_total{model}',
  ])
  const shown = dashboardQueries()
    .map(({ expr }) => expr)
    .join('\n')
  const own = [...families.keys()].filter((name) => name.startsWith('pellet_'))
  assert.equal(
    own.filter((name) => !shown.includes(name)),
    [],
    'panels for all',
  )
  const { panels, templating } = dashboard
  assert.equal(
    templating.list.map(({ type, name }) => `${type} ${name}`),
    ['datasource datasource', 'query instance', 'query deployment'],
  )
  for (const { title, type, datasource } of panels)
    if (type !== 'row') assert.is(datasource!.uid, '${datasource}', title)
  for (const { alert, labels, annotations } of rules.filter((rule) => rule.alert !== undefined)) {
    assert.match(labels!['severity']!, /^(critical|warning|info)$/, alert)
    assert.ok(annotations!['summary'] && annotations!['description'], alert)
  }
})

test('HEAD is answered, other methods are not', async () => {
  for (const base of [pellet.url, alone]) {
    const head = await call(`${base}/metrics`, { method: 'HEAD' })
    assert.equal([head.status, head.text], [200, ''])
    const wrong = await call(`${base}/metrics`, { method: 'POST' })
    assert.equal([wrong.status, wrong.headers.allow], [405, 'GET, HEAD'])
  }
})

test.run()

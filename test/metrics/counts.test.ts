import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deploymentOf } from '../deployments/tiny.ts'
import { DeploymentCounts } from '../../runtime/metrics/counts.ts'
import type { Facts } from '../../runtime/metrics/facts.ts'
import { Families } from '../../runtime/metrics/families.ts'
import { LifeCounts } from '../../runtime/metrics/lives.ts'
import { Meter } from '../../runtime/metrics/meter.ts'
import { RequestCount } from '../../runtime/metrics/request-count.ts'
import { Times } from '../../runtime/metrics/times.ts'

const test = suite('what is counted')

test('a bucket holds its upper end, and all below it', () => {
  const times = new Times([0.1, 1])
  for (const ms of [0, 100, 100.1, 1000, 5000]) times.addMs(ms)
  const other = new Times([0.1, 1])
  other.addMs(500)
  times.merge(other)
  assert.equal(times.buckets(), [
    { le: '0.1', count: 2 },
    { le: '1', count: 5 },
    { le: '+Inf', count: 6 },
  ])
  assert.equal([times.count, times.sumS.toFixed(4)], [6, '6.7001'])
})

const timings: [title: string, timing: string | undefined, phases: string[]][] = [
  ['what an isolate says', 'receive;dur=0.12, pre;dur=0.00, infer;dur=3.40', ['receive', 'pre', 'infer']],
  ['nothing', undefined, []],
  ['words without a time', 'receive, pre;desc=x', []],
  ['phases that there are not', 'nap;dur=1, constructor;dur=1, post;dur=2', ['post']],
  ['no times', 'pre;dur=, wait;dur=x, infer;dur=-1, post;dur=Infinity, call;dur=1e999, cache;dur=1', ['pre', 'cache']],
]
for (const [title, timing, phases] of timings)
  test(`phases are taken from Server-Timing: ${title}`, () => {
    const counts = new DeploymentCounts()
    finish(counts, 200, timing)
    const found = [...counts.routeOf('POST /v1/x').phases()].map(([phase]) => phase)
    assert.equal(found, ['queue', ...phases, 'respond'])
  })

test('codes that are none of the registry do not become series', () => {
  const counts = new DeploymentCounts()
  for (const code of ['function_failed', 'anything', '', 'toString']) finish(counts, 500, undefined, code)
  const { errors } = counts.routeOf('POST /v1/x')
  assert.equal([errors.get('function_failed'), errors.get('http_500')], [1, 3])
  assert.is(errors.has('anything'), false)
})

test('an isolate that went against its will is started anew; others are started', () => {
  const counts = new DeploymentCounts()
  const lives = new LifeCounts(() => counts)
  const start = () => lives.loading('x')
  start()
  lives.unloading('x', 'keep_alive', 9000, 5000)
  start()
  lives.crashed('x')
  start()
  lives.unloading('x', 'hung', 9000, 0)
  start()
  lives.unloading('x', 'evicted', 9000, 3000)
  start()
  assert.equal([counts.loads, counts.restarts, counts.crashes], [5, 2, 1])
  const ended = [...counts.unloads].filter(([, count]) => count > 0)
  assert.equal(Object.fromEntries(ended), { keep_alive: 1, evicted: 1, hung: 1, crashed: 1 })
  assert.equal([counts.evictionAges.sumS, counts.evictionIdleTimes.sumS], [9, 3])
})

test('of a deployment that is removed what was counted stays, and goes on when it comes back; how it is goes', async () => {
  const row = { name: 'x', state: 'ready', sizeBytes: 7, inFlight: 0, queued: 0 }
  const facts = {
    version: '1',
    rows: () => [row],
    readinessOf: () => 'ready',
    kept: () => [{ name: 'x', bytes: 1, outcomes: { hit: 1, miss: 0, bypass: 0 } }],
    budgetBytes: () => 1,
    bytesInFlight: () => 1,
    isReady: () => true,
    isStalled: () => false,
    refused: () => 0,
    device: () => undefined,
    deviceCounts: () => ({ hardUnloads: 0, timeouts: 0, losses: 0, frames: 0, restarts: 0 }),
  } as unknown as Facts
  const meter = new Meter(facts)
  const lines = async () => {
    const told = (await meter.text()).split('\n').filter((line) => line.includes('deployment="x"'))
    return ['pellet_loads_total', 'pellet_resident_bytes', 'pellet_queue_limit', 'pellet_cache_bytes'].map((name) =>
      Number(
        told
          .find((line) => line.startsWith(name))
          ?.split(' ')
          .at(-1) ?? NaN,
      ),
    )
  }
  meter.deploy(deploymentOf({ name: 'x' }))
  meter.lives.loading('x')
  assert.equal(await lines(), [1, 7, 32, 1])
  meter.remove('x')
  assert.equal(await lines(), [1, NaN, NaN, NaN])
  meter.deploy(deploymentOf({ name: 'x' }))
  meter.lives.loading('x')
  assert.equal(await lines(), [2, 7, 32, 1])
})

test('labels are escaped', async () => {
  const families = new Families()
  families.gauge('x', 'help', () => [[{ a: 'b\\"\n', c: 1 }, 2]])
  assert.is(await families.text(), '# HELP x help\n# TYPE x gauge\nx{a="b\\\\\\"\\n",c="1"} 2\n')
})

test.run()

// --- internal ---

function finish(counts: DeploymentCounts, status: number, timing: string | undefined, code?: string): void {
  const fields = { writableFinished: true, statusCode: status, getHeader: () => undefined }
  const res = Object.assign(new EventEmitter(), fields) as unknown as ServerResponse
  const request = new RequestCount(deploymentOf({ name: 'x' }), 'POST /v1/x', res)
  request.answered({ queueMs: 1, loadMs: 0 }, timing)
  if (code !== undefined) request.failed(status, code, 'why')
  request.end(counts, { inferences: 0, errors: 0 })
}

// @timeout 120s
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Deleted } from '../../runtime/deploys/protocol.ts'
import type { ManifestInput } from '../../runtime/manifest/schema.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { ask, deploy, pack, type PackOptions } from './driver.ts'

const test = suite('a new revision is tried beside the one that serves')
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start({ 'functions/none.txt': '' })
})
test.after(async () => {
  await pellet?.stop()
})

const says = async (name: string) => (await (await pellet.post(`/v1/${name}`, {})).json()) as object

test('it takes over warm, while a request in flight finishes on the old one; its probes count nowhere', async () => {
  const gate = join(pellet.folder, 'gate')
  const head = `import { existsSync } from 'node:fs'\nimport { setTimeout as sleep } from 'node:timers/promises'`
  const answer = `(async () => { while (!existsSync(${JSON.stringify(gate)})) await sleep(10); return 'old' })()`
  assert.ok((await deploy(pellet, pack('a', '', { head, answer }), '?probe=false')).done)
  const inFlight = says('a')
  await until(async () => (await pellet.row('a')).in_flight === 1, 'a request in flight')
  const { pid } = await pellet.row('a')

  const sent = Buffer.from('{"field":"sent"}')
  const probe: ManifestInput['probe'] = [
    { input: 'in.json', query: { top: 3 }, expect: { fields: { field: 'sent', top: '3' } } },
    {
      body: { field: [1] },
      headers: { 'X-Keep-Alive': '0' },
      type: 'application/json',
      expect: { fields: { field: [1] } },
    },
  ]
  const next = { manifest: { probe }, answer: '({ fields: request.fields })', probeInputs: { 'in.json': sent } }
  const { phases, done } = await deploy(pellet, pack('a', '', next))
  assert.equal([phases, done?.isChanged], [['stage', 'load', 'probe', 'switch'], true])
  const row = await pellet.row('a')
  assert.is.not(row.pid, pid)
  assert.equal([row.state, row.loads, row.in_flight], ['ready', 2, 1])
  assert.equal(await says('a'), { fields: {} })
  writeFileSync(gate, '')
  assert.is(await inFlight, 'old')
  const metrics = await (await fetch(`${pellet.url}/metrics`)).text()
  assert.match(metrics, 'pellet_requests_total{deployment="a",route="POST /v1/a",code="200"} 2\n')
})

/** Always something divided by nothing. */
const infinite = toOnnx({
  inputs: [{ name: 'x', type: 'float32', shape: [1, 4] }],
  outputs: [{ name: 'y', type: 'float32', shape: [1, 4] }],
  nodes: [{ op: 'Div', inputs: ['x', 'nothing'], outputs: ['y'] }],
  constants: { nothing: { type: 'float32', dims: [1], data: new Float32Array(1) } },
})

const failing: [what: string, options: PackOptions, ...told: RegExp[]][] = [
  [
    'other answers than its probes expect, all of them told',
    { manifest: { probe: [{ expect: { says: 'x', labels: 1 } }, { status: 404 }] } },
    /^manifests\/b\.yaml:1:1 probe\[0\]: says: expected "x", found "new"$/m,
    /^manifests\/b\.yaml:1:1 probe\[0\]: labels: expected 1, found nothing$/m,
    /^manifests\/b\.yaml:2:1 probe\[1\]: expected the status 404, found 200$/m,
  ],
  [
    'a process that ends in the middle of a probe',
    { manifest: { probe: {} }, answer: 'process.exit(3)' },
    /probe\[0\]: expected the status 200, found 503 \(b: the process that served this request ended: exit code 3\)/,
  ],
  [
    'a model that gives no numbers, where there is no probe',
    { model: infinite },
    /^b: self-test: output "y": expected float32 \[1, 4\] of finite numbers, found at 0/m,
  ],
]

test('whatever it fails by, the old one serves on, and nothing is left of the new one', async () => {
  const { revision } = (await deploy(pellet, pack('b', 'old'), '?probe=false')).done!
  const before = await pellet.row('b')
  for (const [what, options, ...told] of failing) {
    const { failed } = await deploy(pellet, pack('b', 'new', options))
    assert.equal([failed?.phase, failed?.code, failed?.serves], ['probe', 'probe_failed', revision], what)
    const problems = failed!.problems.join('\n')
    for (const one of told) assert.match(problems, one, `${what}: ${problems}`)
  }
  assert.equal(await says('b'), { says: 'old' })
  const { pid, loads, crashes, last_error } = await pellet.row('b')
  assert.equal([pid, loads, crashes, last_error], [before.pid, before.loads, 0, null])
  const { a, b } = await pellet.ps()
  const living = () => childrenOf(pellet.pid).filter((child) => child !== a!.pid && child !== b!.pid)
  await until(
    () => living().length === 0,
    () => `no process of what was given up, found ${living().join()}`,
  )
})

test('its calls reach what serves; a port that it does not get is told', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const call = { deployment: 'b', send: 'field', take: 'says' }
  const manifest = {
    listen: port,
    post: ['answer', { call }],
    probe: { expect: { says: 'old' } },
  } as Partial<ManifestInput>
  const { failed, done } = await deploy(pellet, pack('c', '', { manifest, answer: '({ field: 1 })' }))
  other.close()
  assert.equal([failed, done?.isChanged], [undefined, true])
  assert.match(done!.notes.join(), new RegExp(`^${port}: expected a free port .*, found it in use`))
})

test('who deletes what others call is told, and so are their callers', async () => {
  const { notes } = JSON.parse((await ask(pellet, 'DELETE', '/api/deployments/b')).body) as Deleted
  assert.match(notes.join(), /^C: expected a deployment.*, found "b"/)
  const answer = await pellet.post('/v1/c', {})
  const { error } = (await answer.json()) as { error: { code: string; message: string } }
  assert.equal([answer.status, error.code], [503, 'not_ready'])
  assert.match(error.message, /^c: it calls b, which is not deployed$/)
})

test.run()

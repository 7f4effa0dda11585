// @timeout 120s
import { existsSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { freePort } from '../support/ports.ts'
import { childrenOf, until } from '../support/process.ts'
import { saying, WatchedPellet } from './watched.ts'

const test = suite('pellet dev: models, ports, configuration and the debugger')

let watched: WatchedPellet
let ports: number[]

/** What the debugger is opened on: its requests may take no longer than a moment. */
const held = (word: string) =>
  answering(
    `if (request.fields.fail) throw new TypeError('asked to')
      return { word: '${word}', pid: process.pid }`,
    { manifest: `route: 'POST /v1/held', limits: { timeout: '300ms' }` },
  )

/** A model that nobody else has. */
const changing = `model: { onnx: 'changing.onnx' }`

test.before(async () => {
  ports = [await freePort(), await freePort(), await freePort()]
  const flags = ['--inspect', 'held', '--inspect-port', String(ports[2])]
  const files = {
    'functions/held.ts': held('held'),
    'functions/ported.ts': saying('ported', `${changing}, route: 'POST /v1/ported', listen: [${ports[0]}]`),
    'functions/late.ts': saying('late', `model: { onnx: 'far/late.onnx' }, route: 'POST /v1/late'`),
    'models/changing.onnx': identityModel(),
    'pellet.yaml': 'grace: 5s\n',
  }
  watched = await WatchedPellet.start(files, flags, 'dev')
})
test.after(async () => void (await watched.pellet.stop('SIGKILL')))

const debuggerPages = async () =>
  (await (await fetch(`http://127.0.0.1:${ports[2]}/json/list`)).json()) as { webSocketDebuggerUrl: string }[]

test('it says at the start what there is, how to call it, and what it does', async () => {
  await watched.pellet.logged(({ msg }) => msg.startsWith('Watching functions'))
  const text = watched.pellet.log.map(({ msg }) => msg).join('\n')
  assert.match(text, `Pellet serves at ${watched.pellet.url}`)
  assert.match(text, `curl -H 'Content-Type: application/json' -d '{}' ${watched.pellet.url}/v1/held`)
})

test('the debugger answers, and what stands at a breakpoint is neither overdue nor taken for dead', async () => {
  const { pellet } = watched
  await pellet.logged(({ msg }) => msg.startsWith(`the debugger listens on 127.0.0.1:${ports[2]}`))
  assert.match((await debuggerPages())[0]!.webSocketDebuggerUrl, `ws://127.0.0.1:${ports[2]}/`)
  const { pid } = await watched.ask('/v1/held')
  // From outside, a process that stands still is one at a breakpoint.
  process.kill(pid, 'SIGSTOP')
  const answer = pellet.post('/v1/held', {})
  const leaving = new AbortController()
  const caller = pellet.post('/v1/held', {}, {}, leaving.signal).catch(() => 'left')
  await pellet.rowWhen('held', (row) => row.in_flight === 2)
  leaving.abort()
  assert.is(await caller, 'left')
  // Longer than its limits.timeout, and than an isolate in doubt may be silent.
  await new Promise((resolve) => setTimeout(resolve, 500))
  process.kill(pid, 'SIGCONT')
  assert.is(((await (await answer).json()) as { pid: number }).pid, pid)
  assert.is((await watched.ask('/v1/held')).pid, pid)
})

test('another revision has the debugger too', async () => {
  const [before] = await debuggerPages()
  await watched.deployed('held', () => watched.save('functions/held.ts', held('edited')))
  let page: { webSocketDebuggerUrl: string } | undefined
  await until(
    async () => {
      ;[page] = await debuggerPages().catch(() => [])
      return page !== undefined && page.webSocketDebuggerUrl !== before!.webSocketDebuggerUrl
    },
    'the debugger of the new revision',
    15_000,
  )
})

test('an error of a step is told with its place in the TypeScript', async () => {
  const answer = await watched.pellet.post('/v1/held', { fail: true })
  assert.is(answer.status, 500)
  const line = await watched.pellet.logged(({ msg }) => /functions\/held\.ts/.test(msg) && msg.includes('at '))
  const place =
    held('')
      .split('\n')
      .findIndex((text) => text.includes('asked to')) + 1
  assert.match(line.msg, new RegExp(`functions/held\\.ts:${place}:\\d+`))
})

test('another model in the same file is another revision, and one that was missing is there', async () => {
  const missing = 'late: not deployed, its model is missing: expected models/far/late.onnx'
  await watched.pellet.logged(({ msg }) => msg.startsWith(missing))
  const model = toOnnx({
    inputs: [{ name: 'x', type: 'float32', shape: [1, 4] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1, 4] }],
    nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
  })
  await watched.deployed(['ported', 'late'], () => {
    watched.save('models/changing.onnx', model)
    watched.save('models/far/late.onnx', model)
  })
  assert.is((await watched.ask('/v1/late')).word, 'late')
})

test('ports are opened, handed over and closed; bundles that nobody needs any more are removed', async () => {
  const old = watched.path('.pellet/bundles/00000000000000000000000000000000.mjs')
  watched.save('.pellet/bundles/00000000000000000000000000000000.mjs', '')
  utimesSync(old, 0, 0)
  const at = (port: number, method: string) =>
    fetch(`http://127.0.0.1:${port}/v1/moved`, {
      method,
      ...(method === 'POST' && { body: '{}', headers: { 'content-type': 'application/json' } }),
    }).then(
      async (answer) => (answer.ok ? ((await answer.json()) as { word: string }).word : answer.status),
      () => 'closed',
    )
  const ported = (listen: number[]) => saying('ported', `route: 'POST /v1/moved', listen: [${listen.join(', ')}]`)
  await watched.deployed('ported', () => watched.save('functions/ported.ts', ported([ports[0]!, ports[1]!])))
  // Whether it has the route is told without a process: this one takes only POST.
  await until(async () => (await at(ports[1]!, 'GET')) === 405, 'the second port to be open')
  assert.is(await at(ports[0]!, 'GET'), 405)
  await watched.deployed(['ported', 'heir'], () => {
    watched.save('functions/ported.ts', saying('ported', `route: 'POST /v1/ported'`))
    watched.save('functions/heir.ts', saying('heir', `route: 'POST /v1/moved', listen: [${ports[0]}]`))
  })
  await until(async () => (await at(ports[1]!, 'GET')) === 'closed', 'the second port to be closed')
  await until(async () => (await at(ports[0]!, 'POST')) === 'heir', 'the first port to be the heir’s')
  await until(() => !existsSync(old), 'the old bundle to be gone')
})

test('the configuration is followed where it can be, and told where it cannot', async () => {
  const { pellet } = watched
  const yaml = 'max_bytes_in_flight: 1\nmanifests: elsewhere\nlog_level: debug\n'
  await watched.after(
    () => watched.save('pellet.yaml', yaml),
    ({ msg }) => msg === 'configuration: max_bytes_in_flight: 128 MB -> 1 B',
  )
  assert.is((await pellet.post('/v1/held', {})).status, 503)
  await pellet.logged(({ level, msg }) => level === 'debug' || msg.includes('log_level'))
  await pellet.logged(({ msg }) =>
    /^configuration: manifests: ".*manifests" -> ".*elsewhere" needs a restart$/.test(msg),
  )
  const trouble = await watched.after(
    () => watched.save('pellet.yaml', 'max_bytes_in_flight: many\n'),
    ({ msg }) => msg.includes('the configuration stays as it was'),
  )
  assert.match(trouble.msg, /pellet\.yaml: max_bytes_in_flight: expected a size such as 128MB, found "many"/)
  assert.is((await pellet.post('/v1/held', {})).status, 503)
  await watched.after(
    () => rmSync(watched.path('pellet.yaml')),
    ({ msg }) => msg === 'configuration: max_bytes_in_flight: 1 B -> 128 MB',
  )
  assert.is((await pellet.post('/v1/held', {})).status, 200)
})

test('a compiler that ends is started again, and sees what came meanwhile', async () => {
  const compiler = childrenOf(watched.pellet.pid).find((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('compiler-child'),
  )
  await watched.after(
    () => process.kill(compiler!, 'SIGKILL'),
    ({ level, msg }) => level === 'warn' && msg.startsWith('the compiler ended early (SIGKILL)'),
  )
  await watched.deployed('heir', () => {
    rmSync(watched.path('functions/late.ts'))
    watched.save('functions/heir.ts', saying('unseen', `route: 'POST /v1/heir'`))
  })
  assert.is((await watched.ask('/v1/heir')).word, 'unseen')
  assert.is((await watched.pellet.post('/v1/late', {})).status, 404)
})

test('it ends as it should, leaving no process', async () => {
  assert.is(await watched.pellet.stop(), 0)
})

test.run()

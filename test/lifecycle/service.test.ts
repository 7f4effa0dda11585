// @timeout 120s
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ServiceManager } from '../../runtime/cli/service-manager.ts'
import type { Pellet } from '../../runtime/pellet.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { functionProject, functionSource, slow } from '../support/functions.ts'
import { createProject, pelletBin } from '../support/pellet.ts'
import { freePort, freePorts } from '../support/ports.ts'
import { hasPython, SmallServiceManager } from '../support/service-manager.ts'

const service = suite('a service')
const test = hasPython ? service : service.skip
const hasActivation = spawnSync('systemd-socket-activate', ['--version']).status === 0

const [mainPort, ownPort] = (await freePorts(2)) as [number, number]
const folder = createProject(functionProject({ one: { pre: slow }, two: { manifest: { listen: [ownPort] } } }))
const watchdogMs = 400
let manager: SmallServiceManager

service.before(async () => {
  if (!hasPython) return
  const env = { WATCHDOG_USEC: String(watchdogMs * 1000), PELLET_PORT: String(mainPort) }
  manager = await SmallServiceManager.start(folder, [mainPort, ownPort], env)
})
service.after(() => manager?.close())

/** A request on a connection of its own; waits in the socket's queue where nobody accepts. */
function get(where: { port?: number; socketPath?: string }, path: string, body?: object) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const method = body ? 'POST' : 'GET'
    const headers = { 'content-type': 'application/json', host: 'pellet' }
    const call = request({ host: '127.0.0.1', ...where, path, method, headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.once('end', () => resolve({ status: answer.statusCode!, text }))
      answer.once('error', reject)
    })
    call.once('error', reject)
    call.end(body && JSON.stringify(body))
  })
}

/** Of the TCP sockets that listen. Columns are sl, local_address, rem_address, st (0A: listening), ..., inode. */
function listeningInodes(): Set<string> {
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return new Set(rows.filter((row) => row[3] === '0A').map((row) => row[9]!))
}

function socketsOf(pid: number): string[] {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
}

test('is ready when it serves on the sockets that it was handed, its children have none of them and go before it', async () => {
  const early = get({ port: mainPort }, '/v1/one', {})
  const said = await manager.orderUntil('start', 'READY=1')
  assert.is(said, 'READY=1\nSTATUS=serving 2 deployments, 0 loaded', manager.logged())
  assert.is((await early).status, 200, 'it came before the process and waited')
  assert.is((await get({ port: ownPort }, '/v1/two', {})).status, 200)
  assert.is((await get({ port: ownPort }, '/v1/one', {})).status, 404)
  const rows = JSON.parse((await get({ socketPath: manager.adminSocket }, '/api/ps')).text) as { pid: number }[]
  const listening = listeningInodes()
  const main = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${rows[0]!.pid}/status`, 'utf8'))![1])
  assert.ok(socketsOf(main).filter((inode) => listening.has(inode)).length >= 2)
  assert.is(rows.length, 2)
  const wouldGoFirst = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'))
  for (const { pid } of rows) {
    assert.ok(wouldGoFirst(pid) > wouldGoFirst(main), 'where memory is short')
    assert.not.match(readFileSync(`/proc/${pid}/environ`, 'utf8'), /LISTEN_|NOTIFY_SOCKET|WATCHDOG_/)
    assert.not.ok(socketsOf(pid).some((inode) => listening.has(inode)))
  }
})

test('feeds the watchdog four times as often as is asked, and says what people want to know', async () => {
  assert.is(await manager.notified('STATUS=serving 2 deployments, 2 loaded'), 'STATUS=serving 2 deployments, 2 loaded')
  const from = manager.events.length
  const since = performance.now()
  for (let fed = 1; fed <= 4; fed++) await manager.notified('WATCHDOG=1', from, fed)
  const betweenMs = (performance.now() - since) / 4
  assert.ok(betweenMs < watchdogMs / 2, `fed every ${betweenMs} ms`)
})

test('SIGHUP reads configuration and project again; what is broken leaves what was there serving', async () => {
  writeFileSync(join(folder, 'functions/two.ts'), 'export default nonsense(')
  writeFileSync(join(folder, 'functions/three.ts'), functionSource('three'))
  writeFileSync(join(folder, 'pellet.yaml'), 'log_level: debug\nport: 1\n')
  const from = manager.events.length
  const said = await manager.orderUntil('SIGHUP', 'READY=1')
  assert.match(said, /^READY=1\nSTATUS=serving 3 deployments, 2 loaded, 1 broken/)
  const reloading = manager.messages(from).find((text) => text.startsWith('RELOADING=1\n'))!
  const usec = BigInt(/^MONOTONIC_USEC=(\d+)$/m.exec(reloading)![1]!)
  const agoUsec = process.hrtime.bigint() / 1000n - usec
  assert.ok(agoUsec > 0n && agoUsec < 60_000_000n, `${agoUsec} us ago`)
  assert.match((await get({ port: mainPort }, '/')).text, /POST \/v1\/three/)
  assert.is((await get({ port: ownPort }, '/v1/two', {})).status, 200, 'the old one serves')
  assert.match(manager.logged(), /log_level: \\"info\\" -> \\"debug\\"/)

  // A configuration that is wrong is told, and the project is read all the same.
  writeFileSync(join(folder, 'pellet.yaml'), 'log_level: loud\n')
  writeFileSync(join(folder, 'functions/two.ts'), functionSource('two', { manifest: { listen: [ownPort] } }))
  assert.match(await manager.orderUntil('SIGHUP', 'READY=1'), /^READY=1\nSTATUS=serving 3 deployments, \d loaded$/m)
  assert.match(manager.logged(), /log_level: expected one of .*; until it is mended the configuration stays/)
  writeFileSync(join(folder, 'pellet.yaml'), '')
})

test('no connection is refused over a restart, and no request is lost', async () => {
  const over = new AbortController()
  let served = 0
  const problems: string[] = []
  const paths: [where: object, path: string, body: object | undefined, status: number][] = [
    [{ port: mainPort }, '/v1/one', { ms: 20 }, 200],
    [{ port: mainPort }, '/health/live', undefined, 200],
    [{ port: ownPort }, '/nothing', undefined, 404],
    [{ socketPath: manager.adminSocket }, '/api/ps', undefined, 200],
  ]
  const call = async ([where, path, body, status]: (typeof paths)[number]) => {
    const answer = await get(where, path, body).catch((error: Error) => ({ status: 0, text: error.message }))
    if (answer.status === status) served++
    else problems.push(`${path}: ${answer.status} ${answer.text}`)
  }
  const callers = paths.map(async (path) => {
    while (!over.signal.aborted) await Promise.all([call(path), new Promise((resolve) => setTimeout(resolve, 20))])
  })
  const from = manager.events.length
  assert.is(await manager.stop(), 0, manager.logged())
  assert.match(manager.messages(from).join('\n'), /^STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\n/m)
  const before = served
  await manager.orderUntil('start', 'READY=1')
  // The callers wait already; now each is answered.
  await Promise.all(paths.map(call))
  assert.ok(served >= before + paths.length)
  over.abort()
  await Promise.all(callers)
  assert.equal(problems, [])
  assert.ok(existsSync(manager.adminSocket), 'the socket is the service manager’s')
  assert.is(await manager.stop(), 0)
})

test('a watchdog is not fed while nothing moves on, and the reason is told', async () => {
  const set = { NOTIFY_SOCKET: manager.abstractNotifySocket, WATCHDOG_USEC: '40000', WATCHDOG_PID: String(process.pid) }
  Object.assign(process.env, set)
  let problem: string | undefined
  let asked = () => {}
  const logged: string[] = []
  const pellet = {
    vitals: { problem: () => (asked(), problem) },
    routes: { deployments: new Map(), failures: [] },
    dispatcher: { snapshot: () => [] },
    isReady: () => true,
    log: { error: (line: string) => logged.push(line) },
  } as unknown as Pellet
  const looks = async (count: number) => {
    for (; count > 0; count--) await new Promise<void>((resolve) => (asked = resolve))
  }
  const from = manager.events.length
  const own = new ServiceManager()
  assert.not.ok('NOTIFY_SOCKET' in process.env || 'WATCHDOG_USEC' in process.env)
  own.ready(pellet)
  await manager.notified('WATCHDOG=1', from)
  problem = 'lease 17 stands still'
  await manager.notified('STATUS=lease 17 stands still', from)
  const starved = manager.events.length
  await looks(5)
  // What was said is heard in order: nothing came between the two.
  problem = undefined
  await manager.notified('STATUS=serving 0 deployments, 0 loaded', starved)
  assert.is(manager.messages(starved).filter((text) => text === 'WATCHDOG=1').length <= 1, true)
  assert.equal(logged, ['the watchdog is not fed any more: lease 17 stands still'])
  await manager.notified('WATCHDOG=1', starved)
})

const activation = hasActivation ? service : service.skip
activation('systemd itself starts it with the first request, on a TCP and a unix socket', async () => {
  const port = await freePort()
  const adminSocket = join(temporaryFolder(), 'admin.sock')
  const sockets = ['--listen', `127.0.0.1:${port}`, '--listen', adminSocket]
  const root = createProject(functionProject({ one: {} }))
  const command = [process.execPath, pelletBin, 'start', '--root', root]
  const child = spawn('systemd-socket-activate', [...sockets, ...command], { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    let listening = 0
    for await (const line of createInterface({ input: child.stderr! }))
      if (line.startsWith('Listening on') && ++listening === 2) break
    child.stderr!.resume()
    assert.is((await get({ port }, '/health/live')).status, 200)
    const about = JSON.parse((await get({ socketPath: adminSocket }, '/api/about')).text) as { address: string }
    assert.is(about.address, `http://127.0.0.1:${port}`)
    assert.not.ok(existsSync(join(root, '.pellet/pellet.sock')))
    child.kill('SIGTERM')
    assert.equal(await once(child, 'exit'), [0, null])
    assert.ok(existsSync(adminSocket))
  } finally {
    child.kill('SIGKILL')
  }
})

service.run()

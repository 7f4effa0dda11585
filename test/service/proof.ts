// The unit files on a real systemd: `npm run service` (Linux, root; a minute).
import assert from 'node:assert/strict'
import { until } from '../support/process.ts'
import { smallHef } from '../support/sim-hefs.ts'
import { Machine } from './machine.ts'

const restarts = Number(process.argv[2] ?? 10)
const home = '/usr/lib/node_modules/pellet'
const url = 'http://127.0.0.1:11500'
/** Eight callers, each request on a connection of its own, until somebody has had enough. */
const callers = `
const { request } = require('node:http'), { existsSync } = require('node:fs')
let served = 0, longestMs = 0
const problems = []
const call = () => new Promise((resolve) => {
  const since = performance.now()
  const fail = (error) => resolve(problems.push(String(error)))
  request('${url}/health/live', { agent: false }, (answer) => {
    answer.resume().once('error', fail).once('end', () => {
      if (answer.statusCode !== 200) return fail(answer.statusCode)
      served++
      longestMs = Math.max(longestMs, Math.round(performance.now() - since))
      setTimeout(resolve, 10)
    })
  }).once('error', fail).end()
})
const caller = async () => { while (!existsSync('/run/enough')) await call() }
Promise.all(Array.from({ length: 8 }, caller)).then(() => console.log(JSON.stringify({ served, problems, longestMs })))`

const machine = await Machine.boot()
try {
  await step('pellet systemd install: whole, running, exposure at most 1.5', () => {
    succeed(pellet('systemd', 'install', '--yes'))
    const status = pellet('systemd', 'status', '--json')
    const { exposure } = JSON.parse(status.stdout) as { exposure: number }
    assert.ok(status.code === 0 && exposure <= 1.5, status.stdout)
    return `exposure ${exposure}, ${machine.run('systemctl', '--version').stdout.split('\n')[0]}`
  })
  await step('the first request starts it', () => {
    succeed(machine.run('systemctl', 'stop', 'pellet.service'))
    return `answered after ${get('/health/live')} s`
  })
  await step('reload: dropped functions are served, in the sandbox, by the installed models', () => {
    const copy = `cd ${home} && cp functions/depth.ts functions/scrfd.ts functions/tcn.ts /etc/pellet/functions/
      cp models/*.onnx /var/lib/pellet/models/ && systemctl reload pellet`
    succeed(machine.run('sh', '-c', copy))
    get('/v1/depth/estimate', '--form', `image=@${home}/models/samples/room_1.jpg`)
    get('/v1/detect', '--form', `image=@${home}/models/samples/faces_1.jpg`)
    get('/infer', '--header', 'content-type: application/json', '--data', `@${home}/models/samples/imu_walk.json`)
    return show('StatusText')
  })
  await step('a model that is missing is fetched in the sandbox, and pinned', async () => {
    const zoo = `cd ${home}/models && exec timeout 15 python3 -m http.server --bind 127.0.0.1 8000`
    const serving = machine.runBeside('sh', '-c', zoo)
    const manifest = `name: fetched
function: tcn
route: GET /fetched
pre: [tcn.zeros]
post: [tcn.answer]
model: { onnx: { url: 'http://127.0.0.1:8000/tcn.onnx', file: fetched.onnx } }`
    const drop = `echo 'fetch: true' >> /etc/pellet/pellet.yaml
      echo "${manifest}" > /etc/pellet/manifests/fetched.yaml; systemctl restart pellet`
    succeed(machine.run('sh', '-c', drop))
    const models = '/var/lib/pellet/models'
    const isThere = () => machine.run('sh', '-c', `cd ${models} && grep 8000/tcn.onnx pellet.lock && ls fetched.onnx`)
    await until(() => isThere().code === 0, 'the file', 15_000)
    succeed(machine.run('rm', '/etc/pellet/manifests/fetched.yaml'))
    await serving
  })
  await step('the simulated NPU is compiled and loaded in the sandbox', () => {
    const code = `import { defineFunction, step } from 'pellet'
export default defineFunction({
  manifest: { route: 'POST /npu', model: { hef: { hailo8: 'small.hef' } }, pre: ['image.decode', 'image.resize', 'tensor'], post: ['shape'] },
  steps: { shape: step.outputs((outputs) => Object.values(outputs)[0].dims) },
})`
    const drop = `echo 'hailort: simulated' >> /etc/pellet/pellet.yaml
      echo ${smallHef().toString('base64')} | base64 -d > /var/lib/pellet/models/small.hef
      echo "${code}" > /etc/pellet/functions/npu.ts; systemctl restart pellet`
    succeed(machine.run('sh', '-c', drop))
    get('/npu', '--form', `image=@${home}/models/samples/room_1.jpg`)
    const { stdout } = machine.run('sh', '-c', 'cd /var/lib/pellet/npu && ls *.so')
    succeed(machine.run('sh', '-c', "rm /etc/pellet/functions/npu.ts; sed -i '/hailort/d' /etc/pellet/pellet.yaml"))
    return stdout
  })
  await step(`${restarts} restarts under load: nobody is refused, nothing is lost`, async () => {
    const calling = machine.runBeside('node', '--eval', callers)
    for (let count = 0; count < restarts; count++) {
      // So many in so short a time would be a start limit.
      machine.run('systemctl', 'reset-failed', 'pellet.service')
      succeed(machine.run('systemctl', 'restart', 'pellet.service'))
    }
    machine.run('touch', '/run/enough')
    const { stdout } = await calling
    const { served, problems, longestMs } = JSON.parse(stdout) as Record<string, number> & { problems: string[] }
    assert.deepEqual(problems, [])
    assert.ok(served! > 0)
    return `${served} answered, the longest wait ${longestMs} ms`
  })
  await step('a main process that stands still is ended by the watchdog and comes back', async () => {
    const since = performance.now()
    await replaced('STOP')
    assert.match(machine.run('journalctl', '--no-pager', '--unit', 'pellet').stdout, /code=killed, status=6\/ABRT/)
    return `${Math.round((performance.now() - since) / 1000)} s`
  })
  await step('one that is killed comes back; who connects meanwhile waits', async () => {
    await replaced('KILL')
    return `answered after ${get('/health/live')} s`
  })
  await step('a configuration that is wrong is tried until it is right', async () => {
    machine.run('sh', '-c', 'echo nonsense: 1 >> /etc/pellet/pellet.yaml')
    assert.notEqual(machine.run('systemctl', 'restart', 'pellet.service').code, 0)
    machine.run('sed', '--in-place', '/nonsense/d', '/etc/pellet/pellet.yaml')
    return `mended, it answers after ${get('/health/live')} s`
  })
  await step('installed anew, with a socket that differs and strict limits, it answers', () => {
    machine.run('sh', '-c', 'echo "# another" >> /etc/systemd/system/pellet.socket')
    succeed(pellet('systemd', 'install', '--yes', '--limits', 'strict'))
    get('/v1/depth/estimate', '--form', `image=@${home}/models/samples/room_1.jpg`)
    return show('StatusText')
  })
  await step('uninstalled, nothing listens, and what is yours is there', () => {
    succeed(pellet('systemd', 'uninstall', '--yes'))
    assert.equal(machine.run('curl', '--silent', `${url}/health/live`).code, 7)
    succeed(machine.run('test', '-f', '/etc/pellet/pellet.yaml', '-a', '-d', '/var/lib/pellet/models'))
  })
} catch (error) {
  console.error(machine.run('journalctl', '--no-pager', '--lines', '40').stdout)
  throw error
} finally {
  await machine.end()
}

// --- internal ---

async function step(name: string, work: () => unknown): Promise<void> {
  const found = await work()
  console.log(`ok  ${name}${found === undefined ? '' : `: ${String(found)}`}`)
}

function succeed({ code, stdout, stderr }: ReturnType<Machine['run']>): void {
  assert.equal(code, 0, `${stdout}\n${stderr}`)
}

function pellet(...args: string[]) {
  return machine.run('node', `${home}/dist/runtime/cli/main.js`, ...args)
}

/** @returns seconds until a 200 */
function get(path: string, ...options: string[]): string {
  const format = ['--silent', '--show-error', '--max-time', '30', '--output', '/dev/null', '--write-out']
  const { stdout, stderr } = machine.run('curl', ...format, '%{http_code} %{time_total}', ...options, url + path)
  assert.match(stdout, /^200 /, `${path}: ${stdout} ${stderr}`)
  return stdout.slice('200 '.length)
}

function show(property: string): string {
  return machine.run('systemctl', 'show', '--property', property, '--value', 'pellet.service').stdout
}

/** Sends the main process a signal, and waits until another serves in its place. */
async function replaced(signal: string): Promise<void> {
  const before = show('MainPID')
  succeed(machine.run('kill', `-${signal}`, before))
  const isOther = () => show('ActiveState') === 'active' && show('MainPID') !== before
  await until(isOther, 'another main process', 40_000)
}

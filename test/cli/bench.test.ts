// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchRecord } from '../../runtime/cli/bench/record.ts'
import { runHere } from '../support/cli.ts'
import { pelletBin, RunningPellet, type CliResult } from '../support/pellet.ts'
import { answering, identityModel } from '../deployments/tiny.ts'

const test = suite('pellet bench')
let pellet: RunningPellet

test.before(async () => {
  const body = `
    const { fields, files } = request
    globalThis.calls = (globalThis.calls ?? 0) + 1
    if (fields.fail === 'always' || (fields.fail === 'often' && globalThis.calls % 2)) throw new Error('broke')
    if (fields.tag !== 'a' && !files.image) throw new PelletError('invalid_input', 'tag: expected a')
    return { tag: fields.tag }`
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/tagged.ts': answering(body, {
      manifest: `routes: { 'POST /v1/a': {}, 'PUT /v1/b': {} }, keep_alive: -1`,
    }),
    // At leisure: what it proves does not depend on load.
    'functions/plain.ts': answering('await new Promise((go) => setTimeout(go, 10))\n      return {}', {
      manifest: `route: 'GET /v1/plain'`,
    }),
    'a.json': '{"tag":"a"}',
    'always.json': '{"fail":"always"}',
    'often.json': '{"fail":"often","tag":"a"}',
    'photo.jpg': 'jpeg bytes',
  })
})
test.after(async () => {
  await pellet?.stop()
})

const bench = (...args: string[]): Promise<CliResult> => pellet.cli('bench', ...args, '--duration', '300ms')

test('latencies, rates and phases for each number of callers; saved and compared', async () => {
  const first = await bench('tagged', '--input', 'a.json', '--concurrency', '1,3', '--save', 'before.json')
  assert.is(first.code, 0, first.stderr)
  assert.match(
    first.stderr,
    /^tagged: the first answer took \S+; runs of 300ms, each after 60ms that are not counted$/m,
  )
  assert.match(
    first.stdout,
    /^tagged: POST \/v1\/a, a request of 11 bytes; identity on onnxruntime, revision [0-9a-f]{12}$/m,
  )
  assert.match(first.stdout, /^CALLERS +ANSWERED +PER SECOND +P50 MS +P90 MS +P99 MS +MAX MS +FAILED$/m)
  for (const callers of [1, 3]) assert.match(first.stdout, new RegExp(`^${callers} +\\d+ +\\d[\\d.]* .* -$`, 'm'))
  assert.match(first.stdout, /^CALLERS +QUEUE +LOAD +RECEIVE +PRE +WAIT +INFER +POST +REST$/m)

  const saved = JSON.parse(readFileSync(join(pellet.folder, 'before.json'), 'utf8')) as BenchRecord
  for (const run of saved.runs) {
    assert.is(run.failed, 0)
    assert.ok(run.answered > 0 && run.p50_ms > 0 && run.p50_ms <= run.p90_ms && run.p90_ms <= run.p99_ms)
    const inPhases = Object.values(run.phases_ms).reduce((sum, ms) => sum + ms, 0)
    assert.ok(Math.abs(inPhases - run.mean_ms) < 0.02, `${inPhases}, ${run.mean_ms}`)
  }

  const again = await bench('tagged', '--input', 'a.json', '-c', '3', '-H', 'X-Tag: 1', '--compare', 'before.json')
  assert.is(again.code, 0, again.stderr)
  assert.match(again.stdout, /^3 +\d+\.\d\dx +\d+\.\d\dx +\d+\.\d\dx +\d+\.\d\dx +(faster|slower|within noise)/m)
  assert.match(again.stdout, /^- another request: 11 bytes, before 11$/m)
})

test('JSON is one document on stdout; routes, forms and other types are sent as invoke sends them', async () => {
  const put = await bench('tagged', '-F', 'tag=a', '--route', '/v1/b', '-c', '1', '--json')
  assert.is(put.code, 0, put.stderr)
  const { route, runs } = JSON.parse(put.stdout) as BenchRecord
  assert.equal([route, runs.length, runs[0]!.failed], ['PUT /v1/b', 1, 0])
  const picture = JSON.parse((await bench('tagged', '-i', 'photo.jpg', '-c', '1', '--json')).stdout) as BenchRecord
  assert.equal([picture.request.bytes, picture.runs[0]!.failed], [10, 0])
  const plain = await bench('plain', '-c', '1')
  assert.is(plain.code, 0, plain.stderr)
})

test('errors are counted by code, the first is told, and only when all fail the command does', async () => {
  const often = await bench('tagged', '--input', 'often.json', '-c', '1')
  assert.is(often.code, 0, often.stderr)
  assert.match(often.stdout, /^1 +\d+ .* function_failed \d+$/m)
  assert.match(often.stdout, /^The first that failed: step answer: broke$/m)
  const always = await bench('tagged', '--input', 'always.json', '-c', '1')
  assert.is(always.code, 1)
  assert.match(always.stdout, /^1 +0 +0\.0 +- +- +- +- +function_failed \d+$/m)
  assert.match(always.stderr, /^bench: tagged: all requests failed$/m)
})

test('what is wrong is said before anything is measured', async () => {
  const cases: [string[], number, RegExp][] = [
    [['tagged'], 2, /^tagged: tag: expected a\nGive what it takes with --input FILE, or -F/m],
    [['tagged', '-F', 'tag=b'], 1, /^tagged: tag: expected a$/m],
    [['tagged', '-c', '0'], 2, /expected --concurrency as numbers from 1 to 1024 such as 1,4,16, found 0/],
    [['tagged', '-F', 'tag=a', '--input', 'a.json'], 2, /expected --form or --input, found both/],
    [['tagged', '--route', '/v1/c'], 2, /^bench: expected a route among POST \/v1\/a, PUT \/v1\/b, found \/v1\/c/m],
    [['none'], 1, /^bench: expected the name of a deployment \(.*tagged.*\), found none/m],
    [['tagged', '--compare', 'a.json'], 2, /a\.json: expected what pellet bench --save wrote, found something else/],
  ]
  for (const [args, code, message] of cases) {
    const { code: found, stdout, stderr } = await bench(...args)
    assert.is(found, code, `${args.join(' ')}: ${stderr}`)
    assert.is(stdout, '')
    assert.match(stderr, message)
  }
  const alone = await runHere(pellet.folder, ['bench', 'tagged', '--data', 'elsewhere'])
  assert.is(alone.code, 1)
  assert.match(alone.stderr, /expected a running Pellet, found none; start it with pellet start/)
})

test('Ctrl+C prints what was measured so far', async () => {
  const args = [pelletBin, 'bench', 'plain', '-c', '2', '--duration', '1h', '--save', 'never.json']
  const child = spawn(process.execPath, args, { cwd: pellet.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  await once(child.stderr, 'data')
  // Nothing tells from outside that the second of warm-up is over.
  await new Promise((resolve) => setTimeout(resolve, 2500))
  child.kill('SIGINT')
  const [code] = (await once(child, 'close')) as [number]
  assert.is(code, 1, stderr)
  assert.match(stdout, /^2 +\d+ +\d[\d.]* .* -$/m)
  assert.match(stderr, /^bench: interrupted; never\.json was not written$/m)
  assert.not(existsSync(join(pellet.folder, 'never.json')))
})

test.run()

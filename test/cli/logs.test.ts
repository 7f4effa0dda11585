// @timeout 120s
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { pelletBin, RunningPellet } from '../support/pellet.ts'

const test = suite('pellet logs')
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/plain.ts': answering('return { plain: true }'),
    'functions/sad.ts': answering(`throw new Error('no such luck')`),
    'manifests/waiting.yaml': 'model: { onnx: nothing.onnx }\npre: [image.decode, tensor]\npost: [argmax]\n',
  })
})
test.after(async () => {
  await pellet?.stop('SIGKILL')
})

test('prints what pellet start printed, for programs', async () => {
  const { code, stdout } = await pellet.cli('logs', '--json')
  assert.is(code, 0)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(lines, pellet.log)
  assert.equal((await pellet.cli('logs', '--json', '-n', '1')).stdout.trim().split('\n').length, 1)
})

test('prints it for people, of one deployment alone', async () => {
  const { stdout } = await pellet.cli('logs', 'waiting')
  assert.match(stdout, /^\[\d\d:\d\d:\d\d\] WARN: waiting: not deployed, its model is missing: .*\n$/)
  assert.match(
    (await pellet.cli('logs', 'plain')).stdout,
    /^\[\d\d:\d\d:\d\d\] INFO: plain: deployed .*"routes":\["POST/,
  )
})

test('an unknown name is refused with those that are known, a wrong number before anything is asked', async () => {
  const { code, stdout, stderr } = await pellet.cli('logs', 'plane')
  assert.equal([code, stdout], [1, ''])
  assert.match(stderr, /^deployment: expected one of plain, sad, waiting, found "plane"\n$/)
  assert.is((await pellet.cli('logs', '-n', 'all')).code, 2)
})

test('follows: new lines come as they are printed; Ctrl+C ends it well', async () => {
  const follower = follow(['sad'])
  await follower.line(/sad: deployed/)
  assert.is((await pellet.post('/v1/sad', {})).status, 500)
  await follower.line(/sad: the function failed/)
  follower.child.kill('SIGINT')
  assert.equal(await follower.end(), { code: 0, stderr: '' })
})

test('says so when Pellet is gone without a word', async () => {
  const other = await RunningPellet.start({
    'models/identity.onnx': identityModel(),
    'functions/plain.ts': answering('return {}'),
  })
  const follower = follow([], other.folder)
  await follower.line(/listening on/)
  await other.stop('SIGKILL')
  const { code, stderr } = await follower.end()
  assert.is(code, 1)
  assert.match(stderr, /^logs: Pellet has ended without a word/)
})

test('ends when its reader has enough', async () => {
  const command = `"${process.execPath}" "${pelletBin}" logs -f --json | head -1`
  const child = spawn('bash', ['-o', 'pipefail', '-c', command], {
    cwd: pellet.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  // No further line comes, that would show it that nobody reads any more.
  const stderr = once(child.stderr, 'data').then(String)
  assert.equal(await Promise.race([ended, stderr]), [0, null])
})

test('ends well when Pellet stops, which does not wait for it', async () => {
  const follower = follow()
  await follower.line(/listening on/)
  const startedAt = performance.now()
  assert.is(await pellet.stop(), 0)
  assert.ok(performance.now() - startedAt < 9000, 'the grace time of 10 s was not used up')
  await follower.line(/stopping \(SIGTERM\)/)
  assert.equal(await follower.end(), { code: 0, stderr: 'Pellet has stopped.\n' })
})

test.run()

// --- internal ---

/** A `pellet logs -f` and the lines that it prints. */
function follow(args: string[] = [], cwd = pellet.folder) {
  const child = spawn(process.execPath, [pelletBin, 'logs', '-f', ...args], { cwd })
  const closed = once(child, 'close')
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  const lines: string[] = []
  let onLine = () => {}
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    onLine()
  })
  return {
    child,
    line: async (pattern: RegExp) => {
      while (!lines.some((line) => pattern.test(line))) {
        const isOver = await Promise.race([
          closed.then(() => true),
          new Promise<false>((resolve) => (onLine = () => resolve(false))),
        ])
        if (isOver && !lines.some((line) => pattern.test(line)))
          throw new Error(`no ${pattern} in ${lines.join('\n')}${stderr}`)
      }
    },
    end: async () => ({ code: (await closed)[0] as number | null, stderr }),
  }
}

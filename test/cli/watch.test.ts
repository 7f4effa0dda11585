// @timeout 120s
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createProject, pelletBin, RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'

const test = suite('pellet ps --watch')
const folder = createProject({ 'models/identity.onnx': identityModel(), 'functions/one.ts': answering('return {}') })
let pellet: RunningPellet

test.before(async () => {
  pellet = await RunningPellet.start(folder)
})
test.after(async () => {
  await pellet.stop('SIGKILL')
})

test('it goes on over a restart and says so; a line of JSON each time; Ctrl+C ends it well', async () => {
  const child = spawn(process.execPath, [pelletBin, 'ps', '--watch', '--json', '--interval', '100ms'], { cwd: folder })
  const rows: { name: string; state: string }[][] = []
  const notes: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => rows.push(JSON.parse(line)))
  createInterface({ input: child.stderr }).on('line', (line) => notes.push(line))
  const ended = once(child, 'exit')
  await until(() => rows.length >= 2, 'two lines')
  assert.equal(
    rows[0]!.map(({ name, state }) => [name, state]),
    [['one', 'cold']],
  )
  await pellet.stop()
  await until(() => notes.length === 1, 'a note')
  assert.match(
    notes[0]!,
    /^\d\d:\d\d:\d\d Pellet does not answer; waiting for it \(.*(expected a running Pellet|connection closed|shutting down)/,
  )
  pellet = await RunningPellet.start(folder)
  await until(() => notes.length === 2, 'another note')
  assert.match(notes[1]!, /^\d\d:\d\d:\d\d Pellet was started anew\.$/)
  const before = rows.length
  await until(() => rows.length > before, 'a line of the new one')
  child.kill('SIGINT')
  assert.equal(await ended, [0, null])
  assert.is(notes.length, 2, notes.join('\n'))
})

test('a terminal has it in one place; who reads no more ends it', async () => {
  // A shell that waits for it would be ended by the Ctrl+C itself.
  const command = `exec ${process.execPath} ${pelletBin} ps --watch --interval 100ms`
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
  const ended = once(child, 'exit')
  await until(() => shown.split('NAME').length > 3, 'three tables')
  // Two lines up and all below is gone: the heading, and the one deployment.
  assert.match(shown.replaceAll('\x1b', '^'), /^\^\[JNAME +STATE.*\r\none +cold.*\r\n\^\[2A\r\^\[JNAME/)
  child.stdin.write('\x03')
  assert.equal(await ended, [0, null])

  const head = spawn('sh', ['-c', `${command} | head -n 1`], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  assert.equal(await once(head, 'exit'), [0, null])
})

test('who asks for nobody is told at once', async () => {
  const { code, stderr } = await pellet.cli('ps', '--watch', '--to', 'http://127.0.0.1:1')
  assert.equal([code, /nothing that listens/.test(stderr)], [1, true], stderr)
  assert.is((await pellet.cli('ps', '--interval', '5s')).code, 2)
  const tooShort = await pellet.cli('ps', '--watch', '--interval', '1ms')
  assert.is(tooShort.code, 2)
  assert.match(tooShort.stderr, '100ms at least, found "1ms"')
})

test.run()

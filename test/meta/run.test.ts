import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isAlive } from '../support/processes.ts'
import { projectRoot } from '../support/root.ts'

const runner = suite('test runner')

runner('is green, counts what was skipped and ends with the sums', async () => {
  const { code, output, lastLine } = await run({ files: ['green'] })
  assert.is(code, 0, output)
  assert.is(lastLine, '1 passed, 0 failed, 1 skipped')
  assert.match(output, /ok +\d+\.\d s {2}test\/green\.test\.ts {2}1 passed, 1 skipped/)
})

runner('says nothing of skipped tests where there are none', async () => {
  const { code, lastLine } = await run({ files: ['busy'] })
  assert.is(code, 0)
  assert.is(lastLine, '1 passed, 0 failed')
})

runner('takes a file as green whose tests are all skipped', async () => {
  const { code, lastLine } = await run({ files: ['all-skipped'] })
  assert.is(code, 0)
  assert.is(lastLine, '0 passed, 0 failed, 1 skipped')
})

runner('shows the output of a file that fails', async () => {
  const { code, output, lastLine } = await run({ files: ['failing', 'green'] })
  assert.is(code, 1)
  assert.match(output, /FAIL .*test\/failing\.test\.ts {2}1 passed, 1 failed/)
  assert.match(output, /\| +what went wrong/)
  assert.is(lastLine, '2 passed, 1 failed, 1 skipped')
})

const redFiles: Record<string, RegExp> = {
  before: /1 of 1 tests failed \(a hook threw/,
  'after-each': /2 of 2 tests failed \(a hook threw/,
  'never-run': /2 suites and 1 calls of \.run\(\)/,
  'no-tests': /ran no test at all/,
  'two-batches': /1 of 2 tests failed/,
  only: /\.only\( leaves the other tests out/,
  exits: /ended with exit code 1/,
  endless: /ran longer than its 1 s and was killed/,
  'open-server': /did not end within 0\.5 s of its last test/,
  'leaves-child': /left process \d+ behind: .*setTimeout/,
  'leaves-daemon': /left process \d+ behind: .*setTimeout/,
  'leaves-file': /left files behind in os\.tmpdir\(\): crumbs\.txt/,
}
/** Each on its own would prove the same: what a file is told is in its own lines. */
let redRun: ReturnType<typeof run> | undefined
for (const [name, reason] of Object.entries(redFiles)) {
  runner(`is red for a file like fixtures/${name}`, async () => {
    redRun ??= run({ files: [...Object.keys(redFiles), 'green'], env: { PELLET_TEST_LINGER_MS: '500' } })
    const { code, output, lastLine } = await redRun
    assert.is(code, 1, output)
    const own = output.split(/^(?=FAIL |ok {4})/m).find((part) => part.includes(` test/${name}.test.ts `))!
    assert.match(own, /^FAIL /)
    assert.match(own, reason)
    assert.match(own.split('\n')[0]!, / [1-9]\d* failed/)
    assert.match(output, new RegExp(`^Red: .*test/${name}\\.test\\.ts`, 'm'))
    assert.match(output, /^ok .* test\/green\.test\.ts /m)
    assert.match(lastLine, / [1-9]\d* failed/)
  })
}

runner('kills what a file has left behind', async () => {
  const { output } = await run({ files: ['leaves-child', 'leaves-daemon'] })
  const pids = [...output.matchAll(/left process (\d+) behind/g)].map((match) => Number(match[1]))
  assert.is(pids.length, 2)
  assert.equal(pids.filter(isAlive), [])
})

runner('is red when a source has not been compiled', async () => {
  const { code, output } = await run({ files: ['green'], compiled: false })
  assert.is(code, 1)
  assert.match(output, /green\.test\.js is not there: compile first/)
})

runner('is red when no file is there or matches', async () => {
  assert.is((await run({ files: [] })).code, 1)
  const { code, output } = await run({ files: ['green'], args: ['no-such-file'] })
  assert.is(code, 1)
  assert.match(output, /No test file in .* matches no-such-file/)
})

runner('runs only the files whose path has one of the arguments in it', async () => {
  const { code, lastLine } = await run({ files: ['green', 'failing', 'busy'], args: ['gree', 'busy'] })
  assert.is(code, 0)
  assert.is(lastLine, '2 passed, 0 failed, 1 skipped')
})

runner('lets .only pass while single files are being worked on', async () => {
  assert.is((await run({ files: ['only'], args: ['only'] })).code, 0)
})

runner('runs files side by side', async () => {
  const { code, output } = await run({ files: ['meets-one', 'meets-two'], args: ['--jobs', '2'] })
  assert.is(code, 0, output)
})

runner('runs a file alone that asks for it', async () => {
  const { code, output } = await run({ files: ['alone', 'busy'], args: ['--jobs', '2'] })
  assert.is(code, 0, output)
})

runner('refuses a number of jobs that is none', async () => {
  assert.is((await run({ files: ['green'], args: ['--jobs', 'many'] })).code, 2)
})

runner.run()

// --- internal ---

interface RunOptions {
  files: string[]
  args?: string[]
  env?: Record<string, string>
  compiled?: boolean
}

/** Makes a small project of the named fixtures and runs the runner on it. */
async function run({ files, args = [], env = {}, compiled = true }: RunOptions) {
  const root = mkdtempSync(join(tmpdir(), 'r-'))
  try {
    for (const folder of ['test', 'dist/test']) mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
    symlinkSync(join(projectRoot, 'node_modules'), join(root, 'node_modules'))
    for (const name of files) {
      const fixture = join(projectRoot, 'test/meta/fixtures', `${name}.mjs`)
      cpSync(fixture, join(root, 'test', `${name}.test.ts`))
      if (compiled) cpSync(fixture, join(root, 'dist/test', `${name}.test.js`))
    }
    const script = join(projectRoot, 'dist/test/run.js')
    const child = spawn(process.execPath, [script, '--root', root, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    return { code, output, lastLine: output.trimEnd().split('\n').at(-1) ?? '' }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

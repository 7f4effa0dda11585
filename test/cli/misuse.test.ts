// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProject, runCli } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('the command line without a running Pellet')
const names = ['start', 'dev', 'list', 'ps', 'invoke', 'load', 'unload', 'validate', 'inspect', 'new', 'logs']
const folder = createProject({ 'bad.yaml': 'port: 99999\n', 'broken.yaml': 'port: [1\n', 'key.yaml': 'prot: 1\n' })

interface Case {
  args: string[]
  code: number
  stderr?: RegExp
  stdout?: RegExp
  env?: Record<string, string>
}

const cases: Case[] = [
  { args: [], code: 2, stderr: /Usage: pellet <command>/ },
  { args: ['--help'], code: 0, stdout: /Usage: pellet <command>[^]*\n {2}start +Serve/ },
  { args: ['-h'], code: 0, stdout: /Usage: pellet <command>/ },
  { args: ['help'], code: 0, stdout: /Usage: pellet <command>/ },
  { args: ['help', 'load'], code: 0, stdout: /Usage: pellet load <name> \[options\]/ },
  { args: ['strat'], code: 2, stderr: /^expected a command \(start, .*\), found strat; did you mean start\?/ },
  { args: ['constructor'], code: 2, stderr: /^expected a command/ },
  { args: ['--port', '5'], code: 2, stderr: /^expected a command/ },
  {
    args: ['ps', '--bogus'],
    code: 2,
    stderr: /^ps: expected a flag among --root, .*, found --bogus\nTry: pellet ps --help/,
  },
  { args: ['ps', '--jsno'], code: 2, stderr: /did you mean --json\?/ },
  { args: ['start', '--bogus', '3'], code: 2, stderr: /found --bogus/ },
  { args: ['start', '-x'], code: 2, stderr: /found -x/ },
  {
    args: ['invoke', 'depth', '--json', '{}'],
    code: 2,
    stderr: /^invoke: expected a flag among .*--body.*found --json/,
  },
  { args: ['start', '--port'], code: 2, stderr: /^start: expected a value after --port, found none/ },
  { args: ['start', '--host', '--port', '5'], code: 2, stderr: /^start: expected a value after --host, found none/ },
  { args: ['start', 'now'], code: 2, stderr: /^start: expected no arguments, found 1/ },
  { args: ['load', 'a', 'b'], code: 2, stderr: /^load: expected 1 argument, found 2/ },
  { args: ['load'], code: 2, stderr: /^load: .*name[^]*Try: pellet load --help/i },
  { args: ['invoke'], code: 2, stderr: /^invoke: .*name/i },
  { args: ['validate'], code: 1, stderr: /: expected manifests or function files, found none\n$/ },
  { args: ['start', '--port', 'boom'], code: 2, stderr: /^--port: expected a port from 0 to 65535, found "boom"/ },
  {
    args: ['dev', '--inspect', 'a', '--inspect-port', '0'],
    code: 2,
    stderr: /^dev: --inspect-port: expected a port from 1/,
  },
  {
    args: ['dev', '--inspect-port', '9230'],
    code: 2,
    stderr: /^dev: --inspect-port: expected --inspect with the name/,
  },
  { args: ['start', '--port='], code: 2, stderr: /^--port: expected a port/ },
  { args: ['start', '--memory', 'much'], code: 2, stderr: /^--memory: expected a size such as 2GB, found "much"/ },
  { args: ['start', '--log-level', 'loud'], code: 2, stderr: /^--log-level: expected one of trace, .*, found "loud"/ },
  {
    args: ['start', '--host', '0.0.0.0', '--port', '0'],
    code: 2,
    stderr: /^host: expected a loopback address, found 0\.0\.0\.0\. Make a token first .*--public/,
  },
  { args: ['start', '--host', '::', '--port', '0'], code: 2, stderr: /--public/ },
  { args: ['start', '--host', '127.0.0.1.example.com'], code: 2, stderr: /--public/ },
  { args: ['start', '--root', 'nowhere'], code: 2, stderr: /nowhere: expected a project folder, found none/ },
  {
    args: ['ps', '--config', 'nothing.yaml'],
    code: 2,
    stderr: /nothing\.yaml: expected a configuration file, found none/,
  },
  {
    args: ['ps', '--config', 'bad.yaml'],
    code: 2,
    stderr: /bad\.yaml: port: expected a port from 0 to 65535, found 99999/,
  },
  { args: ['ps', '--config', 'broken.yaml'], code: 2, stderr: /broken\.yaml: expected YAML, found: .*line 2/ },
  { args: ['ps', '--config', 'key.yaml'], code: 2, stderr: /key\.yaml: prot: unknown key.*port/ },
  {
    args: ['ps'],
    env: { PELLET_PORT: 'x' },
    code: 2,
    stderr: /^PELLET_PORT: expected a port from 0 to 65535, found "x"/,
  },
  { args: ['start'], env: { PELLET_HOST: '10.0.0.1' }, code: 2, stderr: /found 10\.0\.0\.1\. .*--public/ },
]
for (const args of [['list'], ['ps'], ['load', 'x'], ['unload', 'x'], ['invoke', 'x'], ['ps', '--json']])
  cases.push({
    args,
    code: 1,
    stderr:
      /pellet\.sock: expected a running Pellet, found none; start it with pellet start, or name one elsewhere with --to\n$/,
  })
for (const name of names)
  cases.push({
    args: [name, '--help'],
    code: 0,
    stdout: new RegExp(`^Usage: pellet ${name}[^]* \\[options\\]\\n\\n[^]*--(root <folder>|json) `),
  })

// Two at a time: each is a process.
const results = new Map<Case, ReturnType<typeof runCli>>()
let last: Promise<unknown>[] = []
for (const [index, one] of cases.entries()) {
  const run = Promise.resolve(last[index % 2]).then(() => runCli(folder, one.args, one.env))
  last[index % 2] = run
  results.set(one, run)
}

for (const one of cases)
  test(`pellet ${one.args.join(' ')}${one.env ? ` with ${JSON.stringify(one.env)}` : ''} ends with ${one.code}`, async () => {
    const { code, stdout, stderr } = await results.get(one)!
    assert.is(code, one.code, stderr)
    if (one.stdout) assert.match(stdout, one.stdout)
    else assert.is(stdout, '')
    if (one.stderr) assert.match(stderr, one.stderr)
    else assert.is(stderr, '')
    // oxlint-disable-next-line no-control-regex
    assert.not.match(stdout + stderr, /\u001B|undefined|    at /)
  })

test('--version is the package’s', async () => {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
  for (const flag of ['--version', '-v'])
    assert.equal(await runCli(folder, [flag]), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('all commands stand in the usage, with what they are for', async () => {
  const { stdout } = await runCli(folder, ['--help'])
  for (const name of names) assert.match(stdout, new RegExp(`^ {2}${name} +[A-Z].{10}`, 'm'))
})

test.run()

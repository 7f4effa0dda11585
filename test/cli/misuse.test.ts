// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ArgsDef } from 'citty'
import { commands, examples, groups } from '../../runtime/cli/command-table.ts'
import { runHere } from '../support/cli.ts'
import { createProject, runCli, type CliResult } from '../support/pellet.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('the command line without a running Pellet')
const folder = createProject({
  'manifest.yaml': '',
  'bad.yaml': 'port: 99999\n',
  'broken.yaml': 'port: [1\n',
  'key.yaml': 'prot: 1\n',
})

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
  { args: ['deploy'], code: 2, stderr: /^deploy: expected manifest or function files, found none\nTry: / },
  { args: ['rollback', 'x', 'fff'], code: 2, stderr: /^rollback: expected a revision .* 4 to 64 .*, found fff\n$/ },
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
for (const one of cases)
  test(`pellet ${one.args.join(' ')}${one.env ? ` with ${JSON.stringify(one.env)}` : ''} ends with ${one.code}`, async () => {
    check(one, await runHere(folder, one.args, one.env))
  })

for (const [name, load] of Object.entries(commands))
  test(`pellet ${name}: its help, its flags, words too many and too few, and nobody to ask`, async () => {
    const command = await load()
    const args = Object.entries((command.args ?? {}) as ArgsDef)
    const words = args.filter(([, { type }]) => type === 'positional')
    const help = await runHere(folder, [name, '--help'])
    check({ args: [name, '--help'], code: 0, stdout: /./ }, help)
    assert.match(help.stdout, new RegExp(`^Usage: pellet ${name}[^]* \\[options\\]\\n\\n[A-Z].{10}`))
    for (const [key, definition] of args) {
      if (definition.type === 'positional') continue
      const { default: value, alias } = definition as { default?: unknown; alias?: string }
      const line = help.stdout
        .split('\n')
        .find((one) => new RegExp(`^ {2}(${alias?.length === 1 ? `-${alias}, ` : ' {4}'})--(no-)?${key}\\b`).test(one))
      assert.ok(line, `--${key} stands in the help`)
      assert.match(line!, / {2}[A-Z].{4}/, `--${key} is explained`)
      if (value !== undefined && value !== true) assert.match(line!, `default: ${String(value)}`)
    }
    if (examples[name]) for (const example of examples[name]!) assert.match(example, new RegExp(`^pellet ${name}\\b`))

    const needed = words.filter(([key, { required }]) => required !== false && key !== 'files').map(() => 'x')
    const wrong = await runHere(folder, [name, ...needed, '--nonsense'])
    check({ args: [], code: 2, stderr: new RegExp(`^${name}: expected a flag among .*, found --nonsense`) }, wrong)
    if (needed.length > 0)
      check(
        { args: [], code: 2, stderr: new RegExp(`^${name}: .*[^]*Try: pellet ${name} --help`) },
        await runHere(folder, [name]),
      )
    if (!words.some(([key]) => key === 'files')) {
      const many = await runHere(folder, [name, ...words.map(() => 'x'), 'y'])
      check(
        {
          args: [],
          code: 2,
          stderr: new RegExp(`^${name}: expected (no|${words.length}) arguments?, found ${words.length + 1}`),
        },
        many,
      )
    }
  })

/** What they need to come as far as to ask. */
const askers: Record<string, string[]> = {
  deploy: ['manifest.yaml'],
  ...Object.fromEntries(
    ['history', 'rollback', 'delete', 'load', 'unload', 'invoke', 'bench'].map((name) => [name, ['x']]),
  ),
  list: [],
  ps: [],
  logs: [],
  cache: ['stats'],
}
test('every command that can ask a Pellet elsewhere says where it has found none', async () => {
  for (const [name, load] of Object.entries(commands)) {
    if (!('to' in ((await load()).args ?? {}))) continue
    assert.ok(askers[name], `${name} is in this table`)
    const socket = await runHere(folder, [name, ...askers[name]!])
    const none =
      /pellet\.sock: expected a running Pellet, found none; start it with pellet start, or name one elsewhere with --to\n$/
    check({ args: [name], code: 1, stderr: none }, socket)
    const env = { PELLET_TO: 'http://127.0.0.1:1', PELLET_TOKEN: 'secret' }
    const remote = await runHere(folder, [name, ...askers[name]!], env)
    check(
      {
        args: [name],
        code: 1,
        stderr: /^http:\/\/127\.0\.0\.1:1: expected a running Pellet, found nothing that listens/,
      },
      remote,
    )
    assert.not.match(remote.stderr, 'secret')
  }
})

// What only a process shows: codes, streams, and that nothing holds it open.
const processes: Case[] = [
  { args: [], code: 2, stderr: /Usage: pellet <command>/ },
  { args: ['--help'], code: 0, stdout: /Usage: pellet <command>[^]*\n {2}start +Serve/ },
  { args: ['ps', '--json'], code: 1, stderr: /expected a running Pellet/ },
  { args: ['start', '--port', 'boom'], code: 2, stderr: /^--port: expected a port from 0 to 65535, found "boom"/ },
]
for (const one of processes)
  test(`the process of pellet ${one.args.join(' ')} ends with ${one.code}`, async () => {
    check(one, await runCli(folder, one.args))
  })

// They differ in nothing but what was run here: one of a few kinds is enough.
for (const name of ['ps', 'start', 'deploy', 'new'])
  test(`the processes of pellet ${name} help and refuse as they do here`, async () => {
    const lines = [
      [name, '--help'],
      [name, '--nonsense'],
    ]
    const found = await Promise.all(lines.map((args) => runCli(folder, args)))
    for (const [i, args] of lines.entries()) assert.equal(found[i], await runHere(folder, args), args.join(' '))
    assert.equal(
      found.map(({ code }) => code),
      [0, 2],
    )
  })

test('--version is the package’s', async () => {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'))
  for (const flag of ['--version', '-v'])
    assert.equal(await runHere(folder, [flag]), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('all commands stand in the usage, with what they are for', async () => {
  const { stdout } = await runHere(folder, ['--help'])
  assert.equal(Object.values(groups).flat().sort(), Object.keys(commands).sort())
  for (const name of Object.keys(commands)) assert.match(stdout, new RegExp(`^ {2}${name} +[A-Z].{10}`, 'm'))
})

test.run()

// --- internal ---

function check({ args, code, stdout, stderr }: Case, found: CliResult): void {
  assert.is(found.code, code, `${args.join(' ')}: ${found.stderr}`)
  if (stdout) assert.match(found.stdout, stdout)
  else assert.is(found.stdout, '')
  if (stderr) assert.match(found.stderr, stderr)
  else assert.is(found.stderr, '')
  // oxlint-disable-next-line no-control-regex
  assert.not.match(found.stdout + found.stderr, /\u001B|undefined|    at /)
}

#!/usr/bin/env node
import { runCommand, type CommandDef } from 'citty'
import { didYouMean } from '../manifest/closest.ts'
import { CliError } from './cli-error.ts'
import { checkFlags } from './flags.ts'

const commands: Record<string, () => Promise<CommandDef<any>>> = {
  start: () => import('./commands/start.ts').then((module) => module.default),
  dev: () => import('./commands/dev.ts').then((module) => module.default),
  deploy: () => import('./commands/deploy.ts').then((module) => module.default),
  history: () => import('./commands/history.ts').then((module) => module.default),
  rollback: () => import('./commands/rollback.ts').then((module) => module.default),
  delete: () => import('./commands/delete.ts').then((module) => module.default),
  list: () => import('./commands/list.ts').then((module) => module.default),
  ps: () => import('./commands/ps.ts').then((module) => module.default),
  logs: () => import('./commands/logs.ts').then((module) => module.default),
  invoke: () => import('./commands/invoke.ts').then((module) => module.default),
  load: () => import('./commands/load.ts').then((module) => module.load),
  unload: () => import('./commands/load.ts').then((module) => module.unload),
  cache: () => import('./commands/cache.ts').then((module) => module.default),
  token: () => import('./commands/token.ts').then((module) => module.default),
  bench: () => import('./commands/bench.ts').then((module) => module.default),
  validate: () => import('./commands/validate.ts').then((module) => module.default),
  new: () => import('./commands/new.ts').then((module) => module.default),
  inspect: () => import('./commands/inspect.ts').then((module) => module.default),
}

const examples: Record<string, string[]> = {
  dev: ['pellet dev', 'pellet dev --inspect depth'],
  start: ['pellet start', 'pellet start --root /srv/models --port 8080'],
  invoke: [
    'pellet invoke depth -F image=@photo.jpg -F colormap=turbo -o depth.png',
    'pellet invoke tcn -d @window.json',
    `pellet invoke tags -d '{"image": "...", "top": 3}' --route /v1/tags`,
  ],
  cache: ['pellet cache stats', 'pellet cache stats depth --json', 'pellet cache clear depth'],
  logs: ['pellet logs -f', 'pellet logs depth -n 20', 'pellet logs --json | jq .msg'],
  token: ['pellet token create --name laptop --scope deploy', 'pellet token list', 'pellet token revoke laptop'],
  bench: [
    'pellet bench depth -F image=@photo.jpg',
    'pellet bench tcn --input window.json --concurrency 1,4,16 --duration 10s --save before.json',
    'pellet bench tcn --input window.json --compare before.json',
  ],
  deploy: [
    'pellet deploy manifests/depth.yaml',
    'pellet deploy manifests/*.yaml --to http://pi.local:11500',
    'pellet deploy functions/tags.ts --dry-run',
  ],
  history: ['pellet history depth', 'pellet history depth --json --to http://pi.local:11500'],
  rollback: ['pellet rollback depth', 'pellet rollback depth 3f2a9c'],
  delete: ['pellet delete depth'],
  validate: ['pellet validate', 'pellet validate manifests/depth.yaml functions/tags.ts'],
  new: ['pellet new tags --model ~/mobilenet.onnx', 'pellet new detector faces', 'pellet new classifier tags'],
  inspect: ['pellet inspect models/depth.onnx', 'pellet inspect models/hailo8/depth.hef --json'],
}

process.exitCode = await run(process.argv.slice(2))

// --- internal ---

/** Exit codes: 0 well, 1 failed, 2 misused. citty's own runMain knows only 0 and 1 and prints usage to stdout. */
async function run(args: string[]): Promise<number> {
  const [name = '', ...rest] = args
  if (name === '--version' || name === '-v') return version()
  const wantsHelp = (arg: string | undefined) => arg === '--help' || arg === '-h'
  if (name === '' || wantsHelp(name) || (name === 'help' && rest.length === 0)) {
    const { mainUsage } = await import('./usage.ts')
    console[name === '' ? 'error' : 'log'](await mainUsage(commands))
    return name === '' ? 2 : 0
  }
  if (name === 'help') return run([rest[0]!, '--help'])
  if (!Object.hasOwn(commands, name)) {
    const names = Object.keys(commands)
    const hint = didYouMean(name, names)
    return misused(`expected a command (${names.join(', ')}), found ${name}${hint ? `; ${hint}` : ''}`)
  }
  const command = await commands[name]!()
  if (rest.slice(0, indexOrEnd(rest, '--')).some(wantsHelp)) {
    const { commandUsage } = await import('./usage.ts')
    console.log(commandUsage(name, command, examples[name]))
    return 0
  }
  try {
    checkFlags(name, command, rest)
    await runCommand(command, { rawArgs: rest })
    return 0
  } catch (error) {
    if (error instanceof CliError) {
      if (error.message !== '') console.error(error.message)
      return error.exitCode
    }
    if (error instanceof Error && error.name === 'CLIError') return misused(`${name}: ${error.message}`, name)
    console.error(error instanceof Error ? error.message : error)
    return 1
  }
}

async function version(): Promise<number> {
  const { readVersion } = await import('../version.ts')
  console.log(readVersion())
  return 0
}

function misused(message: string, name?: string): number {
  console.error(`${message}\nTry: pellet ${name ? `${name} ` : ''}--help`)
  return 2
}

function indexOrEnd(list: string[], item: string): number {
  const index = list.indexOf(item)
  return index === -1 ? list.length : index
}

#!/usr/bin/env node
import { defineCommand, renderUsage, runCommand, type CommandDef } from 'citty'
import { CliError } from './cli-error.ts'
import { checkFlags } from './flags.ts'

const commands: Record<string, () => Promise<CommandDef<any>>> = {
  start: () => import('./commands/start.ts').then((module) => module.default),
  list: () => import('./commands/list.ts').then((module) => module.default),
  ps: () => import('./commands/ps.ts').then((module) => module.default),
  invoke: () => import('./commands/invoke.ts').then((module) => module.default),
  load: () => import('./commands/load.ts').then((module) => module.default),
  unload: () => import('./commands/unload.ts').then((module) => module.default),
  validate: () => import('./commands/validate.ts').then((module) => module.default),
}

const main = defineCommand({
  meta: { name: 'pellet', description: 'Runs models as functions: on demand, on the NPU or the CPU.' },
  subCommands: commands,
})

process.exitCode = await run(process.argv.slice(2))

// --- internal ---

/** Exit codes: 0 well, 1 failed, 2 misused. citty's own runMain knows only 0 and 1 and prints usage to stdout. */
async function run(args: string[]): Promise<number> {
  const [name = '', ...rest] = args
  if (name === '--version' || name === '-v') {
    const { readFileSync } = await import('node:fs')
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    console.log(version)
    return 0
  }
  const wantsHelp = (arg: string | undefined) => arg === '--help' || arg === '-h'
  if (name === '' || wantsHelp(name)) {
    console.log(await renderUsage(main))
    return name === '' ? 2 : 0
  }
  const load = commands[name]
  if (!load)
    return misused(`${name}: expected a command (${Object.keys(commands).join(', ')}), found none of that name`)
  const command = await load()
  if (rest.slice(0, indexOrEnd(rest, '--')).some(wantsHelp)) {
    console.log(await renderUsage(command, main))
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
    if (error instanceof Error && error.name === 'CLIError') return misused(`${name}: ${error.message}`)
    console.error(error instanceof Error ? error.message : error)
    return 1
  }
}

function misused(message: string): number {
  console.error(`${message}\nTry: pellet --help`)
  return 2
}

function indexOrEnd(list: string[], item: string): number {
  const index = list.indexOf(item)
  return index === -1 ? list.length : index
}

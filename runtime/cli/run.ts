import { runCommand } from 'citty'
import { didYouMean } from '../manifest/closest.ts'
import { CliError } from './cli-error.ts'
import { commands, examples } from './command-table.ts'
import { checkFlags } from './flags.ts'

/** One command line. Returns its exit code: 0 well, 1 failed, 2 misused. citty's own runMain knows only 0 and 1 and prints usage to stdout. */
export async function run(args: string[]): Promise<number> {
  const [name = '', ...rest] = args
  if (name === '--version' || name === '-v') return version()
  const wantsHelp = (arg: string | undefined) => arg === '--help' || arg === '-h'
  if (name === '' || wantsHelp(name) || (name === 'help' && rest.length === 0)) {
    const { mainUsage } = await import('./usage.ts')
    console[name === '' ? 'error' : 'log'](await mainUsage())
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
    console.error(error instanceof Error ? (deniedText(error) ?? error.message) : error)
    return 1
  }
}

// --- internal ---

/** Of a file that belongs to somebody else, e.g. to the user of an installed Pellet. */
function deniedText({ code, path }: NodeJS.ErrnoException): string | undefined {
  if (code !== 'EACCES' || path === undefined) return undefined
  return `${path}: expected a file or folder that this user may open, found another user's; use sudo`
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

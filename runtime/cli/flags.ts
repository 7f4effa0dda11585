import type { ArgsDef, CommandDef } from 'citty'
import { didYouMean } from '../manifest/closest.ts'
import { CliError } from './cli-error.ts'

/** Refuses flags that a command does not have, values that are missing, and words too many: citty takes them silently. */
export function checkFlags(name: string, command: CommandDef<any>, rawArgs: string[]): void {
  const args = (command.args ?? {}) as ArgsDef
  const flags = new Map<string, Flag>()
  let positionals = 0
  let isOpen = false
  for (const [key, definition] of Object.entries(args)) {
    if (definition.type === 'positional') {
      positionals++
      isOpen ||= key === 'files'
      continue
    }
    flags.set(`--${key}`, definition)
    if (definition.type === 'boolean') flags.set(`--no-${key}`, definition)
    for (const alias of [(definition as { alias?: string | string[] }).alias ?? []].flat())
      flags.set(alias.length === 1 ? `-${alias}` : `--${alias}`, definition)
  }
  let words = 0
  for (let i = 0; i < rawArgs.length; i++) {
    const arg = rawArgs[i]!
    if (arg === '--') break
    if (!arg.startsWith('-') || arg === '-') {
      words++
      continue
    }
    const [flag = '', value] = splitOnce(arg, '=')
    const definition = flags.get(flag)
    if (!definition) {
      const known = [...flags.keys()].filter((key) => isWorthNaming(key, flags.get(key)!))
      const hint = didYouMean(flag, known)
      throw new CliError(
        `${name}: expected a flag among ${known.join(', ')}, found ${flag}${hint ? `; ${hint}` : ''}\nTry: pellet ${name} --help`,
        2,
      )
    }
    if (definition.type !== 'boolean' && value === undefined) {
      // A value may begin with a minus (keep_alive -1), a flag's name may not be one.
      const next = rawArgs[++i]
      if (next === undefined || flags.has(splitOnce(next, '=')[0]!))
        throw new CliError(`${name}: expected a value after ${flag}, found none`, 2)
    }
  }
  if (!isOpen && words > positionals)
    throw new CliError(
      `${name}: expected ${positionals || 'no'} argument${positionals === 1 ? '' : 's'}, found ${words}`,
      2,
    )
}

/** All values of a flag that may be given many times; citty keeps the last only. */
export function repeated(rawArgs: string[], ...names: string[]): string[] {
  const values: string[] = []
  for (let i = 0; i < rawArgs.length; i++) {
    if (rawArgs[i] === '--') break
    const [flag = '', value] = splitOnce(rawArgs[i]!, '=')
    if (names.includes(flag)) values.push(value ?? rawArgs[++i] ?? '')
  }
  return values
}

// --- internal ---

interface Flag {
  type?: string | undefined
  default?: unknown
}

/** Of a pair `--x` and `--no-x` the one that does something. */
function isWorthNaming(key: string, { type, default: value }: Flag): boolean {
  return type !== 'boolean' || key.startsWith('--no-') === (value === true)
}

function splitOnce(text: string, separator: string): [string, string?] {
  const index = text.indexOf(separator)
  return index === -1 ? [text] : [text.slice(0, index), text.slice(index + 1)]
}

import type { ArgsDef, CommandDef } from 'citty'
import { commands, groups } from './command-table.ts'

/** `pellet --help`. Plain text: citty's own usage is coloured also where no terminal reads it. */
export async function mainUsage(): Promise<string> {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const parts: string[] = []
  for (const [title, names] of Object.entries(groups)) {
    const lines = [`${title}:`]
    for (const name of names) {
      const [summary] = descriptionOf(await commands[name]!()).split('\n')
      lines.push(`  ${name.padEnd(width)}  ${summary}`)
    }
    parts.push(lines.join('\n'))
  }
  return [
    'Pellet runs models as functions: loaded on demand, on the NPU or the CPU.',
    'Usage: pellet <command> [options]',
    ...parts,
    'pellet <command> --help says more about a command, pellet --version which one this is.',
  ].join('\n\n')
}

/** `pellet <command> --help`. */
export function commandUsage(name: string, command: CommandDef<any>, examples: readonly string[] = []): string {
  const args = Object.entries((command.args ?? {}) as ArgsDef)
  const words = args.filter(([, { type }]) => type === 'positional')
  const shown = words
    .map(([key, { valueHint }]) => ` ${valueHint ?? (key === 'files' ? '[file...]' : `<${key}>`)}`)
    .join('')
  const flags = args
    .filter(([, { type }]) => type !== 'positional')
    .map(([key, definition]): [string, string] => [flagOf(key, definition), aboutFlag(definition)])
  return [
    `Usage: pellet ${name}${shown} [options]`,
    descriptionOf(command),
    columns(flags),
    ...(examples.length > 0 ? [`Examples:\n${examples.map((example) => `  ${example}`).join('\n')}`] : []),
  ].join('\n\n')
}

// --- internal ---

function descriptionOf({ meta }: CommandDef<any>): string {
  return (meta as { description?: string } | undefined)?.description ?? ''
}

function flagOf(key: string, definition: ArgsDef[string]): string {
  const { alias, valueHint } = definition as { alias?: string; valueHint?: string }
  const short = alias?.length === 1 ? `-${alias}, ` : '    '
  if (isOn(definition)) return `${short}--no-${key}`
  return `${short}--${key}${definition.type === 'boolean' ? '' : ` <${valueHint ?? 'value'}>`}`
}

/** What is on unless it is switched off is shown as the flag that does so. */
function isOn({ type, default: value }: ArgsDef[string]): boolean {
  return type === 'boolean' && value === true
}

function aboutFlag(definition: ArgsDef[string]): string {
  const {
    description = '',
    default: value,
    negativeDescription,
  } = definition as {
    description?: string
    default?: unknown
    negativeDescription?: string
  }
  if (isOn(definition)) return negativeDescription ?? `Not: ${description}`
  return value === undefined || description.includes('default')
    ? description
    : `${description} (default: ${String(value)})`
}

function columns(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd()).join('\n')
}

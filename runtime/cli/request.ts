import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { contentTypeOf } from '../content-types.ts'
import { buffer } from 'node:stream/consumers'
import type { ListRow } from '../http/admin.ts'
import { CliError } from './cli-error.ts'
import { callJson } from './client.ts'
import { repeated } from './flags.ts'
import type { Target } from './target.ts'

/** Flags that say what is sent to a deployment, and where to. */
export const requestArgs = {
  form: {
    type: 'string',
    alias: 'F',
    description: 'Form field name=value, or name=@file; may be repeated',
    valueHint: 'field',
  },
  route: { type: 'string', description: 'Path of one of its routes (default: the first)', valueHint: 'path' },
  header: {
    type: 'string',
    alias: 'H',
    description: 'Request header "Name: value"; may be repeated',
    valueHint: 'header',
  },
} as const

export interface RequestBody {
  bytes: Buffer
  headers: Record<string, string>
}

/** The headers that `--header` gives, by lower-case name. @throws CliError (2) */
export function headersOf(command: string, rawArgs: string[]): Record<string, string> {
  return Object.fromEntries(repeated(rawArgs, '--header', '-H').map((text) => toHeader(command, text)))
}

/**
 * The body that flags describe: form fields, or what `read` gives, which stands for another flag. Undefined without either.
 * @throws CliError (2) for both, and (1) for a file that cannot be read
 */
export async function bodyOf(
  command: string,
  rawArgs: string[],
  flag: string,
  read: (() => Promise<RequestBody>) | undefined,
): Promise<RequestBody | undefined> {
  const fields = repeated(rawArgs, '--form', '-F')
  if (fields.length === 0) return read?.()
  if (read) throw new CliError(`${command}: expected --form or ${flag}, found both`, 2)
  return formBody(command, fields)
}

/** A file as it is, with the type that its name says; `-` is standard input. @throws CliError */
export async function fileBody(file: string): Promise<RequestBody> {
  const type = contentTypeOf(file) ?? 'application/octet-stream'
  const bytes = file === '-' ? await buffer(process.stdin) : await readInput(file)
  return { bytes, headers: { 'content-type': type } }
}

/** A deployment of the running Pellet, and one of its routes: `path` as it stands in the manifest. @throws CliError */
export async function findRoute(
  command: string,
  target: Target,
  name: string,
  wanted: string | undefined,
): Promise<{ row: ListRow; method: string; path: string }> {
  const rows = await callJson<ListRow[]>(target, 'GET', '/api/deployments')
  const row = rows.find((one) => one.name === name)
  if (!row) {
    const names = rows.map((one) => one.name).join(', ')
    throw new CliError(`${command}: expected the name of a deployment (${names || 'there is none'}), found ${name}`)
  }
  if (row.problems.length > 0 && !row.is_outdated)
    throw new CliError(
      `${name} is ${row.state === 'refused' ? row.state : 'not deployed'}:\n${row.problems.join('\n')}`,
    )
  const routes = row.routes.map((route) => route.split(' ') as [string, string])
  const found = routes.find(([method, path]) => [undefined, path, `${method} ${path}`].includes(wanted))
  if (!found) throw new CliError(`${command}: expected a route among ${row.routes.join(', ')}, found ${wanted}`, 2)
  return { row, method: found[0], path: found[1] }
}

// --- internal ---

async function formBody(command: string, fields: string[]): Promise<RequestBody> {
  const form = new FormData()
  for (const field of fields) {
    const equals = field.indexOf('=')
    if (equals < 1) throw new CliError(`${command}: expected --form name=value or name=@file, found ${field}`, 2)
    const [name, value] = [field.slice(0, equals), field.slice(equals + 1)]
    if (value.startsWith('@')) form.append(name, new Blob([await readInput(value.slice(1))]), basename(value.slice(1)))
    else form.append(name, value)
  }
  const encoded = new Response(form)
  return {
    bytes: Buffer.from(await encoded.arrayBuffer()),
    headers: { 'content-type': encoded.headers.get('content-type')! },
  }
}

async function readInput(file: string): Promise<Buffer<ArrayBuffer>> {
  return (await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(
      `${file}: expected a file that can be read, found ${error.code === 'ENOENT' ? 'none' : error.message}`,
    )
  })) as Buffer<ArrayBuffer>
}

function toHeader(command: string, text: string): [string, string] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new CliError(`${command}: expected --header "Name: value", found ${text}`, 2)
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()]
}

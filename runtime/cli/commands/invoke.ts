import { defineCommand } from 'citty'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import type { ListRow } from '../../http/admin.ts'
import { CliError } from '../cli-error.ts'
import { call, callJson, toMessage } from '../client.ts'
import { repeated } from '../flags.ts'
import { projectArgs, readSocketPath } from '../settings.ts'

export default defineCommand({
  meta: { name: 'invoke', description: 'Call a function: pellet invoke depth -F image=@photo.jpg -o depth.png' },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    ...projectArgs,
    form: {
      type: 'string',
      alias: 'F',
      description: 'Form field name=value, or name=@file; may be repeated',
      valueHint: 'field',
    },
    json: { type: 'string', alias: 'j', description: 'JSON body, or @file', valueHint: 'json' },
    route: { type: 'string', description: 'Path of one of its routes (default: the first)', valueHint: 'path' },
    header: {
      type: 'string',
      alias: 'H',
      description: 'Request header "Name: value"; may be repeated',
      valueHint: 'header',
    },
    output: {
      type: 'string',
      alias: 'o',
      description: 'Write the answer here; .png and .npz ask for that type',
      valueHint: 'file',
    },
    include: { type: 'boolean', alias: 'i', description: 'Print status and headers to stderr' },
  },
  async run({ args, rawArgs }) {
    const socketPath = await readSocketPath({ ...args })
    const { method, path } = await findRoute(socketPath, args.name, args.route)
    const fields = repeated(rawArgs, '--form', '-F')
    if (fields.length > 0 && args.json !== undefined)
      throw new CliError('invoke: expected --form or --json, found both', 2)
    const body =
      args.json !== undefined ? await jsonBody(args.json) : fields.length > 0 ? await formBody(fields) : undefined
    const headers = Object.fromEntries(repeated(rawArgs, '--header', '-H').map(toHeader))
    const accept = args.output === undefined ? undefined : answerTypes[extname(args.output).toLowerCase()]
    const reply = await call(socketPath, method, path, {
      headers: { ...(accept && { accept }), ...body?.headers, ...headers },
      ...(body && { body: body.bytes }),
    })
    if (args.include) {
      console.error(`HTTP ${reply.status}`)
      for (const [name, value] of Object.entries(reply.headers)) console.error(`${name}: ${String(value)}`)
    }
    if (reply.status >= 400) throw new CliError(`${args.name}: ${toMessage(reply)}`)
    if (args.output !== undefined) await writeFile(args.output, reply.body)
    else process.stdout.write(isText(reply.headers['content-type']) ? `${String(reply.body)}\n` : reply.body)
  },
})

// --- internal ---

const answerTypes: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.npz': 'application/x-npz',
  '.json': 'application/json',
}

async function findRoute(
  socketPath: string,
  name: string,
  wanted: string | undefined,
): Promise<{ method: string; path: string }> {
  const rows = await callJson<ListRow[]>(socketPath, 'GET', '/api/deployments')
  const row = rows.find((one) => one.name === name)
  if (!row)
    throw new CliError(`invoke: expected one of ${rows.map((one) => one.name).join(', ') || 'none'}, found ${name}`)
  if (row.problems.length > 0) throw new CliError(`${name} is refused:\n${row.problems.join('\n')}`)
  const routes = row.routes.map((route) => route.split(' ') as [string, string])
  const found = wanted === undefined ? routes[0] : routes.find(([, path]) => path === wanted)
  if (!found) throw new CliError(`invoke: expected a route among ${row.routes.join(', ')}, found ${wanted}`, 2)
  return { method: found[0], path: `/f/${name}${found[1]}` }
}

async function jsonBody(text: string) {
  const bytes = text.startsWith('@') ? await readInput(text.slice(1)) : Buffer.from(text)
  return { bytes, headers: { 'content-type': 'application/json' } }
}

async function formBody(fields: string[]) {
  const form = new FormData()
  for (const field of fields) {
    const equals = field.indexOf('=')
    if (equals < 1) throw new CliError(`invoke: expected --form name=value or name=@file, found ${field}`, 2)
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

function toHeader(text: string): [string, string] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new CliError(`invoke: expected --header "Name: value", found ${text}`, 2)
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()]
}

function isText(type: string | undefined): boolean {
  return type === undefined || /json|^text\//.test(type)
}

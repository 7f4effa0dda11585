import { defineCommand } from 'citty'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { ListRow } from '../../http/admin.ts'
import { formatBytes } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { call, callJson, toMessage, type Reply } from '../client.ts'
import { repeated } from '../flags.ts'
import { projectArgs, readSocketPath } from '../settings.ts'

export default defineCommand({
  meta: { name: 'invoke', description: 'Call a function of the running Pellet' },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    form: {
      type: 'string',
      alias: 'F',
      description: 'Form field name=value, or name=@file; may be repeated',
      valueHint: 'field',
    },
    body: {
      type: 'string',
      alias: 'd',
      description: 'The body: JSON, or @file of any type, or @- for standard input',
      valueHint: 'json',
    },
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
      description: 'Write the answer to a file; .png, .jpg, .npz and .json ask for that type',
      valueHint: 'file',
    },
    include: { type: 'boolean', alias: 'i', description: 'Print status and headers to stderr' },
    ...projectArgs,
  },
  async run({ args, rawArgs }) {
    const fields = repeated(rawArgs, '--form', '-F')
    if (fields.length > 0 && args.body !== undefined)
      throw new CliError('invoke: expected --form or --body, found both', 2)
    const headers = Object.fromEntries(repeated(rawArgs, '--header', '-H').map(toHeader))
    const body =
      args.body !== undefined ? await plainBody(args.body) : fields.length > 0 ? await formBody(fields) : undefined
    const socketPath = await readSocketPath({ ...args })
    const { method, path } = await findRoute(socketPath, args.name, args.route)
    const wanted = args.output === undefined ? undefined : answerTypes[extname(args.output).toLowerCase()]
    const reply = await call(socketPath, method, path, {
      headers: { ...(wanted && { accept: wanted }), ...body?.headers, ...headers },
      ...(body && { body: body.bytes }),
    })
    if (args.include) {
      console.error(`HTTP ${reply.status}`)
      for (const [name, value] of Object.entries(reply.headers)) console.error(`${name}: ${String(value)}`)
    }
    if (reply.status >= 400) throw new CliError(`${args.name}: ${toMessage(reply)}`)
    if (args.output === undefined) print(reply)
    else await save(args.output, reply, headers['accept'] === undefined ? wanted : undefined)
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

/** Content types of files that are sent as they are; of others Pellet looks at the bytes. */
const bodyTypes: Record<string, string> = {
  '.json': 'application/json',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
  '.avif': 'image/avif',
  '.tif': 'image/tiff',
  '.tiff': 'image/tiff',
}

async function findRoute(
  socketPath: string,
  name: string,
  wanted: string | undefined,
): Promise<{ method: string; path: string }> {
  const rows = await callJson<ListRow[]>(socketPath, 'GET', '/api/deployments')
  const row = rows.find((one) => one.name === name)
  if (!row) {
    const names = rows.map((one) => one.name).join(', ')
    throw new CliError(`invoke: expected the name of a deployment (${names || 'there is none'}), found ${name}`)
  }
  if (row.problems.length > 0)
    throw new CliError(
      `${name} is ${row.state === 'refused' ? row.state : 'not deployed'}:\n${row.problems.join('\n')}`,
    )
  const routes = row.routes.map((route) => route.split(' ') as [string, string])
  const found = routes.find(([method, path]) => [undefined, path, `${method} ${path}`].includes(wanted))
  if (!found) throw new CliError(`invoke: expected a route among ${row.routes.join(', ')}, found ${wanted}`, 2)
  return { method: found[0], path: `/f/${name}${found[1]}` }
}

async function plainBody(text: string) {
  if (!text.startsWith('@')) return { bytes: Buffer.from(text), headers: { 'content-type': 'application/json' } }
  const file = text.slice(1)
  const type = bodyTypes[extname(file).toLowerCase()] ?? 'application/octet-stream'
  const bytes = file === '-' ? await buffer(process.stdin) : await readInput(file)
  return { bytes, headers: { 'content-type': type } }
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

async function save(file: string, { headers, body }: Reply, wanted: string | undefined): Promise<void> {
  const type = headers['content-type'] ?? 'no type'
  // JSON in a file that is called .png would be found out much later.
  if (wanted && type !== wanted)
    throw new CliError(`${file}: expected an answer of ${wanted}, found ${type}; nothing was written`)
  await writeFile(file, body).catch((error: Error) => {
    throw new CliError(`${file}: expected a file that can be written, found: ${error.message}`)
  })
  console.error(`${file}: ${formatBytes(body.length)}, ${type}`)
}

function print({ headers, body }: Reply): void {
  const type = headers['content-type']
  if (type === undefined || /json|^text\//.test(type)) console.log(String(body))
  else if (process.stdout.isTTY)
    throw new CliError(`the answer is ${formatBytes(body.length)} of ${type}; write it to a file with -o FILE`)
  else process.stdout.write(body)
}

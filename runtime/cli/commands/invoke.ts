import { defineCommand } from 'citty'
import { extname } from 'node:path'
import { formatBytes } from '../../units.ts'
import { CliError } from '../cli-error.ts'
import { RefusalError, toRefusal } from '../client-errors.ts'
import { call, toMessage, type Reply } from '../client.ts'
import { bodyOf, fileBody, findRoute, headersOf, requestArgs, type RequestBody } from '../request.ts'
import { readTarget, targetArgs } from '../target.ts'
import { writeFile } from '../write-file.ts'

export default defineCommand({
  meta: { name: 'invoke', description: 'Call a function of the running Pellet' },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    body: {
      type: 'string',
      alias: 'd',
      description: 'The body: JSON, or @file of any type, or @- for standard input',
      valueHint: 'json',
    },
    ...requestArgs,
    output: {
      type: 'string',
      alias: 'o',
      description: 'Write the answer to a file; .png, .jpg, .npz and .json ask for that type',
      valueHint: 'file',
    },
    include: { type: 'boolean', alias: 'i', description: 'Print status and headers to stderr' },
    ...targetArgs,
  },
  async run({ args, rawArgs }) {
    const headers = headersOf('invoke', rawArgs)
    const text = args.body
    const body = await bodyOf('invoke', rawArgs, '--body', text === undefined ? undefined : () => plainBody(text))
    const target = await readTarget({ ...args })
    const { method, path } = await findRoute('invoke', target, args.name, args.route).catch((error: unknown) =>
      routeUnseen(error, args.route),
    )
    const wanted = args.output === undefined ? undefined : answerTypes[extname(args.output).toLowerCase()]
    const reply = await call(target, method, `/f/${args.name}${path}`, {
      headers: { ...(wanted && { accept: wanted }), ...body?.headers, ...headers },
      ...(body && { body: body.bytes }),
    })
    if (args.include) {
      console.error(`HTTP ${reply.status}`)
      for (const [name, value] of Object.entries(reply.headers)) console.error(`${name}: ${String(value)}`)
    }
    if (reply.status === 401 || reply.status === 403)
      throw toRefusal(target, reply.status, reply.headers, String(reply.body))
    if (reply.status >= 400) throw new CliError(`${args.name}: ${toMessage(reply)}`)
    if (args.output === undefined) print(reply)
    else await save(args.output, reply, headers['accept'] === undefined ? wanted : undefined)
  },
})

// --- internal ---

/** A token that may invoke need not be one that may list what there is. @throws what is no matter of that */
function routeUnseen(error: unknown, route: string | undefined): { method: string; path: string } {
  if (!(error instanceof RefusalError) || error.status !== 403) throw error
  const [, method = 'POST', path] = /^(?:([A-Z]+) )?(\/\S*)$/.exec(route ?? '') ?? []
  if (path === undefined)
    throw new CliError(`${error.message}\nWithout it, name the route in full: --route "POST /v1/..."`)
  return { method, path }
}

const answerTypes: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.npz': 'application/x-npz',
  '.json': 'application/json',
}

async function plainBody(text: string): Promise<RequestBody> {
  if (text.startsWith('@')) return fileBody(text.slice(1))
  return { bytes: Buffer.from(text), headers: { 'content-type': 'application/json' } }
}

async function save(file: string, { headers, body }: Reply, wanted: string | undefined): Promise<void> {
  const type = headers['content-type'] ?? 'no type'
  // JSON in a file that is called .png would be found out much later.
  if (wanted && type !== wanted)
    throw new CliError(`${file}: expected an answer of ${wanted}, found ${type}; nothing was written`)
  await writeFile(file, body)
  console.error(`${file}: ${formatBytes(body.length)}, ${type}`)
}

function print({ headers, body }: Reply): void {
  const type = headers['content-type']
  if (type === undefined || /json|^text\//.test(type)) console.log(String(body))
  else if (process.stdout.isTTY)
    throw new CliError(`the answer is ${formatBytes(body.length)} of ${type}; write it to a file with -o FILE`)
  else process.stdout.write(body)
}

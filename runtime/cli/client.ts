import { request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { messageIn } from '../error-body.ts'
import { CliError } from './cli-error.ts'

export interface Reply {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** One request to the running Pellet over its admin socket. @throws CliError when none runs */
export async function call(
  socketPath: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Reply> {
  const res = await open(socketPath, method, path, options)
  return { status: res.statusCode!, headers: res.headers, body: await buffer(res) }
}

/** An answer that is read as it comes. @throws CliError with the server's own message when it refuses */
export async function openStream(socketPath: string, path: string): Promise<IncomingMessage> {
  const res = await open(socketPath, 'GET', path, {})
  if (res.statusCode === 200) return res
  throw new CliError(toMessage({ status: res.statusCode!, headers: res.headers, body: await buffer(res) }))
}

/** As `call`, for JSON. @throws CliError with the server's own message when it refuses */
export async function callJson<Value>(socketPath: string, method: string, path: string): Promise<Value> {
  const reply = await call(socketPath, method, path)
  if (reply.status >= 400) throw new CliError(toMessage(reply))
  return JSON.parse(String(reply.body)) as Value
}

/** The message of an error answer, whatever its shape. */
export function toMessage({ status, body }: Reply): string {
  return messageIn(String(body)) ?? `expected an answer, found status ${status}`
}

// --- internal ---

interface CallOptions {
  headers?: Record<string, string>
  body?: Uint8Array | string
}

function open(
  socketPath: string,
  method: string,
  path: string,
  { headers = {}, body }: CallOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const req = request({ socketPath, method, path, headers: { ...headers, ...length } })
    req.on('response', resolve)
    req.on('error', (error: NodeJS.ErrnoException) => {
      const absent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
      reject(
        new CliError(
          absent
            ? `${socketPath}: expected a running Pellet, found none; start it with pellet start`
            : `${socketPath}: ${error.message}`,
        ),
      )
    })
    req.end(body)
  })
}

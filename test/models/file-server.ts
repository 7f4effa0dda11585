import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from '../support/ports.ts'

export interface Served {
  method: string
  path: string
  range: string | undefined
  ifRange: string | undefined
}

type Handler = (res: ServerResponse, req: IncomingMessage, count: number) => void

/** A server of files that does what a test wants, and remembers what it was asked for. */
export class FileServer implements AsyncDisposable {
  url = ''
  readonly asked: Served[] = []
  readonly #handlers = new Map<string, Handler>()
  readonly #server = createServer((req, res) => {
    const path = req.url!
    const { range, 'if-range': ifRange } = req.headers
    this.asked.push({ method: req.method!, path, range, ifRange: ifRange as string | undefined })
    const count = this.asked.filter((one) => one.path === path).length
    const handler = this.#handlers.get(path)
    if (handler) handler(res, req, count)
    else res.writeHead(404).end('nothing here')
  })

  static async start(): Promise<FileServer> {
    const server = new FileServer()
    server.url = await listen(server.#server)
    return server
  }

  /** @param handler is told how often this path was asked for, from 1 */
  on(path: string, handler: Handler): string {
    this.#handlers.set(path, handler)
    return this.url + path
  }

  /** What a well-behaved server does, ranges included. */
  file(path: string, bytes: Uint8Array, headers: Record<string, string> = { etag: '"v1"' }): string {
    return this.on(path, (res, req) => sendFile(res, req, bytes, headers))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export function sendFile(
  res: ServerResponse,
  req: IncomingMessage,
  bytes: Uint8Array,
  headers: Record<string, string>,
): void {
  const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? '')?.[1])
  const isSame = req.headers['if-range'] === undefined || req.headers['if-range'] === headers['etag']
  if (Number.isNaN(from) || !isSame)
    return void res.writeHead(200, { ...headers, 'content-length': bytes.length }).end(bytes)
  if (from >= bytes.length)
    return void res.writeHead(416, { ...headers, 'content-range': `bytes */${bytes.length}` }).end()
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
  res.writeHead(206, { ...headers, 'content-range': range, 'content-length': bytes.length - from })
  res.end(bytes.subarray(from))
}

/** Says that all will come, sends so much of it, and breaks off. */
export function breakOff(res: ServerResponse, bytes: Uint8Array, count: number, headers: Record<string, string>): void {
  res.writeHead(200, { ...headers, 'content-length': bytes.length })
  res.write(bytes.subarray(0, count), () => setImmediate(() => res.destroy()))
}

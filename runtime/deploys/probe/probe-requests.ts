import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { join } from 'node:path'
import { contentTypeOf } from '../../content-types.ts'
import type { StagedRevision } from '../../deployments/staged.ts'
import type { Proxy } from '../../http/proxy.ts'
import { innerHeaders } from '../../isolate/calls.ts'
import type { Probe } from '../../manifest/manifest.ts'

/** What came back. `body` is undefined where it was longer than is read. */
export interface ProbeAnswer {
  status: number
  type: string
  sizeBytes: number
  body: Buffer | undefined
}

/** Answers are read into main, where JSON is parsed at one go: what is longer is measured, not looked into. */
const maxBodyBytes = 4 * 2 ** 20

let count = 0

/**
 * The way of a probe to a staged revision: over a socket of its own into main's proxy, so that headers, limits, timeouts and
 * calls are those of every other request.
 */
export class ProbeRequests {
  readonly #staged: StagedRevision
  readonly #server: Server
  readonly #socketPath: string

  private constructor(staged: StagedRevision, server: Server, socketPath: string) {
    this.#staged = staged
    this.#server = server
    this.#socketPath = socketPath
  }

  /** @param folder private, for the socket */
  static async open(staged: StagedRevision, proxy: Proxy, folder: string): Promise<ProbeRequests> {
    const { deployment, place } = staged
    const { maxHeaderSize, maxHeadersCount } = innerHeaders
    const server = createServer({ requestTimeout: 0, maxHeaderSize }, (req, res) => {
      const path = req.url!.split('?', 1)[0]!
      proxy.serve({ deployment, path, place }, req, res)
    })
    server.maxHeadersCount = maxHeadersCount
    const socketPath = join(folder, `probe-${++count}.sock`)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socketPath, resolve)
    })
    return new ProbeRequests(staged, server, socketPath)
  }

  /** @throws Error when the connection breaks, or the input is gone; the signal's reason when that aborts */
  async make(probe: Probe, signal: AbortSignal): Promise<ProbeAnswer> {
    const { method, path, query, headers, body, input } = probe
    const search = new URLSearchParams(query).toString()
    const file = input === undefined ? undefined : this.#staged.deployment.probeInputs[input]!
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const type = body === undefined ? input && contentTypeOf(input) : 'application/json'
    const length = file === undefined ? bytes?.length : (await stat(file)).size
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const req = httpRequest({
        socketPath: this.#socketPath,
        agent: false,
        method,
        path: search === '' ? path : `${path}?${search}`,
        headers: {
          'x-request-id': `probe-${this.#staged.deployment.revision.slice(0, 12)}`,
          ...(type !== undefined && { 'content-type': type }),
          ...headers,
          ...(length !== undefined && { 'content-length': length }),
        },
        signal,
      })
      req.on('response', resolve).on('error', reject)
      if (file === undefined) req.end(bytes)
      else createReadStream(file).on('error', reject).pipe(req)
    })
    return read(answer)
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

// --- internal ---

async function read(answer: IncomingMessage): Promise<ProbeAnswer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes <= maxBodyBytes) chunks.push(chunk)
    else chunks.length = 0
  }
  const type = (answer.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  return {
    status: answer.statusCode!,
    type,
    sizeBytes,
    body: sizeBytes <= maxBodyBytes ? Buffer.concat(chunks) : undefined,
  }
}

import { randomUUID } from 'node:crypto'
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { PelletError } from '../errors.ts'
import type { ErrorShape } from '../manifest/manifest.ts'
import { toErrorAnswer } from '../error-body.ts'
import { toRequestId } from './request-id.ts'

/** How long a caller may take to read why it was refused. */
const lingerMs = 2000

/**
 * Answers what node's parser refuses before any handler sees it, and expectations that nobody can meet: as JSON in the
 * shape that the listener's clients know. Node's own answers have no body.
 */
export function answerMalformed(server: Server, shape: () => ErrorShape): void {
  server.on('clientError', (error: NodeJS.ErrnoException & { reason?: string }, stream) => {
    const socket = stream as Socket & { _httpMessage?: ServerResponse }
    // What comes after the answer is not read, and may well be as malformed.
    if (socket.writableEnded) return
    // An answer that has begun is not talked over.
    if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?.headersSent)
      return void socket.destroy()
    const [status, message] = refusals[error.code ?? ''] ?? [
      400,
      `expected HTTP, found: ${error.reason ?? error.message}`,
    ]
    socket.end(toText(status, message, shape()))
    // To close at once, with bytes unread, would reset the connection, and the answer with it (RFC 9112, 9.6).
    const timer = setTimeout(() => socket.destroy(), lingerMs)
    timer.unref()
    socket.once('close', () => clearTimeout(timer))
  })
  server.on('connect', (req: IncomingMessage, stream) => {
    const message = `CONNECT: expected a request to this server, found one to be a proxy to ${req.url}`
    stream.on('error', () => stream.destroy()).end(toText(400, message, shape()))
  })
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const message = `Expect: expected 100-continue, found ${JSON.stringify(req.headers.expect)}`
    const answer = toErrorAnswer(new PelletError('invalid_request', message), shape(), toRequestId(req), 417)
    // Its body may or may not follow.
    res.writeHead(417, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body), connection: 'close' })
    res.end(answer.body)
  })
}

// --- internal ---

/** By the code of node's error. */
const refusals: Record<string, [status: number, message: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'headers: expected at most 16 KB of request line and headers, found more'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'body: expected at most 16 KB of chunk extensions, found more'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'headers: expected them within 20 seconds, found no end'],
}

function toText(status: number, message: string, shape: ErrorShape): string {
  const { headers, body } = toErrorAnswer(new PelletError('invalid_request', message), shape, randomUUID(), status)
  const lines = Object.entries({ ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`
}

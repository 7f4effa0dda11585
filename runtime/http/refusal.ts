import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorAnswer } from '../error-body.ts'

/**
 * Answers a request with an error while its body may still come. What is left of that is not wanted: a small rest is read
 * and dropped, else the connection is closed.
 */
export function sendRefusal(req: IncomingMessage, res: ServerResponse, { status, headers, body }: ErrorAnswer): void {
  // What has neither header has no body, although it is not complete yet.
  const length = req.headers['transfer-encoding'] === undefined ? Number(req.headers['content-length'] ?? 0) : Infinity
  const unread = !req.complete && length > 65_536
  res.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(body),
    ...(unread && { connection: 'close' }),
  })
  if (!unread) return void res.end(body)
  res.write(body)
  endBehindBody(req, res)
}

/**
 * Ends an answer that is whole while the body still comes. To close at once would reset the connection, and a caller who
 * first sends all of its body would never read the answer (RFC 9112, 9.6).
 */
export function endBehindBody(req: IncomingMessage, res: ServerResponse): void {
  const close = () => {
    clearTimeout(timer)
    res.end(() => req.complete || req.socket.destroySoon())
  }
  const timer = setTimeout(close, lingerMs)
  timer.unref()
  req.once('end', close).once('close', close).resume()
}

// --- internal ---

/** How long the rest of a body that nobody wants is read and dropped before the connection is closed on it. */
const lingerMs = 10_000

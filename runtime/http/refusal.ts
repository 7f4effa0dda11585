import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorAnswer } from '../error-body.ts'

/**
 * Answers a request with an error while its body may still come. What is left of that is not wanted: a small rest is read
 * and dropped, else the connection is closed.
 */
export function sendRefusal(req: IncomingMessage, res: ServerResponse, { status, headers, body }: ErrorAnswer): void {
  const unread = !req.complete && Number(req.headers['content-length'] ?? Infinity) > 65_536
  res.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(body),
    ...(unread && { connection: 'close' }),
  })
  if (unread) linger(req, res, body)
  else res.end(body)
}

// --- internal ---

/** How long the rest of a body that nobody wants is read and dropped before the connection is closed on it. */
const lingerMs = 10_000

/**
 * Answers while the body still comes. To close at once would reset the connection, and a caller who first sends all of
 * its body would never read the answer (RFC 9112, 9.6).
 */
function linger(req: IncomingMessage, res: ServerResponse, body: string): void {
  const close = () => {
    clearTimeout(timer)
    res.end()
  }
  const timer = setTimeout(close, lingerMs)
  timer.unref()
  res.write(body)
  req.once('end', close).once('close', close).resume()
}

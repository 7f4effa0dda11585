import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { shownEngine } from '../deployments/deployment.ts'
import type { Lease } from '../deployments/lease.ts'
import { callHeader, exchangeHeader, resultHeader } from '../isolate/calls.ts'
import type { CacheSession } from '../results/cache-session.ts'

/**
 * Headers that belong to one connection (RFC 9110, 7.6.1), those that are not the isolate's business, and those that only
 * main may set.
 */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'x-keep-alive',
  'x-request-id',
  'authorization',
  exchangeHeader,
  callHeader,
  resultHeader,
])

/** A request's headers for the isolate. `exchange`: main's number for it. */
export function toUpstreamHeaders(
  req: IncomingMessage,
  requestId: string,
  exchange: string,
  session?: CacheSession,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (const name in req.headers) {
    if (!hopByHop.has(name)) headers[name] = req.headers[name]
  }
  headers['x-request-id'] = requestId
  headers[exchangeHeader] = exchange
  if (session?.isOpen) headers[resultHeader] = 'ask'
  return headers
}

/** The headers of a call from another deployment's isolate: none of them is the caller's own. */
export function toCallHeaders(
  req: IncomingMessage,
  requestId: string,
  exchange: string,
  route: string,
): OutgoingHttpHeaders {
  return {
    'x-request-id': requestId,
    [exchangeHeader]: exchange,
    [callHeader]: route,
    ...(req.headers['content-length'] !== undefined && { 'content-length': req.headers['content-length'] }),
  }
}

export function toAnswerHeaders(answer: IncomingMessage, lease: Lease, requestId: string): OutgoingHttpHeaders {
  // Not the revision that was asked: who waited while it was replaced is served by the next one.
  const { deployment } = lease.isolate
  const headers: OutgoingHttpHeaders = { ...answer.headers }
  delete headers['connection']
  delete headers['keep-alive']
  // How it is framed on the way to the caller is decided there: HTTP/1.0 knows no chunks.
  delete headers['transfer-encoding']
  const phases = headers['server-timing']
  const waits = `queue;dur=${lease.queueMs.toFixed(2)}, load;dur=${lease.loadMs.toFixed(2)}`
  headers['server-timing'] = typeof phases === 'string' ? `${waits}, ${phases}` : waits
  headers['x-pellet-engine'] = shownEngine(deployment)
  headers['x-pellet-revision'] = deployment.revision.slice(0, 12)
  headers['x-request-id'] = requestId
  return headers
}

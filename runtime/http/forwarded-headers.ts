import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Lease } from '../deployments/lease.ts'
import type { RouteTarget } from './route-table.ts'

/** Main's number of an exchange, for the isolate. */
export const exchangeHeader = 'x-pellet-exchange'

/** Headers that belong to one connection (RFC 9110, 7.6.1), and those that are not the isolate's business. */
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
])

export function toUpstreamHeaders(req: IncomingMessage, requestId: string): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (const name in req.headers) {
    if (!hopByHop.has(name)) headers[name] = req.headers[name]
  }
  headers['x-request-id'] = requestId
  return headers
}

export function toAnswerHeaders(
  answer: IncomingMessage,
  lease: Lease,
  { deployment }: RouteTarget,
  requestId: string,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ...answer.headers }
  delete headers['connection']
  delete headers['keep-alive']
  // How it is framed on the way to the caller is decided there: HTTP/1.0 knows no chunks.
  delete headers['transfer-encoding']
  const phases = headers['server-timing']
  const waits = `queue;dur=${lease.queueMs.toFixed(2)}, load;dur=${lease.loadMs.toFixed(2)}`
  headers['server-timing'] = typeof phases === 'string' ? `${waits}, ${phases}` : waits
  headers['x-pellet-engine'] = deployment.engine
  headers['x-pellet-revision'] = deployment.revision.slice(0, 12)
  headers['x-request-id'] = requestId
  return headers
}

import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const pattern = /^[\w.:-]{1,128}$/

/** The caller's `X-Request-Id`, where it is one that can stand in logs and headers; else a new one. */
export function toRequestId(req: IncomingMessage): string {
  const given = req.headers['x-request-id']
  return typeof given === 'string' && pattern.test(given) ? given : randomUUID()
}

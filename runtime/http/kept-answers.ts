import type { IncomingMessage, ServerResponse } from 'node:http'
import { bytesDigest, repeatsToTheByte } from '../results/bytes-digest.ts'
import type { CacheSession } from '../results/cache-session.ts'
import type { Entry } from '../results/entry.ts'
import type { Exchange, WholeAnswer } from './exchange.ts'
import { CallerLeft, gatherBody } from './gather.ts'

/**
 * Looks for a kept answer before an isolate is asked for. The body is taken in for it, except where it cannot repeat.
 * @param onBody called for each part of the body; may throw to end the request
 * @param acquire asks for an isolate, with the body where it was taken in
 */
export function findKept(
  exchange: Exchange,
  session: CacheSession,
  onBody: (bytes: number, total: number) => void,
  acquire: (body?: Buffer[]) => void,
): void {
  const { req, res, target } = exchange
  if (!session.isOpen || !repeatsToTheByte(req)) return acquire()
  const { name, manifest } = target.deployment
  const digest = bytesDigest(req, `${req.method} ${target.path}`)
  let totalBytes = 0
  const take = (bytes: number, part: Buffer) => {
    onBody(bytes, (totalBytes += bytes))
    digest.add(part)
  }
  const lookUp = (body: Buffer[]) => {
    if (exchange.isOver) return
    session.findBytes(digest.hex(), {
      hit: (entry) => exchange.answerWith(toKeptAnswer(exchange, session, entry)),
      compute: () => acquire(body),
    })
  }
  const timeoutMs = exchange.deadlineAt - performance.now()
  gatherBody(req, res, { name, maxBytes: manifest.limits.bodyBytes, timeoutMs, take })
    // A caller who left is the exchange's own to notice.
    .then(lookUp, (error) => error instanceof CallerLeft || exchange.refuse(error))
}

/** @param timing of the isolate, where it had a part */
export function toKeptAnswer(
  { res, target, requestId }: Exchange,
  session: CacheSession,
  entry: Entry,
  timing?: string,
): WholeAnswer {
  const { type, engine, createdAt, body } = entry
  // Held as long as it is sent.
  session.found = entry
  res.setHeader('x-cache', session.count('hit'))
  return {
    headers: {
      'content-type': type,
      'content-length': body.length,
      age: String(Math.max(0, Math.floor((Date.now() - createdAt) / 1000))),
      'server-timing': timing ?? `cache;dur=${(performance.now() - session.startedAt).toFixed(2)}`,
      'x-pellet-engine': engine,
      'x-pellet-revision': target.deployment.revision.slice(0, 12),
      'x-request-id': requestId,
    },
    body,
  }
}

/** An isolate asks whether main has an answer: 200, then it need not make one, or 204. */
export function answerResultQuestion(
  session: CacheSession | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const url = new URL(req.url!, 'http://main')
  const reply = (status: 200 | 204) => void res.writeHead(status, status === 200 ? { 'content-length': 0 } : {}).end()
  const [, digest] = /^\/results\/([0-9a-f]{64})$/.exec(url.pathname) ?? []
  if (!session || digest === undefined) return reply(204)
  session.find(digest, url.searchParams.has('fetched'), { hit: () => reply(200), compute: () => reply(204) })
}

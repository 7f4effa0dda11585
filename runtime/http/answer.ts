import type { IncomingMessage, ServerResponse } from 'node:http'
import { PelletError } from '../errors.ts'
import type { ErrorShape } from '../manifest/manifest.ts'
import { parsePrefer } from '../jobs/prefer.ts'
import type { Pellet } from '../pellet.ts'
import { toErrorAnswer } from '../error-body.ts'
import { serveBatch } from './batch.ts'
import { originOf, type PageAnswer } from './page.ts'
import { sendRefusal } from './refusal.ts'
import { toRequestId } from './request-id.ts'
import { respondAsync } from './respond-async.ts'
import type { PageTarget, Target } from './route-table.ts'

/** 405: says which methods there are. */
export function methodNotAllowed(method: string, path: string, allow: string[]): PelletError {
  return new PelletError('method_not_allowed', `${path}: expected ${allow.join(' or ')}, found ${method}`, { allow })
}

/** Serves a request: from main's own knowledge, or by the deployment's isolate. */
export function sendTarget(pellet: Pellet, target: Target, req: IncomingMessage, res: ServerResponse): void {
  if ('page' in target) return void sendPage(pellet, target, req, res)
  if ('batch' in target) return void serveBatch(pellet, target, req, res)
  if (req.headers['prefer'] !== undefined) {
    const preference = parsePrefer(req.headers['prefer'])
    if (preference.respondAsync) return void respondAsync(pellet, target, req, res, preference)
  }
  pellet.proxy.serve(target, req, res)
}

/** Answers with an error in a deployment's shape. */
export function sendError(req: IncomingMessage, res: ServerResponse, error: unknown, shape: ErrorShape): void {
  send(req, res, toErrorAnswer(error, shape, toRequestId(req)))
}

/** As `sendError`, to a caller who may not pass: little of its body is read, however much it sends. */
export function turnAway(req: IncomingMessage, res: ServerResponse, error: PelletError, shape: ErrorShape): void {
  const answer = toErrorAnswer(error, shape, toRequestId(req))
  if (req.headers.expect === undefined) sendRefusal(req, res, answer)
  else send(req, res, answer)
}

/** A target may also be written as a whole URL, as proxies do (RFC 9112, 3.2.2). */
export function toOrigin(target: string): string {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)
  if (!origin) return target
  const rest = target.slice(origin[0].length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

export function withoutQuery(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

// --- internal ---

async function sendPage(
  pellet: Pellet,
  { page, deployment }: PageTarget,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const requestId = toRequestId(req)
  try {
    const answer = page(pellet, { requestId, origin: originOf(req) })
    const { status, headers, body } = answer instanceof Promise ? await answer : answer
    send(req, res, { status, headers: { ...headers, 'x-request-id': requestId }, body })
  } catch (error) {
    send(req, res, toErrorAnswer(error, deployment.manifest.errors, requestId))
  }
}

function send(req: IncomingMessage, res: ServerResponse, { status, headers, body }: PageAnswer): void {
  if (res.destroyed) return
  // Whoever held its body back until it is asked for may or may not send it now: what comes next could be either.
  const isHeldBack = req.headers.expect !== undefined && !req.complete
  // Node itself leaves the body out where the method is HEAD.
  const length = Buffer.byteLength(body)
  res.writeHead(status, { ...headers, 'content-length': length, ...(isHeldBack && { connection: 'close' }) })
  res.end(body)
}

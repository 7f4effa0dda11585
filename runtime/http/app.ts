import { H3, HTTPError, toNodeHandler, type H3Event, type HTTPResponse } from 'h3/node'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Gate } from '../auth/gate.ts'
import { isApiPath, needOf } from '../auth/needs.ts'
import type { FailedSource } from '../deployments/deployment.ts'
import { whyNotDeployed } from '../deployments/missing-model.ts'
import { PelletError } from '../errors.ts'
import type { ErrorShape } from '../manifest/manifest.ts'
import type { Pellet } from '../pellet.ts'
import { registerAdmin } from './admin.ts'
import { deployPaths } from './deploys.ts'
import { methodNotAllowed, sendError, sendTarget, toOrigin, turnAway, withoutQuery } from './answer.ts'
import { toErrorAnswer } from '../error-body.ts'
import { ownPaths, registerHealth } from './health.ts'
import { toResponse } from './page.ts'
import { readinessPath } from './readiness.ts'
import { stopping } from './proxy.ts'
import { toRequestId } from './request-id.ts'
import { isResultPath, serveResult } from './results.ts'
import { methodsOf, targetOf, withoutEscapes, type PathEntry } from './route-table.ts'
import { registerTokens } from './tokens.ts'

/**
 * The handler of a listener: inference routes go straight to the proxy, all else is Pellet's own.
 * @param gate who may pass; undefined on the unix socket, where the file's rights say that
 */
export function createHandler(pellet: Pellet, gate?: Gate): RequestListener {
  const pages = createApp((app) => registerHealth(app, pellet))
  // An app of its own: however h3 reads a path, what leads to the pages never leads to the administration.
  const admin = createApp((app) => {
    registerAdmin(app, pellet)
    registerTokens(app, pellet, gate !== undefined)
  })

  function serve(req: IncomingMessage, res: ServerResponse): unknown {
    const written = withoutQuery(req.url!)
    const entry = pellet.routes.find(written)
    const target = entry && targetOf(entry, req.method!)
    const path = entry ? written : plainPath(written)
    const isAdmin = isApiPath(path)
    if (gate && (isAdmin || !gate.isOpen(req))) {
      const refusal = gate.refusalOf(req, needOf(req.method!, path, target), isAdmin ? res : undefined)
      if (refusal) return turnAway(req, res, refusal, entry ? shapeOf(entry) : 'pellet')
    }
    // Which routes there are is known in a moment: who calls that early waits instead of being turned away.
    if (pellet.isStarting() && !isKnownEarly(path))
      return void pellet.started.then(() => res.destroyed || serve(req, res))
    if (target) return sendTarget(pellet, target, req, res)
    if (entry) return sendError(req, res, methodNotAllowed(req.method!, path, methodsOf(entry)), shapeOf(entry))
    if (isResultPath(path)) return serveResult(pellet, req, res, { shape: 'pellet' })
    const known = ownMethods(path)
    const failure = pellet.isStopping() || known ? undefined : pellet.routes.findFailure(path)
    if (failure) return sendError(req, res, notDeployed(req.method!, written, failure), failure.errors ?? 'pellet')
    res.setHeader('x-request-id', toRequestId(req))
    if (isAdmin) return admin(req, res)
    // The pages see the path that the gate has seen, and no other: h3 makes `/metrics` of `/x/../metrics`.
    if (!known) return sendError(req, res, pellet.isStopping() ? stopping() : noRoute(req.method!, written), 'pellet')
    req.url = path + req.url!.slice(written.length)
    return pages(req, res)
  }

  return (req, res) => {
    req.url = toOrigin(req.url!)
    serve(req, res)
  }

  function createApp(register: (app: H3) => void): ReturnType<typeof toNodeHandler> {
    const app = new H3({ silent: true, onError: answerError })
    register(app)
    app.all('/**', ({ url: { pathname }, req }: H3Event) => {
      const known = ownMethods(pathname)
      if (known) throw methodNotAllowed(req.method, pathname, known)
      if (pellet.isStopping()) throw stopping()
      throw noRoute(req.method, pathname)
    })
    return toNodeHandler(app)
  }
}

// --- internal ---

/** What is answered before there are routes: health, who answers, and wrong methods. */
function isKnownEarly(path: string): boolean {
  if (path === '/api/about') return true
  return !['/', '/docs', '/openapi.json', '/metrics'].includes(path) && !isApiPath(path) && !!ownMethods(path)
}

function ownMethods(path: string): string[] | undefined {
  if (ownPaths.includes(path) || readinessPath.test(path)) return ['GET', 'HEAD']
  if (path === '/api/tokens') return ['GET', 'POST']
  if (/^\/api\/tokens\/[^/]+$/.test(path)) return ['DELETE']
  if (['/api/about', '/api/deployments', '/api/ps', '/api/logs'].includes(path)) return ['GET']
  if (/^\/api\/cache(\/[^/]+)?$/.test(path)) return ['GET', 'DELETE']
  if (/^\/api\/deployments\/[^/]+\/(load|unload)$/.test(path)) return ['POST']
  return deployPaths.find(([pattern]) => pattern.test(path))?.[1]
}

/** As a manifest would write it: a slash at the end and escapes that are not needed mean the same. */
function plainPath(written: string): string {
  const path = withoutEscapes(written)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function noRoute(method: string, path: string): PelletError {
  try {
    decodeURI(path)
  } catch {
    return new PelletError('invalid_request', `${path}: expected escapes such as %20 in the path, found a broken one`)
  }
  return new PelletError('not_found', `${method} ${path}: no such route; GET / lists them`)
}

function shapeOf(entry: PathEntry): ErrorShape {
  return entry.values().next().value!.deployment.manifest.errors
}

function notDeployed(method: string, path: string, failure: FailedSource): PelletError {
  return new PelletError('not_found', `${method} ${path}: ${whyNotDeployed(failure)}; pellet list says what to do`)
}

function answerError(error: HTTPError, event: H3Event): HTTPResponse {
  // h3 wraps what a handler throws; the original is the cause of the cause.
  const thrown = [error, error.cause, (error.cause as Error | undefined)?.cause].find(
    (one) => one instanceof PelletError,
  )
  const requestId = event.runtime!.node!.res!.getHeader('x-request-id') as string
  return toResponse(toErrorAnswer(thrown ?? toPelletError(error), 'pellet', requestId))
}

function toPelletError(error: HTTPError): PelletError {
  return error.status < 500
    ? new PelletError('invalid_request', error.message)
    : new PelletError('internal_error', error.message)
}

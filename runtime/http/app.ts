import { H3, HTTPError, toNodeHandler, type H3Event, type HTTPResponse } from 'h3/node'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { FailedSource } from '../deployments/deployment.ts'
import { whyNotDeployed } from '../deployments/missing-model.ts'
import { PelletError } from '../errors.ts'
import type { Pellet } from '../pellet.ts'
import { registerAdmin } from './admin.ts'
import { methodNotAllowed, sendError, sendTarget, toOrigin } from './answer.ts'
import { toErrorAnswer } from '../error-body.ts'
import { ownPaths, registerHealth } from './health.ts'
import { toResponse } from './page.ts'
import { stopping } from './proxy.ts'
import { toRequestId } from './request-id.ts'
import { isResultPath, serveResult } from './results.ts'
import { methodsOf, targetOf } from './route-table.ts'

/**
 * The handler of a listener: inference routes go straight to the proxy, all else is Pellet's own.
 * @param admin whether `/api` is answered here: on the unix socket, whose folder is private
 */
export function createHandler(pellet: Pellet, admin: boolean): RequestListener {
  const app = new H3({ silent: true, onError: answerError })
  registerHealth(app, pellet)
  if (admin) registerAdmin(app, pellet)
  else
    app.all('/api/**', () => {
      throw new PelletError(
        'forbidden',
        'administration: expected a call on the unix socket (pellet list, pellet ps, ...), found one over TCP',
      )
    })
  app.all('/**', (event: H3Event) => {
    const known = ownMethods(event.url.pathname, admin)
    if (known) throw methodNotAllowed(event.req.method, event.url.pathname, known)
    if (pellet.isStopping()) throw stopping()
    throw new PelletError('not_found', `${event.req.method} ${event.url.pathname}: no such route; GET / lists them`)
  })
  const own = toNodeHandler(app)

  function serve(req: IncomingMessage, res: ServerResponse): unknown {
    const query = req.url!.indexOf('?')
    const path = query === -1 ? req.url! : req.url!.slice(0, query)
    // Which routes there are is known in a moment: who calls that early waits instead of being turned away.
    if (pellet.isStarting() && !isKnownEarly(path, admin))
      return void pellet.started.then(() => res.destroyed || serve(req, res))
    const entry = pellet.routes.find(path)
    const target = entry && targetOf(entry, req.method!)
    if (target) return sendTarget(pellet, target, req, res)
    if (entry) {
      const shape = entry.values().next().value!.deployment.manifest.errors
      return sendError(req, res, methodNotAllowed(req.method!, path, methodsOf(entry)), shape)
    }
    if (isResultPath(path)) return serveResult(pellet, req, res, { shape: 'pellet' })
    const failure = pellet.isStopping() || ownMethods(path, admin) ? undefined : pellet.routes.findFailure(path)
    if (failure) return sendError(req, res, notDeployed(req.method!, path, failure), failure.errors ?? 'pellet')
    res.setHeader('x-request-id', toRequestId(req))
    return own(req, res)
  }

  return (req, res) => {
    req.url = toOrigin(req.url!)
    serve(req, res)
  }
}

// --- internal ---

/** What is answered before there are routes: health, and wrong methods. */
function isKnownEarly(path: string, admin: boolean): boolean {
  return (
    !['/docs', '/openapi.json', '/metrics'].includes(path) && !path.startsWith('/api/') && !!ownMethods(path, admin)
  )
}

function ownMethods(path: string, admin: boolean): string[] | undefined {
  if (ownPaths.includes(path)) return ['GET', 'HEAD']
  if (!admin) return undefined
  if (['/api/about', '/api/deployments', '/api/ps', '/api/logs'].includes(path)) return ['GET']
  if (/^\/api\/cache(\/[^/]+)?$/.test(path)) return ['GET', 'DELETE']
  return /^\/api\/deployments\/[^/]+\/(load|unload)$/.test(path) ? ['POST'] : undefined
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

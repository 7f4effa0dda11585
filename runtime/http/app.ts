import { H3, HTTPError, HTTPResponse, toNodeHandler, type H3Event } from 'h3/node'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { PelletError } from '../errors.ts'
import type { ErrorShape } from '../manifest/manifest.ts'
import type { Pellet } from '../pellet.ts'
import { registerAdmin } from './admin.ts'
import { toErrorAnswer } from './error-body.ts'
import { registerHealth } from './health.ts'
import { stopping } from './proxy.ts'
import { toRequestId } from './request-id.ts'

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
    if (known) throw withAllow(event.req.method, event.url.pathname, known)
    if (pellet.isStopping()) throw stopping()
    throw new PelletError('not_found', `${event.req.method} ${event.url.pathname}: no such route; GET / lists them`)
  })
  const own = toNodeHandler(app)

  function serve(req: IncomingMessage, res: ServerResponse): unknown {
    const query = req.url!.indexOf('?')
    const path = query === -1 ? req.url! : req.url!.slice(0, query)
    // Which routes there are is known in a moment: who calls that early waits instead of being turned away.
    if (pellet.isStarting() && (path.startsWith('/api/') || !ownMethods(path, admin)))
      return void pellet.started.then(() => res.destroyed || serve(req, res))
    const entry = pellet.routes.find(path) ?? pellet.routes.find(withoutEscapes(path))
    const target = entry?.get(req.method!)
    if (target) return void pellet.proxy.serve(target, req, res)
    if (entry) {
      const allow = [...entry.keys()]
      const shape = entry.values().next().value!.deployment.manifest.errors
      return answerNode(res, withAllow(req.method!, path, allow), shape, toRequestId(req))
    }
    res.setHeader('x-request-id', toRequestId(req))
    return own(req, res)
  }

  return (req, res) => {
    req.url = toOrigin(req.url!)
    serve(req, res)
  }
}

// --- internal ---

/** An error that also says which methods there are. */
class AllowError extends PelletError {
  readonly allow: string[]

  constructor(message: string, allow: string[]) {
    super('method_not_allowed', message)
    this.allow = allow
  }
}

function withAllow(method: string, path: string, allow: string[]): AllowError {
  return new AllowError(`${path}: expected ${allow.join(' or ')}, found ${method}`, allow)
}

function ownMethods(path: string, admin: boolean): string[] | undefined {
  if (['/', '/health', '/health/live', '/health/ready'].includes(path)) return ['GET', 'HEAD']
  if (!admin) return undefined
  if (path === '/api/deployments' || path === '/api/ps') return ['GET']
  return /^\/api\/deployments\/[^/]+\/(load|unload)$/.test(path) ? ['POST'] : undefined
}

/** A target may also be written as a whole URL, as proxies do (RFC 9112, 3.2.2). */
function toOrigin(target: string): string {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)
  if (!origin) return target
  const rest = target.slice(origin[0].length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** `/v1/%65cho` is `/v1/echo` (RFC 3986, 6.2.2.2); an escaped slash stays one. */
function withoutEscapes(path: string): string {
  if (!path.includes('%')) return path
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

function answerError(error: HTTPError, event: H3Event): HTTPResponse {
  // h3 wraps what a handler throws; the original is the cause of the cause.
  const thrown = [error, error.cause, (error.cause as Error | undefined)?.cause].find(
    (one) => one instanceof PelletError,
  )
  const requestId = event.runtime!.node!.res!.getHeader('x-request-id') as string
  const { status, headers, body } = toErrorAnswer(thrown ?? toPelletError(error), 'pellet', requestId)
  if (thrown instanceof AllowError) headers['allow'] = thrown.allow.join(', ')
  return new HTTPResponse(body, { status, headers })
}

function toPelletError(error: HTTPError): PelletError {
  return error.status < 500
    ? new PelletError('invalid_request', error.message)
    : new PelletError('internal_error', error.message)
}

function answerNode(res: ServerResponse, error: AllowError, shape: ErrorShape, requestId: string): void {
  const { status, headers, body } = toErrorAnswer(error, shape, requestId)
  res.writeHead(status, { ...headers, allow: error.allow.join(', '), 'content-length': Buffer.byteLength(body) })
  res.end(body)
}

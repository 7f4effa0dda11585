import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import type { Dispatcher, Lease } from '../deployments/dispatcher.ts'
import { messageOf, PelletError } from '../errors.ts'
import { crashError } from '../isolate/isolate.ts'
import type { Logger } from '../log.ts'
import { formatBytes, parseDuration } from '../units.ts'
import { toErrorAnswer } from './error-body.ts'
import { toRequestId } from './request-id.ts'
import type { RouteTarget } from './route-table.ts'

export interface ProxyOptions {
  dispatcher: Dispatcher
  log: Logger
  maxBytesInFlight: number
  maxKeepAliveMs: number
  /** True once no new requests are taken. */
  isStopping(): boolean
}

/** Carries requests to isolates and answers back; admits on the headers and streams both ways. */
export class Proxy {
  readonly #options: ProxyOptions
  #bytesInFlight = 0

  constructor(options: ProxyOptions) {
    this.#options = options
  }

  /** Serves one request; never rejects. */
  async serve(target: RouteTarget, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const requestId = toRequestId(req)
    const exchange = new Exchange(target, req, res, requestId)
    let counted = 0
    const count = (bytes: number) => {
      counted += bytes
      this.#bytesInFlight += bytes
      if (this.#bytesInFlight > this.#options.maxBytesInFlight)
        throw new PelletError(
          'overloaded',
          `expected at most ${formatBytes(this.#options.maxBytesInFlight)} of requests at once (max_bytes_in_flight), found more; try again`,
          { retryAfterMs: 1000 },
        )
    }
    try {
      await this.#admit(exchange, count)
    } catch (error) {
      this.#refuse(exchange, error)
    } finally {
      this.#bytesInFlight -= counted
      exchange.end()
    }
  }

  async #admit(exchange: Exchange, count: (bytes: number) => void): Promise<void> {
    const { dispatcher, maxKeepAliveMs, isStopping } = this.#options
    const { req, target, signal } = exchange
    const { name, manifest } = target.deployment
    const { bodyBytes, timeoutMs } = manifest.limits
    if (isStopping()) throw new PelletError('stopping', 'Pellet is shutting down; try again', { retryAfterMs: 2000 })
    const length = req.headers['content-length']
    if (length !== undefined && Number(length) > bodyBytes) throw tooLarge(name, bodyBytes)
    const keepAliveMs = toKeepAlive(req.headers['x-keep-alive'], maxKeepAliveMs)
    // A declared body is counted at once, one without a length as it comes.
    if (length !== undefined) count(Number(length))
    const lease = await dispatcher.acquire(name, {
      signal,
      timeoutMs,
      ...(keepAliveMs !== undefined && { keepAliveMs }),
    })
    await exchange.forward(lease, (bytes, total) => {
      if (total > bodyBytes) throw tooLarge(name, bodyBytes)
      if (length === undefined) count(bytes)
    })
  }

  #refuse(exchange: Exchange, error: unknown): void {
    const { log } = this.#options
    const { res, target, requestId, req } = exchange
    if (exchange.callerLeft) {
      log.debug({ deployment: target.deployment.name, requestId }, 'caller left')
      return
    }
    const { status, headers, body } = toErrorAnswer(error, target.deployment.manifest.errors, requestId)
    const level = status >= 500 ? 'warn' : 'debug'
    log[level](
      { deployment: target.deployment.name, requestId, status, code: headers['x-pellet-error'] },
      messageOf(error),
    )
    if (res.headersSent) return void res.destroy()
    // What is left of the body is not wanted: a small rest is read and dropped, else the connection is closed.
    const unread = !req.complete && Number(req.headers['content-length'] ?? Infinity) > 65_536
    res.writeHead(status, {
      ...headers,
      'content-length': Buffer.byteLength(body),
      ...(unread && { connection: 'close' }),
    })
    if (unread) linger(req, res, body)
    else res.end(body)
  }
}

/** One request under way: its deadline, its caller, and the streams to and from the isolate. */
class Exchange {
  readonly target: RouteTarget
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly requestId: string
  callerLeft = false
  readonly #abort = new AbortController()
  readonly #deadline: NodeJS.Timeout
  #overdue = false

  constructor(target: RouteTarget, req: IncomingMessage, res: ServerResponse, requestId: string) {
    this.target = target
    this.req = req
    this.res = res
    this.requestId = requestId
    const { timeoutMs } = target.deployment.manifest.limits
    this.#deadline = setTimeout(() => {
      this.#overdue = true
      this.#abort.abort(
        new PelletError(
          'deadline_exceeded',
          `${target.deployment.name}: expected an answer within ${timeoutMs} ms (limits.timeout), found none`,
        ),
      )
    }, timeoutMs)
    res.once('close', () => {
      if (res.writableFinished) return
      this.callerLeft = !this.#overdue
      this.#abort.abort(new Error('the caller left'))
    })
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  end(): void {
    clearTimeout(this.#deadline)
  }

  /** @param onBody called for each part of the body, before it is passed on; may throw to end the request */
  forward(lease: Lease, onBody: (bytes: number, total: number) => void): Promise<void> {
    const { req, res, requestId, target, signal } = this
    return new Promise((resolve, reject) => {
      let answered = false
      const settle = (ok: boolean, error?: unknown) => {
        if (answered) return
        answered = true
        signal.removeEventListener('abort', onAbort)
        // What still comes of the body is no longer this request's, and must not be counted as such.
        req.off('data', onData).unpipe(upstream)
        if (this.#overdue && error) lease.overdue(requestId)
        else lease.release(ok)
        if (error) reject(error as Error)
        else resolve()
      }
      const upstream = httpRequest({
        socketPath: lease.isolate.socketPath,
        agent: lease.isolate.agent,
        method: req.method!,
        path: toPath(target, req.url!),
        headers: toUpstreamHeaders(req, requestId),
      })
      let total = 0
      const onData = (chunk: Buffer) => {
        try {
          onBody(chunk.length, (total += chunk.length))
        } catch (error) {
          upstream.destroy()
          settle(true, error)
        }
      }
      const onAbort = () => {
        upstream.destroy()
        settle(true, signal.reason)
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      upstream.on('error', (error) => settle(false, crashError(target.deployment.name, error.message)))
      upstream.on('response', (answer) => {
        res.writeHead(answer.statusCode!, toAnswerHeaders(answer, lease, target, requestId))
        answer.on('error', (error) => {
          settle(false, crashError(target.deployment.name, error.message))
        })
        answer.on('end', () => settle(true))
        answer.pipe(res)
      })
      if (hasExpectation(req)) res.writeContinue()
      req.on('data', onData)
      req.pipe(upstream)
    })
  }
}

// --- internal ---

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

function toUpstreamHeaders(req: IncomingMessage, requestId: string): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (const name in req.headers) {
    if (!hopByHop.has(name)) headers[name] = req.headers[name]
  }
  headers['x-request-id'] = requestId
  return headers
}

function toAnswerHeaders(
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

function toPath(target: RouteTarget, url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? target.path : target.path + url.slice(query)
}

function toKeepAlive(value: string | string[] | undefined, maxMs: number): number | undefined {
  if (value === undefined) return undefined
  let wanted: number
  try {
    wanted = parseDuration(String(value))
  } catch (error) {
    throw new PelletError('invalid_request', `X-Keep-Alive: ${messageOf(error)}`)
  }
  if (maxMs === -1) return wanted
  return wanted === -1 ? maxMs : Math.min(wanted, maxMs)
}

function tooLarge(name: string, bodyBytes: number): PelletError {
  return new PelletError(
    'payload_too_large',
    `${name}: expected a body of at most ${formatBytes(bodyBytes)} (limits.body), found more`,
  )
}

function hasExpectation(req: IncomingMessage): boolean {
  return req.headers.expect?.toLowerCase() === '100-continue'
}

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

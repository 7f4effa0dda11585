import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config.ts'
import type { Deployment } from '../deployments/deployment.ts'
import type { Dispatcher } from '../deployments/dispatcher.ts'
import type { Lease } from '../deployments/lease.ts'
import { messageOf, PelletError } from '../errors.ts'
import { InFlight } from '../in-flight.ts'
import type { Logger } from '../log.ts'
import { RequestCount } from '../metrics/request-count.ts'
import { formatBytes, parseDuration } from '../units.ts'
import { messageIn, toErrorAnswer } from '../error-body.ts'
import { resultHeader } from '../isolate/calls.ts'
import type { CacheSession } from '../results/cache-session.ts'
import type { ResultCache } from '../results/result-cache.ts'
import { Exchange, type Chain, type WholeAnswer } from './exchange.ts'
import { toAnswerHeaders } from './forwarded-headers.ts'
import { findKept, toKeptAnswer } from './kept-answers.ts'
import { sendRefusal } from './refusal.ts'
import { toRequestId } from './request-id.ts'
import type { RouteTarget } from './route-table.ts'

export interface ProxyOptions {
  /** As it is now: some of it may change meanwhile. */
  config: Pick<Config, 'maxBytesInFlight' | 'maxKeepAliveMs'>
  dispatcher: Dispatcher
  results: ResultCache
  log: Logger
  /** Counts the request once its answer is over; what it returns is told what becomes of it. */
  begin(deployment: Deployment, route: string, res: ServerResponse): RequestCount
  /** True once requests such as this one are not taken any more. */
  isStopping(req: IncomingMessage): boolean
}

/** Carries requests to isolates and answers back; admits on the headers and streams both ways. */
export class Proxy {
  readonly #options: ProxyOptions
  /** All that are under way, by id. */
  readonly #exchanges = new InFlight<Exchange>()
  #bytesInFlight = 0

  constructor(options: ProxyOptions) {
    this.#options = options
  }

  /** Of requests that are under way, as far as they have come. */
  get bytesInFlight(): number {
    return this.#bytesInFlight
  }

  /** The request of that number, while an isolate works on it. */
  find(id: string): (Exchange & { lease: Lease }) | undefined {
    const exchange = this.#exchanges.get(Number(id))
    return exchange?.lease && (exchange as Exchange & { lease: Lease })
  }

  /** @param chain of a call from another deployment: it was admitted with the request that it is made for */
  serve(target: RouteTarget, req: IncomingMessage, res: ServerResponse, chain?: Chain): void {
    let countedBytes = 0
    const count = (bytes: number) => {
      countedBytes += bytes
      this.#bytesInFlight += bytes
      if (this.#bytesInFlight > this.#options.config.maxBytesInFlight) throw this.#overloaded()
    }
    const requestId = chain?.parent.requestId ?? toRequestId(req)
    const { deployment, path, place } = target
    const route = chain?.route ?? `${req.method} ${path}`
    const counted = place ? new RequestCount(deployment, route, res) : this.#options.begin(deployment, route, res)
    const onEnd = (error?: unknown) => {
      this.#bytesInFlight -= countedBytes
      this.#exchanges.delete(exchange.number)
      exchange.session?.end()
      if (error !== undefined || exchange.callerLeft) this.#refuse(exchange, error, counted)
    }
    const onAnswer = (answer: IncomingMessage, lease: Lease) => {
      counted.answered(lease, answer.headers['server-timing'] as string | undefined)
      if (answer.statusCode! >= 400) this.#noteFailure(exchange, answer, counted)
      return exchange.session && this.#consult(exchange, exchange.session, answer, lease)
    }
    const exchange = new Exchange(target, req, res, requestId, onEnd, onAnswer, chain)
    this.#exchanges.set(exchange.number, exchange)
    try {
      if (chain) this.#admitCall(exchange, chain.parent, count)
      else this.#admit(exchange, count)
    } catch (error) {
      exchange.refuse(error)
    }
  }

  #admit(exchange: Exchange, count: (bytes: number) => void): void {
    const { config, dispatcher, results, isStopping } = this.#options
    const { req, target } = exchange
    const { name, manifest } = target.deployment
    const { bodyBytes, timeoutMs } = manifest.limits
    if (isStopping(req)) throw stopping()
    const length = req.headers['content-length']
    if (length !== undefined && Number(length) > bodyBytes) throw tooLarge(name, bodyBytes)
    // What is staged stays while it is tried.
    const keepAliveMs = target.place ? undefined : toKeepAlive(req.headers['x-keep-alive'], config.maxKeepAliveMs)
    // A declared body is counted at once, one without a length as it comes.
    if (length !== undefined) count(Number(length))
    const onBody = (bytes: number, total: number) => {
      if (total > bodyBytes) throw tooLarge(name, bodyBytes)
      if (length === undefined) count(bytes)
    }
    const acquire = (body?: Buffer[]) => {
      const leave = dispatcher.acquire(
        target.place ?? name,
        {
          timeoutMs: body ? exchange.deadlineAt - performance.now() : timeoutMs,
          ...(keepAliveMs !== undefined && { keepAliveMs }),
        },
        { grant: (lease) => exchange.forward(lease, onBody, body), refuse: (error) => exchange.refuse(error) },
      )
      exchange.waits(leave)
    }
    exchange.session = manifest.cache && results.open(target.deployment, req.headers['cache-control'])
    if (exchange.session) findKept(exchange, exchange.session, onBody, acquire)
    else acquire()
  }

  /**
   * A call is a part of a request that was admitted: served while stopping too, and within that one's deadline. Its body
   * has no bound of its own, as it comes from a deployment and not from a caller; what it takes in main counts as any.
   */
  #admitCall(exchange: Exchange, parent: Exchange, count: (bytes: number) => void): void {
    const length = exchange.req.headers['content-length']
    if (length !== undefined) count(Number(length))
    const leave = this.#options.dispatcher.acquire(
      exchange.target.deployment.name,
      { timeoutMs: exchange.deadlineAt - performance.now(), parent: parent.lease!.request },
      {
        grant: (lease) => exchange.forward(lease, (bytes) => length ?? count(bytes)),
        refuse: (error) => exchange.refuse(error),
      },
    )
    exchange.waits(leave)
  }

  /** The isolate answers: with what is kept, or with something to keep. */
  #consult(exchange: Exchange, session: CacheSession, answer: IncomingMessage, lease: Lease): WholeAnswer | undefined {
    const { res, requestId } = exchange
    if (answer.headers[resultHeader] === undefined || !session.found) {
      res.setHeader('x-cache', session.listen(answer))
      return undefined
    }
    const timing = toAnswerHeaders(answer, lease, requestId)['server-timing']
    return toKeptAnswer(exchange, session, session.found, String(timing))
  }

  #noteFailure({ target, requestId }: Exchange, answer: IncomingMessage, counted: RequestCount): void {
    const status = answer.statusCode!
    const code = String(answer.headers['x-pellet-error'] ?? '')
    const what = code.startsWith('device_') ? 'the NPU failed' : 'the function failed'
    if (status >= 500) this.#options.log.warn({ deployment: target.deployment.name, requestId, status, code }, what)
    answer.once('data', (body: Buffer) => counted.failed(status, code, messageIn(String(body)) ?? code))
  }

  #overloaded(): PelletError {
    const bound = formatBytes(this.#options.config.maxBytesInFlight)
    return new PelletError(
      'overloaded',
      `expected at most ${bound} of requests at once (max_bytes_in_flight), found more; try again`,
      { retryAfterMs: 1000 },
    )
  }

  #refuse(exchange: Exchange, error: unknown, counted: RequestCount): void {
    const { log } = this.#options
    const { res, target, requestId, req } = exchange
    if (exchange.callerLeft) {
      log.debug({ deployment: target.deployment.name, requestId }, 'caller left')
      return
    }
    // An isolate that calls reads Pellet's own shape, whatever the callee's clients know.
    const shape = exchange.chain ? 'pellet' : target.deployment.manifest.errors
    const answer = toErrorAnswer(error, shape, requestId)
    const { status, headers } = answer
    const level = status >= 500 ? 'warn' : 'debug'
    log[level](
      { deployment: target.deployment.name, requestId, status, code: headers['x-pellet-error'] },
      messageOf(error),
    )
    counted.failed(status, headers['x-pellet-error']!, messageOf(error))
    if (res.headersSent) return void res.destroy()
    sendRefusal(req, res, answer)
  }
}

export function stopping(): PelletError {
  return new PelletError('stopping', 'Pellet is shutting down; try again', { retryAfterMs: 2000 })
}

export function tooLarge(name: string, bodyBytes: number): PelletError {
  return new PelletError(
    'payload_too_large',
    `${name}: expected a body of at most ${formatBytes(bodyBytes)} (limits.body), found more`,
  )
}

// --- internal ---

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

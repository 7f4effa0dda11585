import {
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http'
import { gatherTurn } from '../byte-parts.ts'
import type { Lease } from '../deployments/lease.ts'
import { PelletError } from '../errors.ts'
import type { CacheSession } from '../results/cache-session.ts'
import { toAnswerHeaders, toCallHeaders, toUpstreamHeaders } from './forwarded-headers.ts'
import type { RouteTarget } from './route-table.ts'

/** How a request ended for its lease. */
type Ending = 'answered' | 'refused' | 'overdue' | 'left' | 'lost'

/**
 * What may wait in main on its way, each way of each request. Node's own mark of 16 KB is below the size of one read: with it
 * a megabyte would be two dozen rounds of stopping and starting.
 */
const maxBufferedBytes = 512 * 1024

/** What makes an exchange a call from within another one. */
export interface Chain {
  parent: Exchange
  /** The callee's, such as `POST /v1/embed`. */
  route: string
}

/** An answer that is there as a whole. */
export interface WholeAnswer {
  headers: OutgoingHttpHeaders
  body: Uint8Array
}

let exchanges = 0

/**
 * One request under way: its caller, its deadline, and the streams to and from the isolate. On every request's path: plain
 * callbacks instead of signals and promises, and own copying instead of `pipe`, which sets up a dozen listeners.
 */
export class Exchange {
  readonly target: RouteTarget
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly requestId: string
  /** Main's own number for the request: callers may give many requests one id. */
  readonly number = ++exchanges
  /** The same as others write it. */
  readonly id = String(this.number)
  readonly chain: Chain | undefined
  /** On `performance.now()`. */
  readonly deadlineAt: number
  callerLeft = false
  /** Where answers are kept: this request's dealings with them. */
  session: CacheSession | undefined
  readonly #onEnd: (error?: unknown) => void
  readonly #onAnswer: (answer: IncomingMessage, lease: Lease) => WholeAnswer | undefined
  readonly #deadline: NodeJS.Timeout | undefined
  /** Calls to other deployments under way: they end with it, however it ends. */
  #calls: Set<Exchange> | undefined
  #leaveQueue: (() => void) | undefined
  #lease: Lease | undefined
  #upstream: ClientRequest | undefined
  #isOver = false

  /**
   * @param onEnd called once, with what to tell the caller if the answer is not his already
   * @param onAnswer called when the isolate answers, before its body is read; may give another answer in its place
   * @param chain of a call from another deployment: its deadline is its parent's, of which it hears when that passes
   */
  constructor(
    target: RouteTarget,
    req: IncomingMessage,
    res: ServerResponse,
    requestId: string,
    onEnd: (error?: unknown) => void,
    onAnswer: (answer: IncomingMessage, lease: Lease) => WholeAnswer | undefined,
    chain?: Chain,
  ) {
    this.target = target
    this.req = req
    this.res = res
    this.requestId = requestId
    this.#onEnd = onEnd
    this.#onAnswer = onAnswer
    this.chain = chain
    const { name, manifest } = target.deployment
    const { timeoutMs } = manifest.limits
    this.deadlineAt = chain?.parent.deadlineAt ?? performance.now() + timeoutMs
    if (chain) (chain.parent.#calls ??= new Set()).add(this)
    else
      this.#deadline = setTimeout(() => {
        const expected = `${name}: expected an answer within ${timeoutMs} ms (limits.timeout), found none`
        this.#finish('overdue', new PelletError('deadline_exceeded', expected))
      }, timeoutMs)
    res.once('close', () => {
      if (res.writableFinished) return
      this.callerLeft = !this.#isOver
      this.#finish('left')
    })
  }

  /** The hold on the isolate that works on it now; undefined before and after. */
  get lease(): Lease | undefined {
    return this.#isOver ? undefined : this.#lease
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The request waits for a place; `leave` takes it out of the queue. */
  waits(leave: () => void): void {
    if (this.#isOver) leave()
    else if (!this.#lease) this.#leaveQueue = leave
  }

  /** Ends the request before or instead of an answer. */
  refuse(error: unknown): void {
    this.#finish('refused', error)
  }

  /** Answers with what is at hand. */
  answerWith({ headers, body }: WholeAnswer): void {
    if (this.#isOver) return
    this.res.writeHead(200, headers)
    this.res.end(body)
    this.#finish('answered')
  }

  /**
   * @param onBody called for each part of the body, before it is passed on; may throw to end the request
   * @param body where it was taken in already
   */
  forward(lease: Lease, onBody: (bytes: number, total: number) => void, body?: Buffer[]): void {
    const { req, res, requestId, target, chain, session } = this
    this.#lease = lease
    if (this.#isOver) return lease.release(true)
    if (lease.isolate.deployment.revision !== target.deployment.revision) session?.quit()
    const upstream = httpRequest({
      socketPath: lease.isolate.socketPath,
      agent: lease.isolate.agent,
      method: req.method!,
      path: chain ? target.path : toPath(target, req.url!),
      headers: chain
        ? toCallHeaders(req, requestId, this.id, chain.route)
        : toUpstreamHeaders(req, requestId, this.id, session),
    })
    this.#upstream = upstream
    upstream.on('error', (error) => this.#finish('lost', error))
    upstream.on('response', (answer) => {
      answer.on('error', (error) => this.#finish('lost', error))
      const other = this.#onAnswer(answer, lease)
      if (other) return void answer.on('end', () => this.answerWith(other)).resume()
      res.writeHead(answer.statusCode!, toAnswerHeaders(answer, lease, requestId))
      answer.on('data', (chunk: Buffer) => {
        if (res.write(chunk) || res.writableLength < maxBufferedBytes) return
        // What is kept is in memory anyway, and others may wait for it.
        if (session?.isCollecting) return
        answer.pause()
        res.once('drain', () => answer.resume())
      })
      answer.on('end', () => {
        res.end()
        this.#finish('answered')
      })
    })
    if (body) {
      for (const chunk of body) upstream.write(chunk)
      upstream.end()
      return
    }
    if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue()
    const pass = (chunk: Buffer) => {
      if (upstream.write(chunk) || upstream.writableLength < maxBufferedBytes) return
      req.pause()
      upstream.once('drain', () => req.resume())
    }
    // Only without a length does a caller decide how small the parts are.
    const gathered = req.headers['content-length'] === undefined ? gatherTurn(pass) : undefined
    let total = 0
    req.on('data', (chunk: Buffer) => {
      // What still comes of the body of a request that is over is not this request's any more.
      if (this.#isOver) return
      try {
        onBody(chunk.length, (total += chunk.length))
      } catch (error) {
        return this.#finish('refused', error)
      }
      if (gathered) gathered.add(chunk)
      else pass(chunk)
    })
    req.on('end', () => {
      gathered?.flush()
      upstream.end()
    })
  }

  /** The request that it was called for is over: at its deadline, or otherwise in a way that leaves nobody to answer to. */
  #endWith(ending: Ending, error: unknown): void {
    if (ending === 'overdue') return this.#finish('overdue', error)
    this.callerLeft = !this.#isOver
    this.#finish('left')
    this.res.destroy()
  }

  #finish(ending: Ending, error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#deadline)
    this.#leaveQueue?.()
    if (this.chain) this.chain.parent.#calls?.delete(this)
    for (const call of this.#calls ?? []) call.#endWith(ending, error)
    if (ending !== 'answered') this.#upstream?.destroy()
    const lease = this.#lease
    if (ending === 'lost') {
      // Why it broke is known once the isolate has been looked at.
      void lease!.lost((error as Error).message).then(this.#onEnd)
      return
    }
    if (ending === 'overdue') lease?.overdue(this.id)
    else if (ending === 'left') lease?.abandon(this.id)
    else lease?.release(true)
    this.#onEnd(error)
  }
}

// --- internal ---

function toPath(target: RouteTarget, url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? target.path : target.path + url.slice(query)
}

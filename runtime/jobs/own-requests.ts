import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { messageOf, PelletError } from '../errors.ts'
import { innerHeaders } from '../isolate/calls.ts'
import { Lane } from './lane.ts'
import { Patience } from './patience.ts'

/** A request that main makes to itself, in the name of a caller who does not wait for it. */
export interface OwnRequest {
  deployment: string
  method: string
  /** On the main port, e.g. `/f/depth/v1/depth/estimate?output=numpy`. */
  url: string
  headers: Record<string, string>
  /** Kept until it is answered: it may have to be sent again. */
  body: Buffer[]
}

export interface OwnRequestsOptions {
  clock: Clock
  /** How many of them a deployment serves at once. */
  concurrencyOf(deployment: string): number
}

/** A connection that is not used for so long is closed; one on which an answer is awaited stays. */
const idleMs = 5000

/**
 * Requests of main to itself, over a unix socket: so admission, cache, deadlines, metrics and errors are those of every
 * other request. No more of a deployment's run at once than it has places; what is refused for now is made again.
 */
export class OwnRequests {
  readonly #options: OwnRequestsOptions
  readonly #agent = new Agent({ keepAlive: true, timeout: idleMs })
  readonly #lanes = new Map<string, { lane: Lane; patience: Patience }>()
  #socketPath = ''
  #server: Server | undefined

  constructor(options: OwnRequestsOptions) {
    this.#options = options
  }

  /** Listens where these requests come in. */
  async listen(socketPath: string, handler: RequestListener): Promise<void> {
    this.#socketPath = socketPath
    const { maxHeaderSize, maxHeadersCount } = innerHeaders
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, noDelay: true, maxHeaderSize }, handler)
    server.maxHeadersCount = maxHeadersCount
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socketPath, resolve)
    })
  }

  /** Whether a request is one of these: it was accepted before, and is served while Pellet stops. */
  has({ socket }: IncomingMessage): boolean {
    return this.#server !== undefined && (socket as { server?: unknown }).server === this.#server
  }

  /**
   * Waits for a place, makes the request, and holds the place until the answer was read.
   * @param read called once, with the answer that stands
   * @param onStart called when there is a place
   * @throws PelletError when the answer breaks off; the signal's reason when that aborts
   */
  async make<Result>(
    request: OwnRequest,
    signal: AbortSignal,
    read: (answer: IncomingMessage) => Promise<Result>,
    onStart = () => {},
  ): Promise<Result> {
    const { lane, patience } = this.#laneOf(request.deployment)
    const leave = await lane.enter(signal)
    try {
      onStart()
      for (let attempts = 1; ; attempts++) {
        const answer = await this.#send(request, signal)
        const pauseMs = patience.pauseMs(codeOf(answer), retryAfterMs(answer), attempts)
        if (pauseMs === undefined) return await read(answer)
        answer.resume()
        await sleep(pauseMs, undefined, { signal })
      }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof PelletError) throw error
      const message = `${request.deployment}: expected a whole answer, found an early end (${messageOf(error)})`
      throw new PelletError('isolate_crashed', message, { cause: error, retryAfterMs: 1000 })
    } finally {
      leave()
      if (lane.isIdle) {
        patience.forget()
        this.#lanes.delete(request.deployment)
      }
    }
  }

  close(): void {
    this.#agent.destroy()
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  // --- internal ---

  #laneOf(deployment: string): { lane: Lane; patience: Patience } {
    let found = this.#lanes.get(deployment)
    if (!found) {
      const { clock, concurrencyOf } = this.#options
      found = { lane: new Lane(() => concurrencyOf(deployment)), patience: new Patience(clock.now) }
      this.#lanes.set(deployment, found)
    }
    return found
  }

  #send({ method, url, headers, body }: OwnRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const length = body.reduce((total, { length }) => total + length, 0)
      const req = httpRequest(
        {
          socketPath: this.#socketPath,
          agent: this.#agent,
          method,
          path: url,
          headers: { ...headers, 'content-length': length },
          signal,
        },
        resolve,
      )
      req.on('error', reject)
      for (const part of body) req.write(part)
      req.end()
    })
  }
}

// --- internal ---

function codeOf({ headers }: IncomingMessage): string | undefined {
  return headers['x-pellet-error'] as string | undefined
}

function retryAfterMs({ headers }: IncomingMessage): number | undefined {
  const value = headers['retry-after']
  return value === undefined ? undefined : Number(value) * 1000
}

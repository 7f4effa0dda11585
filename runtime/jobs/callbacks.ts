import { once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { messageOf, PelletError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { JobStore } from './job-store.ts'

export interface CallbacksOptions {
  /** The rules that hold now. */
  allowUrls(): string[]
  log: Logger
  store: JobStore
}

/** Whose answer is sent where. */
export interface CallbackOrder {
  id: string
  deployment: string
  requestId: string
  callback?: URL
}

/** Sends answers of jobs to who wants to be told, under the rules of `allow_urls`; they stay to be fetched all the same. */
export class Callbacks {
  readonly #options: CallbacksOptions

  constructor(options: CallbacksOptions) {
    this.#options = options
  }

  /**
   * Takes `callback` out of a request's query.
   * @throws PelletError `url_input_disabled`, `url_input_refused`
   */
  async takeFrom(query: string): Promise<{ callback?: URL; query: string }> {
    const parameters = new URLSearchParams(query)
    const text = parameters.get('callback')
    if (text === null) return { query }
    const allowUrls = this.#options.allowUrls()
    if (allowUrls.length === 0) {
      const message = 'callback: URLs are off here; fetch the result from its place, or set allow_urls in pellet.yaml'
      throw new PelletError('url_input_disabled', message)
    }
    const { checkedAddress, toHttpUrl, UrlRefused } = await import('../allowed-urls.ts')
    try {
      const callback = toHttpUrl(text)
      await checkedAddress(callback, allowUrls)
      parameters.delete('callback')
      return { callback, query: parameters.size > 0 ? `?${parameters}` : '' }
    } catch (error) {
      throw error instanceof UrlRefused ? new PelletError('url_input_refused', `callback: ${error.message}`) : error
    }
  }

  /** Sends an answer; resolves after the first try. Others follow by themselves, for as long as this process lives. */
  async deliver(order: CallbackOrder, attempt = 0): Promise<void> {
    const { log } = this.#options
    const { id, deployment, requestId, callback } = order
    const fields = { deployment, requestId, job: id, attempt: attempt + 1 }
    try {
      const status = await this.#send(order)
      if (status === undefined) return
      if (status >= 200 && status < 300)
        return log.info(fields, `${deployment}: the result was sent to ${callback!.host}`)
      throw new CallbackError(`expected a status of 200 to 299, found ${status}`, status >= 500 || again.has(status))
    } catch (error) {
      const pauseMs = error instanceof CallbackError && !error.isWorthTrying ? undefined : pausesMs[attempt]
      const next =
        pauseMs === undefined ? 'given up; the result can still be fetched' : `tried again in ${pauseMs / 1000} s`
      log.warn(fields, `${deployment}: callback to ${callback!.host}: ${messageOf(error)}; ${next}`)
      if (pauseMs !== undefined) setTimeout(() => void this.deliver(order, attempt + 1), pauseMs).unref()
    }
  }

  // --- internal ---

  /** The status of who was told; undefined when there is nothing to tell any more. */
  async #send({ id, callback }: CallbackOrder): Promise<number | undefined> {
    const { allowUrls, store } = this.#options
    const found = await store.find(id)
    if (!found) return undefined
    const { status, headers, sizeBytes, pieces, body } = found.answer
    const { checkedAddress, requestTo, UrlRefused } = await import('../allowed-urls.ts')
    // Looked up anew each time: the name may lead elsewhere by now.
    const address = await checkedAddress(callback!, allowUrls()).catch((error: unknown) => {
      throw error instanceof UrlRefused ? new CallbackError(error.message, false) : error
    })
    const req = requestTo(callback!, address, {
      method: 'POST',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...headers,
        'user-agent': 'pellet',
        'content-length': sizeBytes,
        'x-pellet-result': `/results/${id}`,
        'x-pellet-status': status,
      },
    })
    const answered = once(req, 'response') as Promise<[IncomingMessage]>
    answered.catch(() => {})
    if (body !== undefined) req.write(body)
    for (let index = 0; index < pieces && !req.destroyed; index++) await writePiece(req, await store.piece(id, index))
    req.end()
    const [answer] = await answered
    answer.resume()
    return answer.statusCode
  }
}

// --- internal ---

const timeoutMs = 30_000
/** Before the second try and those after it. */
const pausesMs = [1000, 5000, 30_000, 120_000]
/** Statuses below 500 that pass: Request Timeout, Too Early, Too Many Requests. */
const again = new Set([408, 425, 429])

class CallbackError extends Error {
  readonly isWorthTrying: boolean

  constructor(message: string, isWorthTrying: boolean) {
    super(message)
    this.isWorthTrying = isWorthTrying
  }
}

async function writePiece(req: ClientRequest, piece: Buffer | null): Promise<void> {
  if (piece === null) {
    req.destroy()
    throw new CallbackError('the result was dropped meanwhile', false)
  }
  if (!req.write(piece)) await Promise.race([once(req, 'drain'), once(req, 'close')])
}

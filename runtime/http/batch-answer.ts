import type { IncomingMessage, ServerResponse } from 'node:http'
import { PelletError } from '../errors.ts'
import { endBehindBody } from './refusal.ts'

export interface BatchAnswerOptions {
  type: string
  requestId: string
  /** How long the caller may take to read what waits for it. */
  timeoutMs: number
}

/**
 * What may wait to be read while the caller still sends. Many clients read nothing before they have sent all: without this
 * they would wait for us, and we for them.
 */
const maxUnreadBytes = 16 * 1024 * 1024
/** The same once all was sent. */
const maxBufferedBytes = 512 * 1024

/** The lines of a batch on their way: the status is sent with the first of them. */
export class BatchAnswer {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #options: BatchAnswerOptions

  constructor(req: IncomingMessage, res: ServerResponse, options: BatchAnswerOptions) {
    this.#req = req
    this.#res = res
    this.#options = options
  }

  /**
   * Resolves when there is room for the next line.
   * @throws PelletError when the caller does not read in time
   */
  async write(line: Buffer[]): Promise<void> {
    const res = this.#res
    const { type, requestId } = this.#options
    if (!res.headersSent) res.writeHead(200, { 'content-type': type, 'x-request-id': requestId })
    // One segment of a line of many.
    res.cork()
    for (const part of line) res.write(part)
    res.uncork()
    const most = this.#req.complete ? maxBufferedBytes : maxUnreadBytes
    if (res.writableLength > most) await this.#drained()
  }

  end(): void {
    if (this.#req.complete) this.#res.end()
    else endBehindBody(this.#req, this.#res)
  }

  // --- internal ---

  #drained(): Promise<void> {
    const res = this.#res
    const { timeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        res.off('drain', go).off('close', go)
      }
      const go = () => {
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        const message = `batch: expected the answers to be read within ${timeoutMs} ms (limits.timeout), found nobody reading`
        reject(new PelletError('deadline_exceeded', message))
      }, timeoutMs)
      res.on('drain', go).on('close', go)
    })
  }
}

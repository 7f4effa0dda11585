import type { IncomingMessage, ServerResponse } from 'node:http'
import { PelletError } from '../../errors.ts'
import { answerRefusal } from './refuse.ts'

/** What a frame tells its model. */
export interface FrameOwner {
  /** Its inputs are all there. */
  filled(frame: Frame): void
  /** Its client left, or its time is over. It needs no answer any more. */
  gone(frame: Frame): void
  /** Its answer is written: `body` may be written again. */
  flushed(body: Buffer): void
}

/**
 * One request for a frame: reads the inputs into the memory of a slot, writes the outputs. Until it is given a slot its body
 * is not read, so that the client waits.
 */
export class Frame {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #owner: FrameOwner
  #deadline: NodeJS.Timeout | undefined
  #body: Buffer | undefined
  #isOver = false
  /** Where its inputs are or were written. */
  slot = -1
  /** When it was given to the device, on the clock. */
  startedAt = 0
  /** It has had more time than a frame may take, and was counted. */
  isOverdue = false

  constructor(req: IncomingMessage, res: ServerResponse, owner: FrameOwner) {
    this.#req = req
    this.#res = res
    this.#owner = owner
    const timeoutMs = Number(req.headers['x-timeout-ms'])
    if (timeoutMs > 0) this.#deadline = setTimeout(() => this.#expire(timeoutMs), Math.min(timeoutMs, longestTimeoutMs))
    res.once('close', () => this.#close())
  }

  /** It was answered, or needs no answer. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Reads the body into `inputs`, one after the other, whose lengths are together that of the body. */
  fill(inputs: readonly Uint8Array[]): void {
    const req = this.#req
    let index = 0
    let offset = 0
    req.on('data', (chunk: Buffer) => {
      let from = 0
      while (from < chunk.length) {
        const input = inputs[index]!
        const count = Math.min(input.length - offset, chunk.length - from)
        input.set(from === 0 && count === chunk.length ? chunk : chunk.subarray(from, from + count), offset)
        from += count
        offset += count
        if (offset === input.length) {
          index++
          offset = 0
        }
      }
    })
    req.once('end', () => {
      if (!this.#isOver) this.#owner.filled(this)
    })
  }

  answer(body: Buffer, inferMs: number): void {
    this.#end()
    this.#body = body
    const res = this.#res
    res.writeHead(200, { 'content-length': body.length, 'x-infer-us': Math.round(inferMs * 1000) })
    res.end(body)
  }

  refuse(error: PelletError): void {
    if (this.#isOver) return
    this.#end()
    answerRefusal(this.#res, error)
  }

  // --- internal ---

  #expire(timeoutMs: number): void {
    this.refuse(new PelletError('deadline_exceeded', `expected the NPU's answer within ${timeoutMs} ms`))
    this.#owner.gone(this)
  }

  #close(): void {
    const body = this.#body
    if (body && this.#res.writableFinished) this.#owner.flushed(body)
    if (this.#isOver) return
    this.#end()
    this.#owner.gone(this)
  }

  /** Nothing of its body is written into its slot any more: the rest is read away. */
  #end(): void {
    this.#isOver = true
    clearTimeout(this.#deadline)
    this.#req.removeAllListeners('data')
    if (!this.#req.readableEnded) this.#req.resume()
  }
}

// --- internal ---

/** setTimeout fires at once for longer ones. */
const longestTimeoutMs = 2 ** 31 - 1

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { PelletError } from '../errors.ts'
import { toErrorAnswer } from '../error-body.ts'
import { runBatch } from '../jobs/batch.ts'
import { lineTypes, toItems, type BatchItem, type ItemLimits } from '../jobs/batch-items.ts'
import { toErrorLine, toLine } from '../jobs/batch-line.ts'
import type { AnswerWriter } from '../jobs/job-store.ts'
import type { LiveJob } from '../jobs/jobs.ts'
import { parsePrefer } from '../jobs/prefer.ts'
import type { Pellet } from '../pellet.ts'
import { BatchAnswer } from './batch-answer.ts'
import { CallerLeft, gatherBody } from './gather.ts'
import { stopping, tooLarge } from './proxy.ts'
import { sendRefusal } from './refusal.ts'
import { toRequestId } from './request-id.ts'
import { answerAccepted, queryOf, toOwnHeaders } from './respond-async.ts'
import type { BatchTarget } from './route-table.ts'

/**
 * Many requests in one body, answered by one line of NDJSON each, in their order and as soon as it is their turn. Each is a
 * request like any other, so that each has its own deadline, its own place and its own error.
 */
export async function serveBatch(
  pellet: Pellet,
  target: BatchTarget,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { manifest } = target.deployment
  const requestId = toRequestId(req)
  const preference = parsePrefer(req.headers['prefer'])
  try {
    if (pellet.isRefusing()) throw stopping()
    pellet.desk.jobs.expectPlace()
    if (pellet.desk.room.isFull) pellet.desk.room.take(1)
    refuseEncoded(req)
    const batch = new Batch(pellet, target, req, requestId)
    if (preference.respondAsync) await batch.accept(res, (job) => answerAccepted(pellet, job, res, req, preference))
    else await pellet.desk.jobs.track(batch.stream(res))
  } catch (error) {
    if (error instanceof CallerLeft || res.headersSent) return void res.destroy()
    if (!res.destroyed) sendRefusal(req, res, toErrorAnswer(error, manifest.errors, requestId))
  }
}

// --- internal ---

const ndjson = 'application/x-ndjson'

class Batch {
  readonly #pellet: Pellet
  readonly #target: BatchTarget
  readonly #req: IncomingMessage
  readonly #requestId: string
  readonly #headers: Record<string, string>
  #url: string
  readonly #limits: ItemLimits
  #heldBytes = 0
  #isStreamed = false
  #isOver = false

  constructor(pellet: Pellet, target: BatchTarget, req: IncomingMessage, requestId: string) {
    this.#pellet = pellet
    this.#target = target
    this.#req = req
    this.#requestId = requestId
    const { name, manifest } = target.deployment
    const maxBytes = manifest.limits.bodyBytes
    this.#limits = { maxBytes, tooLarge: tooLarge(name, maxBytes) }
    this.#headers = toItemHeaders(req.headers, requestId)
    this.#url = `/f/${name}${target.batch.path}${queryOf(req.url!)}`
  }

  /** Answers while the body comes. The caller's leaving ends it. */
  async stream(res: ServerResponse): Promise<void> {
    const { manifest } = this.#target.deployment
    const left = new AbortController()
    res.once('close', () => left.abort(new CallerLeft()))
    const answer = new BatchAnswer(this.#req, res, {
      type: ndjson,
      requestId: this.#requestId,
      timeoutMs: manifest.limits.timeoutMs,
    })
    try {
      const items = toItems(this.#counted(), this.#req.headers['content-type'], this.#limits)
      if (this.#req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue()
      await this.#run(items, left.signal, (line) => answer.write(line))
      answer.end()
    } finally {
      this.#isOver = true
      this.#release(this.#heldBytes)
    }
  }

  /** Takes all of the body at once, and is answered later. */
  async accept(res: ServerResponse, answerWith: (job: LiveJob) => Promise<void>): Promise<void> {
    const { desk, config } = this.#pellet
    const { jobs, room, callbacks } = desk
    const { name, manifest } = this.#target.deployment
    const { batch } = this.#target
    try {
      const { callback, query } = await callbacks.takeFrom(queryOf(this.#req.url!))
      this.#url = `/f/${name}${batch.path}${query}`
      const body = await gatherBody(this.#req, res, {
        name,
        maxBytes: config.maxBytesInFlight,
        timeoutMs: manifest.limits.timeoutMs,
        take: (bytes) => {
          room.take(bytes)
          this.#heldBytes += bytes
        },
      })
      // All is looked at before it is accepted: what is wrong with it is said at once.
      const found: BatchItem[] = []
      for await (const item of toItems(unhurried(body), this.#req.headers['content-type'], this.#limits))
        found.push(item)
      if (this.#pellet.isRefusing()) throw stopping()
      const items = { done: 0, total: found.length }
      const run = async (job: LiveJob, writer: AnswerWriter) => {
        await this.#run(
          over(found),
          job.signal,
          async (line) => {
            items.done++
            for (const part of line) await writer.write(part)
          },
          () => (job.state = 'running'),
        )
        await writer.end(200, { 'content-type': ndjson, 'x-request-id': this.#requestId })
      }
      const route = `batch of ${batch.method} ${batch.path}`
      const job = await jobs.accept({
        deployment: name,
        route,
        requestId: this.#requestId,
        shape: manifest.errors,
        ...(callback && { callback }),
        items,
        run,
      })
      void job.over.then(() => this.#release(this.#heldBytes))
      await answerWith(job)
    } catch (error) {
      this.#release(this.#heldBytes)
      throw error
    }
  }

  async #run(
    items: AsyncGenerator<BatchItem>,
    signal: AbortSignal,
    write: (line: Buffer[]) => Promise<void>,
    onStart = () => {},
  ): Promise<void> {
    const { errors, limits } = this.#target.deployment.manifest
    await runBatch({
      items,
      // As many again as are worked on: those behind a slow one need not wait for it.
      window: limits.concurrency * 2,
      itemTimeoutMs: limits.timeoutMs,
      answer: (item, index, given) => this.#answer(item, index, given, onStart),
      fail: (error, index) => toErrorLine(index, error, errors),
      write,
      signal,
    })
  }

  async #answer({ request, readBytes }: BatchItem, index: number, signal: AbortSignal, onStart: () => void) {
    const { deployment, batch } = this.#target
    try {
      if (request instanceof PelletError) throw request
      const { type, body } = request
      const id = `${this.#requestId}.${index}`
      const headers = { ...this.#headers, 'content-type': type, 'x-request-id': id.slice(-128) }
      const own = { deployment: deployment.name, method: batch.method, url: this.#url, headers, body }
      return await this.#pellet.desk.ownRequests.make(own, signal, (answer) => toLine(index, answer), onStart)
    } catch (error) {
      signal.throwIfAborted()
      return toErrorLine(index, error, deployment.manifest.errors)
    } finally {
      // Of a job all is held until it is over: its items are views of one body.
      if (this.#isStreamed) this.#release(readBytes)
    }
  }

  /** The body as it comes, counted, and waiting where other bodies fill the room. */
  async *#counted(): AsyncGenerator<Buffer> {
    const { room } = this.#pellet.desk
    this.#isStreamed = true
    for await (const chunk of this.#req.iterator({ destroyOnReturn: false })) {
      const bytes = (chunk as Buffer).length
      if (room.isFull) await room.hasRoom()
      if (this.#isOver) return
      room.hold(bytes)
      this.#heldBytes += bytes
      yield chunk as Buffer
    }
  }

  /** What an item gives back may have been given back with all of the batch before. */
  #release(bytes: number): void {
    const held = Math.min(bytes, this.#heldBytes)
    this.#heldBytes -= held
    this.#pellet.desk.room.giveBack(held)
  }
}

/** What is said of the answers is said of each item's; that they come in lines is not the item's business. */
function toItemHeaders(headers: IncomingHttpHeaders, requestId: string): Record<string, string> {
  const { accept = '*/*', ...own } = toOwnHeaders(headers, requestId)
  const types = accept.split(',').filter((range) => !lineTypes.has(range.split(';', 1)[0]!.trim().toLowerCase()))
  return types.length > 0 ? { ...own, accept: types.join(',') } : own
}

function refuseEncoded({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding']
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  const message = `content encoding: expected a body as it is, found ${JSON.stringify(encoding)}; send it uncompressed`
  throw new PelletError('unsupported_media_type', message)
}

/** With a turn for others between the parts: to look through 100 MB takes main seconds. */
async function* unhurried(body: Buffer[]): AsyncGenerator<Buffer> {
  for (const part of body) {
    yield part
    await setImmediate()
  }
}

async function* over<Item>(list: Item[]): AsyncGenerator<Item> {
  yield* list
}

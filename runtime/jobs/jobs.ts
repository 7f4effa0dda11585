import { randomBytes } from 'node:crypto'
import { messageOf, PelletError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { toTellable } from '../storage/tellable.ts'
import { within } from '../within.ts'
import type { JobAnswer, JobRecord } from './job-record.ts'
import type { AnswerWriter, JobStore } from './job-store.ts'

export interface JobsOptions {
  store: JobStore
  log: Logger
  /** Milliseconds since 1970. */
  now(): number
  /** Tells who wanted to be told that a job is over; resolves after the first try. */
  deliver(job: LiveJob): Promise<void>
}

/** What is to be done, and for whom. */
export interface JobOrder extends Omit<JobRecord, 'acceptedAt' | 'answer'> {
  /** Of a batch. */
  items?: { done: number; total: number }
  /** Where the answer is to be sent when it is there, as `Callbacks` took it from the request. */
  callback?: URL
  /** Writes the answer. Ends early when the job is cancelled. What it throws becomes the answer. */
  run(job: LiveJob, answer: AnswerWriter): Promise<void>
}

/** A job that is under way. */
export interface LiveJob extends JobOrder {
  id: string
  acceptedAt: number
  state: 'waiting' | 'running'
  signal: AbortSignal
  cancel(reason: Error): void
  /** Resolves when it is over, however it ended. */
  over: Promise<void>
}

/** So many jobs and batches may be under way at once, over all deployments. */
export const maxJobs = 1000

/** Requests whose callers come back for the answer. */
export class Jobs {
  readonly #options: JobsOptions
  readonly #live = new Map<string, LiveJob>()
  /** Jobs, and other work that a stop waits for. */
  readonly #under = new Set<Promise<unknown>>()

  constructor(options: JobsOptions) {
    this.#options = options
  }

  /** @throws PelletError `queue_full` when there are as many jobs and batches as may be */
  expectPlace(): void {
    if (this.#under.size < maxJobs) return
    const message = `expected at most ${maxJobs} jobs and batches at once, found as many; try again`
    throw new PelletError('queue_full', message, { retryAfterMs: 10_000 })
  }

  /**
   * Begins a job; resolves once it would be answered even if this process ended now.
   * @throws PelletError `queue_full`; `storage_full`, `storage_failed` when it cannot be kept
   */
  async accept(order: JobOrder): Promise<LiveJob> {
    const { store, log, now } = this.#options
    this.expectPlace()
    const id = randomBytes(16).toString('hex')
    const acceptedAt = now()
    const { deployment, requestId } = order
    try {
      // A stop that begins meanwhile waits for it, and so for the job.
      await this.track(store.accept(id, toRecord(order, acceptedAt)))
    } catch (error) {
      log.error({ deployment, requestId }, messageOf(error))
      throw toTellable(error, 'the job could not be kept')
    }
    const abort = new AbortController()
    const live: LiveJob = {
      ...order,
      id,
      acceptedAt,
      state: 'waiting',
      signal: abort.signal,
      cancel: (reason) => abort.abort(reason),
      over: Promise.resolve(),
    }
    this.#live.set(id, live)
    live.over = this.track(this.#run(live))
    return live
  }

  /** A job that is under way. */
  live(id: string): LiveJob | undefined {
    return this.#live.get(id)
  }

  /** A job that is over. */
  find(id: string): Promise<(JobRecord & { answer: JobAnswer }) | undefined> {
    return this.#options.store.find(id)
  }

  piece(id: string, index: number): Promise<Buffer | null> {
    return this.#options.store.piece(id, index)
  }

  /** Cancels a job that is under way, forgets one that is over. */
  async forget(id: string): Promise<void> {
    const live = this.#live.get(id)
    live?.cancel(cancelled)
    await live?.over
    await this.#options.store.forget(id)
  }

  /** Work that a stop is to wait for. */
  track<Result>(work: Promise<Result>): Promise<Result> {
    this.#under.add(work)
    const done = () => this.#under.delete(work)
    work.then(done, done)
    return work
  }

  /** Resolves when nothing is under way, or `ms` have passed: what then still is will be answered as interrupted. */
  async drain(ms: number): Promise<void> {
    await within(this.#quiet(), ms)
    for (const live of this.#live.values()) live.cancel(stopped)
  }

  // --- internal ---

  /** What ends may begin something else: a job its callback. */
  async #quiet(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under)
  }

  async #run(live: LiveJob): Promise<void> {
    const { store, log } = this.#options
    const { id, deployment, requestId, signal } = live
    const record = toRecord(live, live.acceptedAt)
    const writer = store.writer(id, record)
    try {
      await live.run(live, writer)
    } catch (error) {
      // What was stopped is answered by the next start, from what was kept when it was accepted.
      if (signal.reason === stopped) return
      try {
        await writer.discard()
        if (signal.aborted) return log.debug({ deployment, requestId, job: id }, 'the job was cancelled')
        log.warn({ deployment, requestId, job: id }, messageOf(error))
        await store.fail(id, record, error)
      } catch (problem) {
        log.error({ deployment, requestId, job: id }, `${deployment}: the job's answer is lost: ${messageOf(problem)}`)
      }
    } finally {
      this.#live.delete(id)
    }
    if (live.callback && !signal.aborted) void this.track(this.#options.deliver(live))
  }
}

// --- internal ---

const cancelled = new Error('the job was cancelled')
const stopped = new Error('Pellet ends')

function toRecord({ deployment, route, requestId, shape }: JobOrder, acceptedAt: number): JobRecord {
  return { deployment, route, requestId, shape, acceptedAt }
}

import type { Storage } from 'unstorage'
import type { Clock } from '../clock.ts'
import { PelletError } from '../errors.ts'
import { toErrorAnswer } from '../error-body.ts'
import { toTellable } from '../storage/tellable.ts'
import { formatBytes } from '../units.ts'
import type { JobAnswer, JobRecord } from './job-record.ts'
import { isExpired, toDrop, type Kept, type RetentionLimits } from './retention.ts'

export interface JobStoreOptions {
  storage: Storage
  limits: RetentionLimits
  clock: Clock
  /** Milliseconds since 1970: what is kept outlives the process. */
  now(): number
  /** Something could not be written or removed. */
  onProblem(error: unknown): void
}

/** Where an answer goes while it comes. */
export interface AnswerWriter {
  /** @throws PelletError `payload_too_large` when it outgrows what may be kept in all */
  write(chunk: Uint8Array): Promise<void>
  end(status: number, headers: Record<string, string>): Promise<void>
  /** Removes what was written of it. */
  discard(): Promise<void>
}

/** So large are the pieces in which answers are written and read: as much of each is in memory. */
const pieceBytes = 1024 * 1024

/**
 * Jobs and their answers in the mount `jobs:`; `jobs:<id>:record` and `jobs:<id>:0`, `:1`, ... for the answer's bytes. A mount of
 * its own, on this machine: what one Pellet has accepted another cannot finish.
 */
export class JobStore {
  readonly #options: JobStoreOptions
  /** In the order in which they were finished. */
  readonly #kept = new Map<string, Kept & { pieces: number }>()
  /** Errors for which there was no room; as many as are kept. */
  readonly #unwritten = new Map<string, JobRecord>()
  #alarm: (() => void) | undefined
  #onRecovered: () => void = () => {}
  readonly #recovered = new Promise<void>((resolve) => (this.#onRecovered = resolve))

  constructor(options: JobStoreOptions) {
    this.#options = options
  }

  /**
   * Looks at what an earlier process has left: its results stay, what it did not finish is answered with an error. All else
   * waits for it. To be called once, and when it is certain that no other Pellet uses the store.
   */
  async recover(): Promise<void> {
    await this.#recover().catch(this.#options.onProblem)
    this.#onRecovered()
  }

  /** Keeps that a job was accepted: from now on it will have an answer. */
  async accept(id: string, record: JobRecord): Promise<void> {
    await this.#recovered
    await this.#options.storage.setItem(recordKey(id), record as never)
  }

  writer(id: string, record: JobRecord): AnswerWriter {
    const { storage, limits, now } = this.#options
    let gathered: Uint8Array[] = []
    let gatheredBytes = 0
    let sizeBytes = 0
    let pieces = 0
    const flush = async () => {
      if (gatheredBytes === 0) return
      const piece = Buffer.concat(gathered)
      gathered = []
      gatheredBytes = 0
      await this.#written(storage.setItemRaw(pieceKey(id, pieces++), piece))
    }
    return {
      write: async (chunk) => {
        gathered.push(chunk)
        gatheredBytes += chunk.length
        sizeBytes += chunk.length
        if (sizeBytes > limits.maxBytes) throw tooLarge(record, limits.maxBytes)
        if (gatheredBytes >= pieceBytes) await flush()
      },
      end: async (status, headers) => {
        await flush()
        await this.#finish(id, record, { status, headers, finishedAt: now(), sizeBytes, pieces })
      },
      discard: () => this.#removePieces(id, pieces),
    }
  }

  /**
   * Ends a job with an error instead of an answer. Where not even that can be written, it is known until this process ends;
   * the next one finds a job that was interrupted.
   */
  async fail(id: string, record: JobRecord, error: unknown): Promise<void> {
    const answer = toErrorJobAnswer(record, error, this.#options.now())
    try {
      await this.#finish(id, record, answer)
    } catch (problem) {
      this.#unwritten.set(id, { ...record, answer })
      this.#keep(id, answer)
      throw problem
    }
  }

  /** A job that is over; undefined for one that is not, or is not known, or not any more. */
  async find(id: string): Promise<(JobRecord & { answer: JobAnswer }) | undefined> {
    await this.#recovered
    const kept = this.#kept.get(id)
    if (!kept || isExpired(kept, this.#options.now(), this.#options.limits)) return undefined
    const record = this.#unwritten.get(id) ?? ((await this.#options.storage.getItem(recordKey(id))) as JobRecord | null)
    return record?.answer ? { ...record, answer: record.answer } : undefined
  }

  /** A piece of an answer; null when it is gone. */
  piece(id: string, index: number): Promise<Buffer | null> {
    return this.#options.storage.getItemRaw<Buffer>(pieceKey(id, index))
  }

  /** Forgets a job: one that is over, or was cancelled. */
  async forget(id: string): Promise<void> {
    const pieces = this.#kept.get(id)?.pieces ?? 0
    this.#kept.delete(id)
    this.#unwritten.delete(id)
    // The record first: pieces without one are removed by the next start.
    await this.#options.storage.removeItem(recordKey(id))
    await this.#removePieces(id, pieces)
  }

  close(): void {
    this.#alarm?.()
  }

  // --- internal ---

  async #finish(id: string, record: JobRecord, answer: JobAnswer): Promise<void> {
    await this.#written(this.#options.storage.setItem(recordKey(id), { ...record, answer } as never))
    this.#keep(id, answer)
    this.#sweep()
  }

  /** @throws PelletError that a caller may read */
  async #written(writing: Promise<void>): Promise<void> {
    await writing.catch((error: unknown) => {
      this.#options.onProblem(error)
      throw toTellable(error, 'the answer could not be kept')
    })
  }

  #keep(id: string, { sizeBytes, finishedAt, pieces }: JobAnswer): void {
    this.#kept.set(id, { id, sizeBytes, finishedAt, pieces })
  }

  async #removePieces(id: string, pieces: number): Promise<void> {
    for (let index = 0; index < pieces; index++) await this.#options.storage.removeItem(pieceKey(id, index))
  }

  #sweep(): void {
    const { now, limits, clock, onProblem } = this.#options
    for (const { id } of toDrop([...this.#kept.values()], now(), limits)) void this.forget(id).catch(onProblem)
    this.#alarm?.()
    const [oldest] = this.#kept.values()
    if (!oldest || limits.ttlMs === -1) return
    const leftMs = oldest.finishedAt + limits.ttlMs - now()
    this.#alarm = clock.alarm(clock.now() + Math.max(leftMs, 0), () => this.#sweep())
  }

  async #recover(): Promise<void> {
    const { storage, now, onProblem } = this.#options
    const keys = (await storage.getKeys('jobs')).map((key) => key.split(':'))
    const records = new Set(keys.flatMap(([, id, part]) => (part === 'record' ? [id!] : [])))
    const found: [string, JobAnswer][] = []
    const unread = new Set<string>()
    for (const id of records) {
      // One that cannot be read or written is no reason to lose sight of the others.
      const record = await storage.getItem<JobRecord>(recordKey(id)).catch((error: unknown) => {
        onProblem(error)
        unread.add(id)
      })
      if (!record) continue
      const answer = record.answer ?? toErrorJobAnswer(record, interrupted(record), now())
      if (!record.answer)
        await storage.setItem(recordKey(id), { ...record, answer } as never).catch((error: unknown) => {
          onProblem(error)
          this.#unwritten.set(id, { ...record, answer })
        })
      found.push([id, answer])
    }
    for (const [id, answer] of found.sort(([, a], [, b]) => a.finishedAt - b.finishedAt)) this.#keep(id, answer)
    for (const [, id = '', part] of keys) {
      if (part !== 'record' && !unread.has(id) && Number(part) >= (this.#kept.get(id)?.pieces ?? 0))
        await storage.removeItem(pieceKey(id, Number(part)))
    }
    this.#sweep()
  }
}

// --- internal ---

const recordKey = (id: string) => `jobs:${id}:record`
const pieceKey = (id: string, index: number) => `jobs:${id}:${index}`

function toErrorJobAnswer({ shape, requestId }: JobRecord, error: unknown, finishedAt: number): JobAnswer {
  const { status, headers, body } = toErrorAnswer(error, shape, requestId)
  return { status, headers, body, finishedAt, pieces: 0, sizeBytes: Buffer.byteLength(body) }
}

function interrupted({ deployment }: JobRecord): PelletError {
  const message = `${deployment}: expected to finish the job, found that Pellet ended in the middle of it; send the request again`
  return new PelletError('job_interrupted', message)
}

function tooLarge({ deployment }: JobRecord, maxBytes: number): PelletError {
  const bound = formatBytes(maxBytes)
  const message = `${deployment}: expected an answer of at most ${bound} (results_max), found more; ask for less at once`
  return new PelletError('payload_too_large', message)
}

import type { IncomingMessage } from 'node:http'
import type { CacheWish } from './cache-control.ts'
import type { Entry } from './entry.ts'
import type { Passenger } from './flights.ts'
import type { Outcome } from './cache-rows.ts'
import type { Generation, ResultCache } from './result-cache.ts'

/** What becomes of a request that was looked up: one of the two, once, unless it ends before. */
export interface LookUp {
  hit(entry: Entry): void
  /** Nobody has the answer, and nobody else makes it. */
  compute(): void
}

/**
 * One request's dealings with the kept answers. It may be looked up twice: by its bytes before it gets an isolate, and by
 * what the isolate understood of it. In between it may have to make the answer that others wait for.
 */
export class CacheSession {
  /** The answer that is kept, once it was found. */
  found: Entry | undefined
  /** The answer is taken in as it comes, to be kept. */
  isCollecting = false
  readonly startedAt = performance.now()
  readonly #cache: ResultCache
  readonly generation: Generation
  #wish: CacheWish
  /** Flights that it takes part in, by key. */
  readonly #flights = new Map<string, Passenger<Entry>>()
  #bytesKey: string | undefined
  #key: string | undefined
  #isOver = false
  #isWhole = false

  constructor(cache: ResultCache, generation: Generation, wish: CacheWish) {
    this.#cache = cache
    this.generation = generation
    this.#wish = wish
  }

  /** Whether the caller lets it look for an answer, or keep one. */
  get isOpen(): boolean {
    return this.#wish !== 'none'
  }

  /** Another revision will answer than the one that was asked: its answer is not what was looked for. */
  quit(): void {
    this.#wish = 'none'
    this.#disband()
  }

  /** Looks for the answer by a digest of the request's bytes. */
  findBytes(digest: string, lookUp: LookUp): void {
    this.#bytesKey = this.#cache.keyOf(this.generation, 'bytes', digest)
    this.#find(this.#bytesKey, lookUp)
  }

  /**
   * Looks for the answer by a digest of what was understood of the request.
   * @param isFetched the picture was fetched by its URL: next time the same bytes may mean another one
   */
  find(digest: string, isFetched: boolean, { hit, compute }: LookUp): void {
    if (isFetched && this.#bytesKey !== undefined) {
      this.#end(this.#bytesKey, (key, passenger) => this.#cache.flights.disband(key, passenger))
      this.#bytesKey = undefined
    }
    this.#key = this.#cache.keyOf(this.generation, 'answer', digest)
    this.#find(this.#key, {
      hit: (entry) => {
        this.found = entry
        this.#land(entry)
        this.#keepAlias(entry)
        hit(entry)
      },
      compute,
    })
  }

  /** @returns what `X-Cache` says: the outcome */
  count(outcome: Outcome): Outcome {
    this.#cache.count(this.generation.name, outcome)
    return outcome
  }

  /** The isolate answers: what it says is kept once it is whole. @returns what `X-Cache` says */
  listen(answer: IncomingMessage): Outcome {
    if (!this.isOpen) return this.count('bypass')
    if (answer.statusCode !== 200) return this.count('miss')
    // What the isolate has not asked for has no key: its answer depends on more than the request.
    if (this.#key === undefined) {
      this.#disband()
      return this.count('bypass')
    }
    this.isCollecting = true
    const chunks: Buffer[] = []
    let sizeBytes = 0
    answer.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length
      if (sizeBytes <= this.generation.maxEntryBytes) return void chunks.push(chunk)
      chunks.length = 0
      this.isCollecting = false
      this.#disband()
    })
    answer.on('end', () => {
      if (sizeBytes > this.generation.maxEntryBytes) return
      this.#isWhole = true
      // The caller first.
      setImmediate(() => this.#keep(String(answer.headers['content-type']), chunks))
    })
    return this.count('miss')
  }

  /** The request is over, whatever became of it. Where it has no answer for those who wait, the next of them makes it. */
  end(): void {
    this.#isOver = true
    if (this.#isWhole) return
    for (const key of this.#flights.keys())
      this.#end(key, (flight, passenger) => this.#cache.flights.leave(flight, passenger))
  }

  // --- internal ---

  #find(key: string, { hit, compute }: LookUp): void {
    if (this.#wish === 'fresh') return compute()
    const passenger: Passenger<Entry> = {
      land: (entry) => {
        this.#flights.delete(key)
        if (!this.#isOver) hit(entry)
      },
      // It may have been kept since it was looked for last; and of many who look only one reads.
      lead: () => {
        void this.#cache.read(key).then((entry) => {
          if (this.#isOver) return
          if (!entry) return compute()
          this.#end(key, (flight) => this.#cache.flights.land(flight, passenger, entry))
          hit(entry)
        })
      },
    }
    this.#flights.set(key, passenger)
    this.#cache.flights.join(this.#flightOf(key), passenger)
  }

  #keep(type: string, body: Buffer[]): void {
    const createdAt = this.#cache.now()
    const { engine, ttlMs } = this.generation
    const header = { type, engine, createdAt, expiresAt: createdAt + ttlMs }
    const entry = this.#cache.keep(this.generation, this.#key!, header, body)
    this.#keepAlias(entry)
    this.#land(entry)
  }

  #keepAlias({ createdAt, expiresAt }: Entry): void {
    if (this.#bytesKey === undefined || this.#key === undefined) return
    this.#cache.keepAlias(this.generation, this.#bytesKey, { to: this.#key, createdAt, expiresAt })
  }

  /** Gives the answer to all who wait for it. */
  #land(entry: Entry): void {
    for (const key of this.#flights.keys())
      this.#end(key, (flight, passenger) => this.#cache.flights.land(flight, passenger, entry))
  }

  #disband(): void {
    for (const key of this.#flights.keys())
      this.#end(key, (flight, passenger) => this.#cache.flights.disband(flight, passenger))
  }

  #end(key: string, how: (flight: string, passenger: Passenger<Entry>) => void): void {
    const passenger = this.#flights.get(key)
    if (!passenger) return
    this.#flights.delete(key)
    how(this.#flightOf(key), passenger)
  }

  /** Who came before the answers were cleared is not waited for. */
  #flightOf(key: string): string {
    return `${this.generation.serial} ${key}`
  }
}

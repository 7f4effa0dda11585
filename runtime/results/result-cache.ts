import type { Storage } from 'unstorage'
import { shownEngine, type Deployment } from '../deployments/deployment.ts'
import type { Logger } from '../log.ts'
import type { ResultsTraits } from '../storage/results-driver.ts'
import { readCacheControl } from './cache-control.ts'
import type { CacheTerms } from '../manifest/manifest.ts'
import { CacheSession } from './cache-session.ts'
import { decodeEntry, encodeEntry, isFresh, type Alias, type Entry, type EntryHeader } from './entry.ts'
import { Flights } from './flights.ts'
import { toCacheRow, toRemoval, type CacheCount, type CacheRow, type Outcome, type Removal } from './cache-rows.ts'
import { KeptIndex, type KeptItem } from './kept-index.ts'
import { generationOf, partsOf, toKey, type KeyParts } from './key.ts'
import { ResultStore } from './result-store.ts'
import { within } from '../within.ts'

export interface ResultCacheOptions extends ResultsTraits {
  storage: Storage
  /** Of all deployments together. */
  maxBytes: number
  /** Pellet's. */
  version: string
  log: Logger
  /** Milliseconds since 1970. */
  now: () => number
}

/** A deployment's answers of one generation: while it is live, and not before it was cleared. */
export interface Generation {
  name: string
  id: string
  /** Another one whenever what was computed before is not to be given any more. */
  serial: number
  engine: string
  ttlMs: number
  maxEntryBytes: number
}

/** The largest answer that is kept: what main gathers beside the stream has a bound. */
const maxEntryBytes = 16 * 1024 ** 2
const sweepMs = 60_000

/** Answers that are kept, of all deployments whose manifest asks for it. */
export class ResultCache {
  readonly flights = new Flights<Entry>()
  readonly #options: ResultCacheOptions
  readonly #store: ResultStore
  readonly #index: KeptIndex
  readonly #shelves = new Map<string, { deployment: Deployment; generation: Generation }>()
  readonly #outcomes = new Map<string, Record<Outcome, number>>()
  readonly #sweeping: NodeJS.Timeout
  #scanned: Promise<void> | undefined
  #isComplete = false

  constructor(options: ResultCacheOptions) {
    this.#options = options
    this.#store = new ResultStore(options)
    this.#index = new KeptIndex(options.maxBytes)
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs).unref()
  }

  /** Sets the bound of all deployments together, in bytes. */
  setMax(maxBytes: number): void {
    this.#drop(this.#index.boundAll(maxBytes))
  }

  /** The live deployments have changed: what is kept of replaced revisions goes. */
  deploy(deployments: ReadonlyMap<string, Deployment>): void {
    const before = new Map(this.#shelves)
    this.#shelves.clear()
    for (const [name, deployment] of deployments) {
      const { cache } = deployment.manifest
      if (!cache) continue
      const id = generationOf(deployment, deployments, this.#options.version)
      const known = before.get(name)
      this.#shelves.set(name, {
        deployment,
        generation: known?.generation.id === id ? known.generation : toGeneration(deployment, id, cache),
      })
      this.#drop(this.#index.bound(name, cache.maxBytes))
    }
    this.#purge(this.#index.items().filter(({ key }) => !this.#isLive(key)))
    this.#scanned ??= this.#scan()
  }

  /**
   * A request's dealings with what is kept; undefined where nothing is.
   * @param cacheControl its header
   */
  open(deployment: Deployment, cacheControl: string | undefined): CacheSession | undefined {
    const shelf = this.#shelves.get(deployment.name)
    // What was found in a route table that has been replaced meanwhile is computed as ever.
    if (shelf?.deployment !== deployment) return undefined
    return new CacheSession(this, shelf.generation, readCacheControl(cacheControl))
  }

  count(name: string, outcome: Outcome): void {
    this.#outcomesOf(name)[outcome]++
  }

  keyOf({ name, id }: Generation, kind: KeyParts['kind'], digest: string): string {
    return toKey(name, id, kind, digest)
  }

  now(): number {
    return this.#options.now()
  }

  /** The answer of a key; where it leads to another key, that one's. */
  async read(key: string): Promise<Entry | undefined> {
    const found = await this.#readFresh(key)
    const entry = found && 'to' in found ? await this.#readFresh(found.to) : found
    return entry && 'body' in entry ? entry : undefined
  }

  /** Keeps an answer, unless its generation has been replaced or cleared meanwhile. @returns it as it is kept */
  keep(generation: Generation, key: string, header: EntryHeader, body: Uint8Array[]): Entry {
    return this.#keep(generation, key, encodeEntry(header, body)) as Entry
  }

  /** Keeps that a key's answer is that of another. */
  keepAlias(generation: Generation, key: string, alias: Alias): void {
    this.#keep(generation, key, encodeEntry(alias))
  }

  counts(): CacheCount[] {
    return [...this.#shelves.keys()].map((name) => ({
      name,
      bytes: this.#index.bytesOf(name),
      outcomes: this.#outcomesOf(name),
    }))
  }

  async stats(): Promise<CacheRow[]> {
    await this.#scanned
    return [...this.#shelves].map(([name, { deployment }]) => {
      const held = { items: this.#index.items(name), sizeBytes: this.#index.bytesOf(name) }
      return toCacheRow(name, deployment.manifest.cache!, this.#outcomesOf(name), held, this.now())
    })
  }

  /** Removes all that is kept of one deployment, or of all; also what is being computed now is not kept. */
  async clear(name?: string): Promise<Removal> {
    await this.#scanned
    for (const [key, shelf] of this.#shelves)
      if (name === undefined || key === name)
        this.#shelves.set(key, { ...shelf, generation: { ...shelf.generation, serial: ++serials } })
    const items = [...this.#index.items(name), ...(this.#options.isShared ? await this.#shared(name) : [])]
    this.#purge(items)
    await this.#store.settled()
    return toRemoval(items)
  }

  /** Waits for what is being written, at most so long. */
  async close(timeoutMs: number): Promise<void> {
    clearInterval(this.#sweeping)
    await within(this.#store.settled(), timeoutMs)
  }

  // --- internal ---

  #keep(generation: Generation, key: string, bytes: Buffer): Entry | Alias {
    const entry = decodeEntry(bytes)!
    const { name } = generation
    const sizeBytes = this.#roomOf(bytes.length)
    if (this.#shelves.get(name)?.generation !== generation || !this.#index.takes(name, sizeBytes)) return entry
    const { createdAt, expiresAt } = entry
    const isTaken = this.#store.write(key, entry, bytes, (isWritten) => {
      if (!isWritten) this.#index.remove(key)
      else if (!this.#index.has(key)) this.#store.remove(key)
    })
    if (isTaken) this.#drop(this.#index.add({ key, sizeBytes, createdAt, expiresAt }))
    return entry
  }

  async #readFresh(key: string): Promise<Entry | Alias | undefined> {
    // What only this machine writes it knows: what is not listed is not there, or about to be removed.
    if (this.#isComplete && !this.#index.has(key)) return undefined
    const entry = await this.#store.read(key)
    if (!entry) this.#index.remove(key)
    else if (isFresh(entry, this.now())) this.#index.touch(key)
    else {
      this.#drop([key])
      return undefined
    }
    return entry
  }

  #roomOf(sizeBytes: number): number {
    const { blockBytes } = this.#options
    return Math.ceil(sizeBytes / blockBytes) * blockBytes
  }

  #drop(keys: string[]): void {
    for (const key of keys) {
      this.#index.remove(key)
      this.#store.remove(key)
    }
  }

  #purge(items: { key: string }[]): void {
    this.#drop(items.map(({ key }) => key))
  }

  #sweep(): void {
    this.#store.cool()
    this.#purge(this.#index.items().filter(({ expiresAt }) => expiresAt <= this.now()))
  }

  #isLive(key: string): boolean {
    const parts = partsOf(key)
    return !!parts && this.#shelves.get(parts.name)?.generation.id === parts.generation
  }

  /** What an earlier run has left: counted where it may still be given, else removed. */
  async #scan(): Promise<void> {
    const ttlMsOf = (key: string) => this.#shelves.get(partsOf(key)!.name)?.generation.ttlMs ?? 0
    const found = []
    for await (const item of this.#store.scan(ttlMsOf)) found.push(item)
    for (const item of found.sort((a, b) => a.createdAt - b.createdAt)) {
      if (this.#index.has(item.key)) continue
      if (this.#isLive(item.key)) this.#drop(this.#index.add({ ...item, sizeBytes: this.#roomOf(item.sizeBytes) }))
      else if (!this.#options.isShared) this.#store.remove(item.key)
    }
    this.#isComplete = !this.#options.isShared
  }

  /** What is there, whoever kept it. */
  async #shared(name: string | undefined): Promise<KeptItem[]> {
    const items: KeptItem[] = []
    for await (const item of this.#store.scan(() => 0))
      if (name === undefined || partsOf(item.key)?.name === name) items.push(item)
    return items
  }

  #outcomesOf(name: string): Record<Outcome, number> {
    let outcomes = this.#outcomes.get(name)
    if (!outcomes) this.#outcomes.set(name, (outcomes = { hit: 0, miss: 0, bypass: 0 }))
    return outcomes
  }
}

// --- internal ---

let serials = 0

function toGeneration(deployment: Deployment, id: string, { ttlMs, maxBytes }: CacheTerms): Generation {
  const { name } = deployment
  const engine = shownEngine(deployment)
  return { name, id, serial: ++serials, engine, ttlMs, maxEntryBytes: Math.min(maxEntryBytes, maxBytes) }
}

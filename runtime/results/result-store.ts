import type { Storage } from 'unstorage'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { decodeEntry, type Alias, type Entry } from './entry.ts'
import { HotEntries } from './hot-entries.ts'
import type { KeptItem } from './kept-index.ts'
import { partsOf } from './key.ts'

export interface ResultStoreOptions {
  /** Entries lie under `results:cache:`. */
  storage: Storage
  /** What may also be held in memory; 0 where others may change the storage. */
  hotBytes: number
  log: Logger
}

/** What may wait for a slow disk; beyond it, what comes is not kept. */
const maxPendingBytes = 32 * 1024 ** 2
/** How many entries are looked at side by side. */
const scanWidth = 16

/**
 * Entries in their storage. Never throws and never makes anybody wait for a write: a storage that fails is one that has
 * nothing, and the log says so once until it works again.
 */
export class ResultStore {
  readonly #storage: Storage
  readonly #log: Logger
  readonly #hot: HotEntries
  /** Being written: as good as there. */
  readonly #pending = new Map<string, Entry | Alias>()
  #pendingBytes = 0
  #removals = 0
  readonly #writes = new Set<Promise<void>>()
  /** The last that was begun with each key: of two writes the one that was begun last must be the one that stays. */
  readonly #turns = new Map<string, Promise<void>>()
  #isFailing = false

  constructor({ storage, hotBytes, log }: ResultStoreOptions) {
    this.#hot = new HotEntries(hotBytes)
    this.#storage = storage
    this.#log = log
  }

  /** Undefined where there is none, or a damaged one. */
  async read(key: string): Promise<Entry | Alias | undefined> {
    const known = this.#pending.get(key) ?? this.#hot.get(key)
    if (known) return known
    const removals = this.#removals
    const bytes = await this.#tried('read an entry', () => this.#storage.getItemRaw<Uint8Array>(prefix + key))
    const entry = bytes instanceof Uint8Array ? decodeEntry(bytes) : undefined
    // What was removed while it was read is not to be found again.
    if (entry && removals === this.#removals) this.#hot.set(key, entry)
    if (bytes && !entry) this.remove(key)
    return entry
  }

  /**
   * Begins to write an entry; from now on it can be read.
   * @param bytes the entry, encoded
   * @param done told whether it was written
   * @returns false where it is not kept since too many wait to be written
   */
  write(key: string, entry: Entry | Alias, bytes: Uint8Array, done: (isWritten: boolean) => void): boolean {
    if (this.#pendingBytes + bytes.length > maxPendingBytes) return false
    this.#pending.set(key, entry)
    this.#hot.set(key, entry)
    this.#pendingBytes += bytes.length
    const ttl = Math.max(1, Math.ceil((entry.expiresAt - Date.now()) / 1000))
    const write = async () => {
      const isWritten = await this.#tried('write an entry', async () => {
        await this.#storage.setItemRaw(prefix + key, bytes, { ttl })
        return true
      })
      this.#pendingBytes -= bytes.length
      if (this.#pending.get(key) === entry) this.#pending.delete(key)
      if (!isWritten) this.#hot.delete(key)
      done(isWritten ?? false)
    }
    this.#inTurn(key, write)
    return true
  }

  remove(key: string): void {
    this.#removals++
    this.#pending.delete(key)
    this.#hot.delete(key)
    this.#inTurn(key, () => this.#tried('remove an entry', () => this.#storage.removeItem(prefix + key)))
  }

  /** Gives back the memory that entries are held in. */
  cool(): void {
    this.#hot.clear()
  }

  /** Looks through all that is there; what is none of ours is left out. How long an entry is kept is not the store's to know. */
  async *scan(ttlMsOf: (key: string) => number): AsyncGenerator<KeptItem> {
    const keys = (await this.#tried('list entries', () => this.#storage.getKeys(prefix))) ?? []
    for (let at = 0; at < keys.length; at += scanWidth) {
      const found = keys.slice(at, at + scanWidth).map(async (full): Promise<KeptItem | undefined> => {
        const key = full.slice(prefix.length)
        if (!full.startsWith(prefix) || !partsOf(key)) return undefined
        const meta = await this.#tried('look at an entry', () => this.#storage.getMeta(full, { nativeOnly: true }))
        if (typeof meta?.['size'] !== 'number') return undefined
        const ttlMs = ttlMsOf(key)
        // A store that lets entries expire by itself says what is left to each; of files it is known when they were written.
        const createdAt = meta.ttl === undefined ? Number(meta.mtime) : Date.now() + meta.ttl * 1000 - ttlMs
        return { key, sizeBytes: meta['size'], createdAt, expiresAt: createdAt + ttlMs }
      })
      for (const item of await Promise.all(found)) if (item) yield item
    }
  }

  /** Resolves when all that was begun is done. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes)
  }

  // --- internal ---

  #inTurn(key: string, work: () => Promise<unknown>): void {
    const before = this.#turns.get(key)
    const done = (before ? before.then(work) : work()).then(() => {
      this.#writes.delete(done)
      if (this.#turns.get(key) === done) this.#turns.delete(key)
    })
    this.#writes.add(done)
    this.#turns.set(key, done)
  }

  async #tried<Value>(doing: string, work: () => MaybePromise<Value>): Promise<Value | undefined> {
    try {
      const value = await work()
      if (this.#isFailing) this.#log.info('kept results: the store works again')
      this.#isFailing = false
      return value
    } catch (error) {
      if (!this.#isFailing)
        this.#log.warn(
          `kept results: expected to ${doing}, found: ${messageOf(error).replace(/\.$/, '')}; requests are computed meanwhile`,
        )
      this.#isFailing = true
      return undefined
    }
  }
}

// --- internal ---

type MaybePromise<Value> = Value | Promise<Value>

const prefix = 'results:cache:'

import type { Alias, Entry } from './entry.ts'

/** What an entry takes beside its body, roughly. */
const overheadBytes = 500

/**
 * The entries that were asked for last, in memory: what repeats is not read from the disk and checked each time (1.5 ms for
 * 1.2 MB). Others are found as long as somebody holds them: callers who read slowly share one copy.
 */
export class HotEntries {
  readonly #maxBytes: number
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry | Alias>()
  readonly #held = new Map<string, WeakRef<Entry>>()
  #bytes = 0

  /** @param maxBytes 0: none are held at all */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get(key: string): Entry | Alias | undefined {
    const entry = this.#entries.get(key) ?? this.#held.get(key)?.deref()
    if (entry) this.set(key, entry)
    return entry
  }

  set(key: string, entry: Entry | Alias): void {
    if (this.#maxBytes === 0) return
    this.delete(key)
    if ('body' in entry) this.#held.set(key, new WeakRef(entry))
    // One that is larger would drive out all others.
    if (sizeOf(entry) > this.#maxBytes / 2) return
    this.#entries.set(key, entry)
    this.#bytes += sizeOf(entry)
    for (const [first] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return
      this.#cool(first)
    }
  }

  delete(key: string): void {
    this.#held.delete(key)
    this.#cool(key)
  }

  /** Gives back what nobody else holds. */
  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
    for (const [key, held] of this.#held) if (!held.deref()) this.#held.delete(key)
  }

  // --- internal ---

  #cool(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#entries.delete(key)
    this.#bytes -= sizeOf(entry)
  }
}

// --- internal ---

function sizeOf(entry: Entry | Alias): number {
  return overheadBytes + ('body' in entry ? entry.body.length : 0)
}

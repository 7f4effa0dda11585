import type { Alias, Entry } from './entry.ts'

/** What an entry takes beside its body, roughly. */
const overheadBytes = 500

/**
 * The entries that were asked for last, in memory: what repeats is not read from the disk and checked each time (1.5 ms for
 * 1.2 MB).
 */
export class HotEntries {
  readonly #maxBytes: number
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry | Alias>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get(key: string): Entry | Alias | undefined {
    const entry = this.#entries.get(key)
    if (entry) {
      this.#entries.delete(key)
      this.#entries.set(key, entry)
    }
    return entry
  }

  set(key: string, entry: Entry | Alias): void {
    this.delete(key)
    // One that is larger would drive out all others.
    if (sizeOf(entry) > this.#maxBytes / 2) return
    this.#entries.set(key, entry)
    this.#bytes += sizeOf(entry)
    for (const [first] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return
      this.delete(first)
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#entries.delete(key)
    this.#bytes -= sizeOf(entry)
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }
}

// --- internal ---

function sizeOf(entry: Entry | Alias): number {
  return overheadBytes + ('body' in entry ? entry.body.length : 0)
}

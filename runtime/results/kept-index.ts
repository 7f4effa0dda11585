import { nameIn } from './key.ts'

/** One entry of the store, as far as its room is concerned. */
export interface KeptItem {
  key: string
  sizeBytes: number
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number
}

/**
 * Which entries there are, how much room they take, and which goes first: the one asked for least recently. Pure: it says
 * what is to be removed, and forgets it.
 */
export class KeptIndex {
  #maxBytes: number
  readonly #shelves = new Map<string, Shelf>()
  #totalBytes = 0
  #uses = 0

  /** @param maxBytes of all deployments together */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  bytesOf(name: string): number {
    return this.#shelves.get(name)?.bytes ?? 0
  }

  /** Sets the bound of all together. @returns the keys of those that must go for it */
  boundAll(maxBytes: number): string[] {
    this.#maxBytes = maxBytes
    return this.#makeRoom()
  }

  /** Sets a deployment's own bound; 0 unless told. @returns the keys of those that must go for it */
  bound(name: string, maxBytes: number): string[] {
    this.#shelf(name).maxBytes = maxBytes
    return this.#makeRoom(name)
  }

  /** Whether something of that size can be kept at all. */
  takes(name: string, sizeBytes: number): boolean {
    return sizeBytes <= Math.min(this.#maxBytes, this.#shelf(name).maxBytes)
  }

  has(key: string): boolean {
    return this.#shelves.get(nameIn(key))?.items.has(key) ?? false
  }

  /** Adds an entry, or replaces the one of that key. @returns the keys of those that must go for it */
  add(item: KeptItem): string[] {
    this.remove(item.key)
    const name = nameIn(item.key)
    const shelf = this.#shelf(name)
    shelf.items.set(item.key, { ...item, usedAt: ++this.#uses })
    shelf.bytes += item.sizeBytes
    this.#totalBytes += item.sizeBytes
    return this.#makeRoom(name)
  }

  /** It was asked for: it goes last. */
  touch(key: string): void {
    const items = this.#shelves.get(nameIn(key))?.items
    const item = items?.get(key)
    if (!items || !item) return
    items.delete(key)
    items.set(key, { ...item, usedAt: ++this.#uses })
  }

  remove(key: string): void {
    const shelf = this.#shelves.get(nameIn(key))
    const item = shelf?.items.get(key)
    if (!shelf || !item) return
    shelf.items.delete(key)
    shelf.bytes -= item.sizeBytes
    this.#totalBytes -= item.sizeBytes
  }

  /** All that is there, of one deployment or of all. */
  items(name?: string): KeptItem[] {
    const shelves = name === undefined ? [...this.#shelves.values()] : [this.#shelf(name)]
    return shelves.flatMap(({ items }) => [...items.values()])
  }

  // --- internal ---

  #shelf(name: string): Shelf {
    let shelf = this.#shelves.get(name)
    if (!shelf) this.#shelves.set(name, (shelf = { items: new Map(), bytes: 0, maxBytes: 0 }))
    return shelf
  }

  #makeRoom(name?: string): string[] {
    const removed: string[] = []
    const drop = (key: string) => {
      this.remove(key)
      removed.push(key)
    }
    if (name !== undefined) {
      const shelf = this.#shelf(name)
      while (shelf.bytes > shelf.maxBytes) drop(firstOf(shelf).key)
    }
    while (this.#totalBytes > this.#maxBytes) drop(this.#leastRecent())
    return removed
  }

  #leastRecent(): string {
    const firsts = [...this.#shelves.values()].filter(({ items }) => items.size > 0).map(firstOf)
    return firsts.reduce((least, one) => (one.usedAt < least.usedAt ? one : least)).key
  }
}

// --- internal ---

interface Used extends KeptItem {
  /** Rises with every use. */
  usedAt: number
}

/** What one deployment has. */
interface Shelf {
  /** By key, the least recently used first. */
  items: Map<string, Used>
  bytes: number
  maxBytes: number
}

function firstOf({ items }: Shelf): Used {
  return items.values().next().value!
}

import type { LoadRequest } from '../protocol.ts'

/** What the device keeps of models until it is closed, also when they are unloaded: HailoRT erases no configuration before. */
export class Held {
  readonly #configurations = new Set<string>()
  /** Loads that came to no end: HailoRT 5 may have done them all the same. */
  #unknown = 0

  add(request: LoadRequest): void {
    this.#configurations.add(keyOf(request))
  }

  addUnknown(): void {
    this.#unknown++
  }

  clear(): void {
    this.#configurations.clear()
    this.#unknown = 0
  }

  /** Whether a close would free something, were `loaded` loaded again. */
  holdsUnused(loaded: Iterable<{ request: LoadRequest }>): boolean {
    const used = new Set(Array.from(loaded, ({ request }) => keyOf(request)))
    return this.#unknown > 0 || [...this.#configurations].some((key) => !used.has(key))
  }
}

// --- internal ---

/** Models of one key share one configuration. */
function keyOf({ sha256, network = '', batch, powerMode }: LoadRequest): string {
  return `${sha256} ${network} ${batch} ${powerMode}`
}

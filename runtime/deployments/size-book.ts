import type { Storage } from 'unstorage'

/** Measured sizes of loaded isolates by revision, in bytes; remembered over restarts. */
export interface SizeBook {
  get(revision: string): number | undefined
  set(revision: string, sizeBytes: number): void
  save(): Promise<void>
}

const key = 'deployments:sizes'
/** Old revisions fall out at the front. */
const maxEntries = 200

export async function openSizeBook(storage: Storage): Promise<SizeBook> {
  // What was measured is measured again: that it cannot be read is no reason not to start.
  const known = await storage.getItem<Record<string, number>>(key).catch(() => null)
  const sizes = new Map(Object.entries(known ?? {}).filter(([, size]) => Number.isFinite(size)))
  let changed = false
  return {
    get: (revision) => sizes.get(revision),
    set(revision, sizeBytes) {
      // The largest that was seen: the arena of a model grows with its first runs and shrinks only with its process.
      const largest = Math.max(sizes.get(revision) ?? 0, sizeBytes)
      if (largest === sizes.get(revision)) return
      sizes.delete(revision)
      sizes.set(revision, largest)
      changed = true
    },
    async save() {
      if (!changed) return
      changed = false
      await storage.setItem(key, Object.fromEntries([...sizes].slice(-maxEntries)))
    },
  }
}

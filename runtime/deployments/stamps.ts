import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What a file was when it was looked at: equal stamps, equal file. `absent`: it is not there. */
export type Stamp = string

/** File systems count time in steps; what changed so shortly before a moment may have changed after it. */
const clockStepMs = 20

/** The stamp of a file, through links; the time of its inode changes with every way of changing it, and cannot be set. */
export async function stampOf(file: string): Promise<Stamp> {
  const found = await identify(file)
  return found ? found.stamp : 'absent'
}

/**
 * Stamps of files that were read since a moment (in ms since 1970). What may have changed meanwhile has a stamp that equals
 * no other.
 */
export async function stampsSince(files: Iterable<string>, sinceMs: number): Promise<Map<string, Stamp>> {
  const stamps = await Promise.all(
    [...files].map(async (file) => {
      // What is not there may just have gone: then its folder has changed.
      const found = (await identify(file)) ?? { stamp: 'absent', changedMs: (await identify(dirname(file)))?.changedMs }
      const isSure = found.changedMs === undefined || found.changedMs < sinceMs - clockStepMs
      return [file, isSure ? found.stamp : 'unsure'] as const
    }),
  )
  return new Map(stamps)
}

/** How long ago a file was changed, and whether there is anything in it; undefined: it is not there. */
export async function ageOf(file: string): Promise<{ ms: number; isEmpty: boolean } | undefined> {
  const found = await identify(file)
  return found && { ms: Date.now() - found.changedMs, isEmpty: found.size === 0 }
}

// --- internal ---

async function identify(file: string) {
  const found = await stat(file).catch(() => undefined)
  if (!found) return undefined
  const { dev, ino, size, ctimeMs } = found
  return { stamp: `${dev}:${ino}:${size}:${ctimeMs}`, changedMs: ctimeMs, size }
}

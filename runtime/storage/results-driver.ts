import type { Driver } from 'unstorage'
import type { Damage } from './atomic-fs.ts'

/** What a driver of the mount `results:` means for what is kept there. */
export interface ResultsTraits {
  /** Other machines use the storage too: what this one does not know is not its to remove. */
  isShared: boolean
  /** What an entry takes of the storage is a multiple of this. */
  blockBytes: number
  /** What may also be held in memory. */
  hotBytes: number
}

/** Kept answers on the disk take whole blocks of it, and those asked for last are held in memory. */
export function resultsTraits(results: string): ResultsTraits {
  if (results === 'fs') return { isShared: false, blockBytes: 4096, hotBytes: 8 * 1024 ** 2 }
  return { isShared: results !== 'memory', blockBytes: 1, hotBytes: 0 }
}

/**
 * The driver of the mount `results:` that the configuration names: `memory`, or the URL of a Redis. For `fs` undefined: the
 * data folder is what a mount has by itself. Each is loaded only where it is asked for.
 * @param onDamaged told of entries that were damaged, and removed
 */
export async function createResultsDriver(
  results: string,
  onDamaged: (damage: Damage) => void,
): Promise<Driver | undefined> {
  if (results === 'fs') return undefined
  if (results === 'memory') {
    const { default: memory } = await import('unstorage/drivers/memory')
    return memory()
  }
  const { redis } = await import('./redis.ts')
  return redis({ url: results, onDamaged })
}

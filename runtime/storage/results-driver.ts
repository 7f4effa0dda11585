import type { Driver } from 'unstorage'

/**
 * The driver of the mount `results:` that the configuration names: `memory`, or the URL of a Redis. For `fs` undefined: the
 * data folder is what a mount has by itself. Each is loaded only where it is asked for.
 */
export async function createResultsDriver(results: string): Promise<Driver | undefined> {
  if (results === 'fs') return undefined
  if (results === 'memory') {
    const { default: memory } = await import('unstorage/drivers/memory')
    return memory()
  }
  const { redis } = await import('./redis.ts')
  return redis({ url: results })
}

import { readdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** Younger ones may be of a compilation that is still under way. */
const youngMs = 5 * 60_000

/** Removes bundles, and what a crash left beside them, that nobody needs any more. Never throws: they are in nobody's way. */
export async function removeOldBundles(dataFolder: string, inUse: ReadonlySet<string>): Promise<void> {
  const folder = join(dataFolder, 'bundles')
  const needed = new Set([...inUse].map((file) => basename(file)))
  for (const name of await readdir(folder).catch(() => [])) {
    // An isolate reads its map when it loads, and again where it begins a stack trace.
    if (needed.has(name.replace(/\.map$/, ''))) continue
    const file = join(folder, name)
    const age = await stat(file).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    )
    if (age > youngMs) await rm(file, { force: true }).catch(() => {})
  }
}

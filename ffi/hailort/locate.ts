import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Where libhailort may be, the likeliest first. Those without a folder are looked for by the system's own loader.
 * @param prefix of an installation elsewhere, as PELLET_HAILORT_PREFIX has it: then only there, in `lib`
 */
export function findHailort(prefix = process.env['PELLET_HAILORT_PREFIX']): string[] {
  if (prefix) return librariesIn(join(prefix, 'lib'))
  const name = 'libhailort.so'
  // The plain name is only there with the headers; the library itself has its version in its name.
  return [name, ...folders.flatMap(librariesIn)]
}

// --- internal ---

const folders = ['/usr/lib', '/usr/lib/aarch64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/usr/local/lib', '/usr/lib64']

function librariesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => /^libhailort\.so(\.[\d.]+)?$/.test(name))
  return names
    .toSorted((a, b) => a.length - b.length || b.localeCompare(a, 'en', { numeric: true }))
    .map((name) => join(folder, name))
}

import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../storage/replace-file.ts'

/** A function with all that it imports, as it is on every machine alike: what a deploy sends. */
export interface PortableBundle {
  /** An ES module. Pellet's own packages are placeholders in it, and it does not name its map. */
  code: string
  /** Its source map, JSON; sources are relative to the project. */
  map: string
  /** sha256 of the code, hex. */
  hash: string
}

/** Begins what stands for an own package: absolute URLs would make the hash a machine's own. */
export const ownPrefix = 'pellet-own:'

/**
 * Writes a bundle so that an isolate of this installation can import it: own packages lead here.
 * @param sourceRoot a URL that the sources of its map are under: stack traces begin so
 * @returns the file
 */
export async function installBundle(
  { code, map, hash }: PortableBundle,
  folder: string,
  sourceRoot = 'deployed:///',
): Promise<string> {
  const name = `${hash.slice(0, 32)}.mjs`
  const runnable = code.replaceAll(ownImports, (_, own: string) => JSON.stringify(ownUrl(own)))
  await mkdir(folder, { recursive: true })
  await writeWhole(join(folder, `${name}.map`), JSON.stringify({ ...(JSON.parse(map) as object), sourceRoot }))
  await writeWhole(join(folder, name), `${runnable}\n//# sourceMappingURL=${name}.map\n`)
  return join(folder, name)
}

// --- internal ---

const ownImports = new RegExp(`"${ownPrefix}([a-z]+)"`, 'g')

function ownUrl(name: string): string {
  if (name === 'pellet') return new URL('../index.js', import.meta.url).href
  return import.meta.resolve(name === 'zod' ? '#zod' : name)
}

async function writeWhole(file: string, text: string): Promise<void> {
  // Where it is there already, as at most starts, a disk without room is no hindrance.
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text && (await isKept(file))) return
  // Several manifests may bundle one function file at the same time.
  const aside = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(aside, text)
    await replaceFile(aside, file)
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {})
    const { code, message } = error as NodeJS.ErrnoException
    const text = `${file}: expected to write the bundle, found ${message}; check the folder and the space left`
    throw Object.assign(new Error(text, { cause: error }), { code })
  }
}

/** Makes it count as new, since old ones that nobody needs are removed; false where that was done meanwhile. */
function isKept(file: string): Promise<boolean> {
  const now = new Date()
  return utimes(file, now, now).then(
    () => true,
    () => false,
  )
}

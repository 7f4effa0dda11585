import { readFile, readdir, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Missing } from './build.ts'

/** What of HailoRT is installed, as far as files tell. */
export interface HailortFiles {
  /** The library itself, e.g. `/usr/lib/libhailort.so.4.23.0`; links are followed. */
  library?: string
  /** Of the library, e.g. `4.23.0`. */
  version?: string
  /** The folder that has `hailo/infer_model.hpp`. */
  include?: string
  /** That the headers say of themselves, where their package is there; of another HailoRT than the library it is of no use. */
  headerVersion?: string
  /** The only place that was looked at: `PELLET_HAILORT_PREFIX`. */
  prefix?: string
}

/**
 * Finds HailoRT where its packages put it. `PELLET_HAILORT_PREFIX` names another place, which has `include/` and `lib/`; then
 * nowhere else is looked.
 */
export async function findHailort(env: NodeJS.ProcessEnv = process.env): Promise<HailortFiles> {
  const prefix = env['PELLET_HAILORT_PREFIX']
  const found: HailortFiles = prefix ? { prefix } : {}
  for (const folder of foldersOf(prefix, 'lib')) {
    const library = await libraryIn(folder)
    if (!library) continue
    found.library = library
    const version = await versionOf(library)
    if (version) found.version = version
    const headerVersion = await packageVersion(folder)
    if (headerVersion) found.headerVersion = headerVersion
    break
  }
  for (const folder of foldersOf(prefix, 'include')) {
    const hasHeaders = await readFile(join(folder, 'hailo', 'infer_model.hpp')).then(
      () => true,
      () => false,
    )
    if (!hasHeaders) continue
    found.include = folder
    break
  }
  return found
}

/** What has to be installed before the shim can be compiled. */
export function missingOf({ library, include, prefix, version, headerVersion }: HailortFiles): Missing[] {
  const missing: Missing[] = []
  const where = (kind: 'lib' | 'include') => `looked in ${foldersOf(prefix, kind).join(', ')}`
  if (!library) missing.push({ what: 'libhailort.so', found: where('lib'), advice: packages })
  if (!include) missing.push({ what: 'hailo/infer_model.hpp', found: where('include'), advice: packages })
  if (library && include && version && headerVersion && headerVersion !== version) {
    const found = `the headers are of HailoRT ${headerVersion}, the library is ${version}`
    missing.push({
      what: `headers of HailoRT ${version}`,
      found,
      advice: `install the two from one package; ${packages}`,
    })
  }
  return missing
}

// --- internal ---

const packages = 'apt install hailo-all (Hailo-8, 8L) or hailo-h10-all (Hailo-10H), or the HailoRT package of hailo.ai'

function foldersOf(prefix: string | undefined, kind: 'lib' | 'include'): string[] {
  if (prefix) return [join(prefix, kind)]
  if (kind === 'include') return ['/usr/include', '/usr/local/include']
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
  return ['/usr/lib', `/usr/lib/${triplet}`, '/usr/local/lib', `/usr/local/lib/${triplet}`]
}

/** The plain link first: it is what a linker takes. Without a development package there are only full names. */
async function libraryIn(folder: string): Promise<string | undefined> {
  const files = await readdir(folder).catch((): string[] => [])
  const name = files.includes('libhailort.so')
    ? 'libhailort.so'
    : files
        .filter((file) => /^libhailort\.so\.\d/.test(file))
        .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0]
  // A link may lead nowhere.
  return name && (await realpath(join(folder, name)).catch(() => undefined))
}

/** By its name; of a file that was renamed, by the one that it has for the linker. */
async function versionOf(library: string): Promise<string | undefined> {
  const pattern = /libhailort\.so\.(\d+\.\d+\.\d+)/
  return (pattern.exec(basename(library)) ?? pattern.exec(await readFile(library, 'latin1')))?.[1]
}

/** The headers have no version of their own; the CMake package beside the library was installed with them. */
async function packageVersion(folder: string): Promise<string | undefined> {
  const file = join(folder, 'cmake', 'HailoRT', 'HailoRTConfigVersion.cmake')
  const text = await readFile(file, 'utf8').catch(() => '')
  return /PACKAGE_VERSION "(\d+\.\d+\.\d+)"/.exec(text)?.[1]
}

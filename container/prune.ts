import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/** A machine to run on, in Node's words. With glibc: sharp's and koffi's packages for musl are others. */
export interface Machine {
  platform: string
  arch: string
}

export interface Pruned {
  /** Relative to `node_modules`. */
  removed: string[]
  sizeBytes: number
}

/**
 * Removes what native packages bring for other machines: ONNX Runtime's package alone has 240 MB for five of them.
 * @param modules the folder `node_modules`
 * @throws Error, before anything is removed, when a package has nothing for this machine
 */
export function prune(modules: string, machine: Machine): Pruned {
  const found = packages.map((list) => list(modules).map((build) => ({ build, isWanted: fits(build, machine) })))
  for (const [index, builds] of found.entries())
    if (!builds.some(({ isWanted }) => isWanted)) {
      const seen = builds.map(({ build }) => relative(modules, build.folder)).join(', ') || 'none'
      throw new Error(
        `${modules}: expected ${names[index]} for ${machine.platform}-${machine.arch}, found ${seen}; was it installed on another machine, or is a new version laid out otherwise?`,
      )
    }
  const others = found.flat().flatMap(({ build, isWanted }) => (isWanted ? [] : build.folder))
  const sizeBytes = others.reduce((sum, folder) => sum + sizeOf(folder), 0)
  for (const folder of others) rmSync(folder, { recursive: true })
  return { removed: others.map((folder) => relative(modules, folder)), sizeBytes }
}

// --- internal ---

/** What a package brings for one machine. */
interface Build {
  folder: string
  /** e.g. `linux-x64`. */
  machine: string
}

const names = ['onnxruntime-node', 'sharp', 'sharp-libvips', 'esbuild', 'koffi']

/** In the order of `names`. */
const packages: ((modules: string) => Build[])[] = [
  (modules) =>
    foldersIn(join(modules, 'onnxruntime-node/bin')).flatMap((version) =>
      foldersIn(version).flatMap((platform) =>
        foldersIn(platform).map((folder) => ({ folder, machine: relative(version, folder).replace(/[\\/]/, '-') })),
      ),
    ),
  scoped('@img', /^sharp-(?!libvips-)(.+)$/),
  scoped('@img', /^sharp-libvips-(.+)$/),
  scoped('@esbuild', /^(.+)$/),
  scoped('@koromix', /^koffi-(.+)$/),
]

/** A package for each machine, all in one scope. */
function scoped(scope: string, pattern: RegExp): (modules: string) => Build[] {
  return (modules) =>
    foldersIn(join(modules, scope)).flatMap((folder) => {
      const machine = pattern.exec(relative(join(modules, scope), folder))?.[1]
      return machine === undefined ? [] : [{ folder, machine }]
    })
}

function fits({ machine }: Build, { platform, arch }: Machine): boolean {
  return machine === `${platform}-${arch}`
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name))
}

function sizeOf(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.reduce(
    (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0),
    0,
  )
}

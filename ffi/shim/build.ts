import { execFile, type ExecFileException } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, readFile, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, delimiter, dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findHailort, missingOf } from './hailort-files.ts'

/** A library that is compiled on this machine, from sources that come with Pellet. */
export interface LibraryPlan {
  /** What is compiled, absolute paths. The first one names the library. */
  sources: string[]
  /** What they include of ours, absolute paths: a change of one compiles anew. */
  headers?: string[]
  /** Folders of headers that are not ours; `key` tells which they are. */
  include?: string[]
  compiler: Language
  flags: string[]
  /** For the linker, e.g. `-pthread` or the absolute path of a library. */
  libraries: string[]
  /** Where libraries are kept; made if need be. */
  folder: string
  /** What else the result depends on, e.g. `4.23.0`; part of the file's name. */
  key: string
  env?: NodeJS.ProcessEnv
  /** Called before the compiler is, which may take a while. */
  onCompile?: (() => void) | undefined
}

export type Language = 'c' | 'c++'

export interface CompiledLibrary {
  file: string
  /** It was not there before. */
  isNew: boolean
}

/** Something that has to be installed first. */
export interface Missing {
  /** `g++`, `libhailort`, ... */
  what: string
  /** Where it was looked for, and what was found there. */
  found: string
  /** A command or a sentence. */
  advice: string
}

/** A library cannot be compiled here. The message says what is missing and how to get it, or what the compiler said. */
export class ShimBuildError extends Error {
  override readonly name = 'ShimBuildError'
  /** Empty where nothing is missing, but the compiler failed. */
  readonly missing: readonly Missing[]

  constructor(message: string, missing: readonly Missing[] = []) {
    super([message, ...missing.map(({ what, found, advice }) => `${what} is missing (${found}): ${advice}`)].join('; '))
    this.missing = missing
  }
}

/**
 * Compiles a library unless it is there already: keyed by `key`, the text of its sources and headers, its flags and the
 * compiler. Where no compiler is left, one of any compiler will do. Concurrent callers do no harm: the last one wins with the same.
 * @throws ShimBuildError where there is no compiler, or it fails
 */
export async function compileLibrary(plan: LibraryPlan): Promise<CompiledLibrary> {
  const { folder, env = process.env } = plan
  const name = nameOf(plan)
  const compiler = await findCompiler(plan.compiler, env)
  const built = await findBuilt(plan, compiler)
  if (built) return built
  if (!compiler) throw new ShimBuildError(`${name} cannot be compiled`, [missingCompiler(plan.compiler, env)])

  const file = join(folder, `${await stemOf(plan)}-${await identityOf(compiler)}.so`)
  const aside = `${file}.${randomUUID()}.part`
  plan.onCompile?.()
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw new ShimBuildError(`${name} cannot be compiled into ${folder}: ${(error as Error).message}`)
  }
  try {
    const sharing = ['-shared', '-fPIC', '-fvisibility=hidden']
    const include = (plan.include ?? []).map((folder) => `-I${folder}`)
    await run(compiler, [...plan.flags, ...include, ...sharing, '-o', aside, ...plan.sources, ...plan.libraries], env)
    await flush(aside)
    await rename(aside, file)
  } catch (error) {
    await rm(aside, { force: true })
    throw new ShimBuildError(`${name}: ${compiler} failed: ${reasonOf(error)}`)
  }
  await tidy(folder, `${name}-`)
  return { file, isNew: true }
}

/** The shim for the HailoRT that is installed. */
export interface BuiltShim extends CompiledLibrary {
  /** Of HailoRT, as `4.23.0`. */
  version: string
}

/**
 * Compiles the shim against the HailoRT that is installed (`findHailort`), unless that is done already, into `npu/` of the data
 * folder. Some seconds where there is something to do. Touches no device and loads no library.
 * @throws ShimBuildError with all that is missing
 */
export async function buildShim(options: {
  dataFolder: string
  env?: NodeJS.ProcessEnv
  onCompile?: (() => void) | undefined
}): Promise<BuiltShim> {
  const { plan, version, missing, built } = await lookAtShim(options)
  if (missing.length === 0) return { ...(await compileLibrary({ ...plan, onCompile: options.onCompile })), version }
  if (!built) throw new ShimBuildError('the shim over HailoRT cannot be compiled', missing)
  return { ...built, version }
}

/** Whether the shim for the HailoRT that is installed is there, and what lacks to compile it. Builds nothing. */
export async function lookAtShim(options: { dataFolder: string; env?: NodeJS.ProcessEnv }): Promise<{
  plan: LibraryPlan
  version: string
  missing: Missing[]
  /** What it took to compile it need not be there for ever, but the library. */
  built: CompiledLibrary | undefined
}> {
  const { dataFolder, env = process.env } = options
  const found = await findHailort(env)
  const { library, version = 'unknown', include, prefix } = found
  const plan: LibraryPlan = {
    sources: [sourceFile('shim/pellet_npu.cpp')],
    headers: await headersOf(sourceFile('shim')),
    include: include ? [include] : [],
    compiler: 'c++',
    // With -z defs, headers of another HailoRT than the library's are found out here and not when a model is loaded.
    flags: ['-std=c++17', '-O2', '-Wl,-z,defs'],
    libraries: [library ?? 'none', '-pthread', ...(prefix && library ? [`-Wl,-rpath,${dirname(library)}`] : [])],
    folder: join(dataFolder, 'npu'),
    key: version,
    env,
  }
  const compiler = await findCompiler('c++', env)
  const missing = [...(compiler ? [] : [missingCompiler('c++', env)]), ...missingOf(found)]
  // By whatever compiler, where something lacks: it is used all the same.
  const built = library ? await findBuilt(plan, missing.length === 0 ? compiler : undefined) : undefined
  return { plan, version, missing, built }
}

/** What `missing` of a ShimBuildError says of a compiler. */
export function missingCompiler(language: Language, env: NodeJS.ProcessEnv = process.env): Missing {
  const own = env[compilers[language].variable]
  const names = own ? [own] : compilers[language].names
  const { program } = compilers[language]
  return { what: program, found: `no ${names.join(', ')} in PATH`, advice: `apt install ${program}` }
}

/** Path of a compiler: `$CC` or `$CXX` if set, else the usual names, looked for in PATH. */
export async function findCompiler(
  language: Language,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const own = env[compilers[language].variable]
  for (const name of own ? [own] : compilers[language].names) {
    const folders = name.includes('/') ? [''] : (env['PATH'] ?? '').split(delimiter)
    for (const folder of folders) {
      const file = join(folder, name)
      const isProgram = await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (isProgram) return file
    }
  }
  return undefined
}

/** Where a file of `ffi/` lies in this installation; only TypeScript is compiled into `dist/`. */
export function sourceFile(path: string): string {
  return fileURLToPath(new URL(`../../../ffi/${path}`, import.meta.url))
}

// --- internal ---

const compilers = {
  c: { variable: 'CC', names: ['cc', 'gcc', 'clang'], program: 'gcc' },
  'c++': { variable: 'CXX', names: ['c++', 'g++', 'clang++'], program: 'g++' },
} as const

const compileLimitMs = 180_000
/** Of one name. A Pellet that runs may still start a device host from an older one. */
const keptBuilds = 3

async function headersOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /\.(h|hpp)$/.test(name))
  return names.sort().map((name) => join(folder, name))
}

function nameOf({ sources: [main] }: LibraryPlan): string {
  return basename(main!, extname(main!))
}

async function stemOf(plan: LibraryPlan): Promise<string> {
  return `${nameOf(plan)}-${plan.key}-${await digestOf(plan)}`
}

/** What is there already; by whatever compiler where it is not known which there is. */
async function findBuilt(plan: LibraryPlan, compiler?: string): Promise<CompiledLibrary | undefined> {
  const present = await readdir(plan.folder).catch((): string[] => [])
  const stem = await stemOf(plan)
  const end = compiler ? `-${await identityOf(compiler)}.so` : '.so'
  const file = present.find((file) => file.startsWith(`${stem}-`) && file.endsWith(end))
  return file === undefined ? undefined : { file: join(plan.folder, file), isNew: false }
}

async function digestOf({ sources, headers = [], flags, libraries }: LibraryPlan): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([process.arch, flags, libraries]))
  for (const file of [...sources, ...headers]) hash.update(basename(file)).update(await readFile(file))
  return hash.digest('hex').slice(0, 12)
}

/** Of a compiler, without running it: an upgrade replaces its file. */
async function identityOf(compiler: string): Promise<string> {
  const file = await realpath(compiler)
  const { size, mtimeMs } = await stat(file)
  return createHash('sha256').update(`${file} ${size} ${mtimeMs}`).digest('hex').slice(0, 8)
}

async function run(compiler: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  // Messages of a compiler are read by programs here: in English, without colours.
  const options = { env: { ...env, LC_ALL: 'C' }, timeout: compileLimitMs, maxBuffer: 16 << 20 }
  await promisify(execFile)(compiler, args, options)
}

/** A power cut leaves a file with its final name whole, or without it. */
async function flush(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The first errors of a compiler, or why it did not run at all. */
function reasonOf(error: unknown): string {
  const { stderr = '', message, killed, signal } = error as ExecFileException
  if (killed) return `it took more than ${compileLimitMs / 1000} s`
  if (signal) return `it was ended by ${signal}; compiling takes some 250 MB of memory`
  const lines = stderr.split('\n').filter((line) => /error|failed|undefined reference|cannot find/i.test(line))
  return lines.slice(0, 3).join('; ') || stderr.trim().slice(-500) || message
}

/** Removes old builds, and what a builder that was killed left behind. */
async function tidy(folder: string, prefix: string): Promise<void> {
  const own = (await readdir(folder)).filter((file) => file.startsWith(prefix)).map((file) => join(folder, file))
  const files = await Promise.all(
    own.map(async (file) => ({ file, at: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0 })),
  )
  const builds = files.filter(({ file }) => file.endsWith('.so')).sort((a, b) => b.at - a.at)
  const parts = files.filter(({ file, at }) => file.endsWith('.part') && Date.now() - at > 2 * compileLimitMs)
  for (const { file } of [...builds.slice(keptBuilds), ...parts]) await rm(file, { force: true })
}

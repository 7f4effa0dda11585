import { realpath } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, sep } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DescriberPool, SpareDescriber } from '../functions/describers.ts'
import type { ManifestSource } from '../manifest/read.ts'
import type { DeploymentResult } from './deployment.ts'
import { FolderWatch } from './folder-watch.ts'
import { mapLimited } from './map-limited.ts'
import { projectJobs, readSource, type Job } from './project-sources.ts'
import { compileSource, type CompileOptions } from './source.ts'
import { ageOf, stampOf, stampsSince, type Stamp } from './stamps.ts'

/** Events come in bursts: it is quiet for so long before anything is looked at, ... */
const quietMs = 60
/** ... but not later than this after the first. */
const latestMs = 500
/** A file that changed so recently may be written still: what it makes waits, and the rest goes on. */
const settledMs = 40
/** An empty file is most often one that an editor is about to fill. */
const emptyMs = 500
/** A file that is gone may come back at once: so some save. Where another comes, it was renamed. */
const goneMs = 150
/** What still compiles then, such as code that hangs, follows when it is done; the rest goes live. */
const stragglerMs = 1000
/** Until a process is started for the next change. */
const spareAfterMs = 500
/** Between two looks where folders cannot be watched. */
const pollMs = 2000

/** Compiles the sources of a project whenever one of their files changes: each for itself, and only what changed. */
export class ProjectWatch {
  readonly #options: CompileOptions
  readonly #events: ProjectWatchEvents
  readonly #folders: FolderWatch
  readonly #describers = new SpareDescriber()
  readonly #manifests = new Map<string, { stamp: Stamp; written: ManifestSource }>()
  #sources = new Map<string, WatchedSource>()
  #timer: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  /** Since when events wait to be looked at; undefined: none does. */
  #wokenAt: number | undefined
  #isLooking = false
  /** Something compiled, appeared or went away since the results were told last. */
  #hasNews = true

  constructor(options: CompileOptions, events: ProjectWatchEvents) {
    this.#options = options
    this.#events = events
    this.#folders = new FolderWatch(
      (path) => this.#isRelevant(path) && this.wake(),
      (message) => this.#pollInstead(message),
    )
  }

  /** Compiles all, and watches from then on. @throws Error when a folder cannot be read */
  async start(): Promise<void> {
    this.#isLooking = true
    await this.#compileChanged(Infinity)
    this.#tell()
    this.#isLooking = false
    if (this.#wokenAt !== undefined) this.wake()
  }

  /** Looks soon. What did not change costs next to nothing. */
  wake(): void {
    const now = performance.now()
    this.#wokenAt ??= now
    if (this.#isLooking) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), Math.min(quietMs, this.#wokenAt + latestMs - now))
  }

  // --- internal ---

  async #look(): Promise<void> {
    this.#isLooking = true
    const until = performance.now() + latestMs
    try {
      do {
        this.#wokenAt = undefined
        await this.#compileChanged(stragglerMs)
        // Results of files that change again meanwhile would be told for a moment only.
      } while (this.#wokenAt !== undefined && performance.now() < until && (await delay(quietMs, true)))
      this.#tell()
    } catch (error) {
      this.#events.trouble(`the project cannot be looked at: ${String(error)}`)
    } finally {
      this.#isLooking = false
      if (this.#wokenAt !== undefined) this.wake()
    }
  }

  async #compileChanged(patienceMs: number): Promise<void> {
    const sinceMs = Date.now()
    const jobs = await projectJobs(this.#options, (file, root) => this.#readManifest(file, root))
    const before = this.#sources
    const sources = new Map<string, WatchedSource>()
    const changed: WatchedSource[] = []
    for (const job of jobs) {
      const key = job.source.manifestFile ?? job.source.functionFile!
      const source: WatchedSource = before.get(key) ?? { job, stamps: new Map(), turn: 0 }
      sources.set(key, source)
      delete source.goneAt
      const changes = await changesOf(source, job)
      if (changes.length === 0) continue
      if (patienceMs !== Infinity && (await areUnsettled(changes))) setTimeout(() => this.wake(), settledMs)
      else changed.push(Object.assign(source, { job }))
    }
    const isNewcomer = [...sources.keys()].some((key) => !before.has(key))
    for (const [key, source] of before) {
      if (sources.has(key)) continue
      source.goneAt ??= performance.now()
      if (isNewcomer || performance.now() - source.goneAt >= goneMs) this.#hasNews = true
      else {
        sources.set(key, source)
        setTimeout(() => this.wake(), goneMs)
      }
    }
    this.#sources = sources
    this.#watchFolders()
    const describers = new DescriberPool(() => this.#describers.take())
    const compile = (source: WatchedSource) => this.#compile(source, sinceMs, describers)
    const compiling = mapLimited(changed, availableParallelism(), compile).finally(() => describers[Symbol.dispose]())
    if (patienceMs === Infinity) await compiling
    else await Promise.race([compiling, delay(patienceMs, undefined, { ref: false })])
  }

  async #compile(source: WatchedSource, sinceMs: number, describers: DescriberPool): Promise<void> {
    const turn = ++source.turn
    const { manifestFile, functionFile } = source.job.source
    const known = [manifestFile, functionFile].flatMap((file) => file ?? [])
    // While it compiles these tell whether it is to be compiled anew; the other files are not known yet.
    source.stamps = await stampsSince(known, sinceMs)
    const inputs = new Set<string>()
    const options = { ...this.#options, describers }
    const result = await compileSource(source.job.source, source.job.written, options, inputs)
    if (source.turn !== turn) return
    const files = [...inputs].filter(isOwn)
    // Behind a link it is the file there that changes.
    const behind = await Promise.all(files.map((file) => realpath(file).catch(() => file)))
    source.stamps = await stampsSince(new Set([...files, ...behind]), sinceMs)
    source.result = result
    this.#hasNews = true
    this.#watchFolders()
    if (!this.#isLooking) this.#tell()
  }

  #tell(): void {
    if (!this.#hasNews) return
    this.#hasNews = false
    this.#events.results([...this.#sources.values()].flatMap(({ result }) => result ?? []))
    // Not at once: what goes live now is loaded first.
    setTimeout(() => this.#describers.prepare(), spareAfterMs)
  }

  async #readManifest(file: string, root: string): Promise<ManifestSource> {
    const stamp = await stampOf(file)
    const known = this.#manifests.get(file)
    if (known?.stamp === stamp) return known.written
    const written = await readSource(file, root)
    this.#manifests.set(file, { stamp, written })
    return written
  }

  #watchFolders(): void {
    const { functionsFolder, manifestsFolder } = this.#options
    const files = [...this.#sources.values()].flatMap(({ stamps }) => [...stamps.keys()])
    if (this.#folders.update([functionsFolder, manifestsFolder, ...files.map(dirname)])) this.wake()
  }

  #isRelevant(path: string): boolean {
    const { functionsFolder, manifestsFolder } = this.#options
    if ([functionsFolder, manifestsFolder].some((folder) => isAt(folder, path) || isAt(path, folder))) return true
    return [...this.#sources.values()].some(({ stamps }) => [...stamps.keys()].some((file) => isAt(path, file)))
  }

  #pollInstead(message: string): void {
    if (this.#poll) return
    this.#events.trouble(`${message}; changes are looked for every ${pollMs / 1000} s`)
    this.#poll = setInterval(() => this.wake(), pollMs)
  }
}

export interface ProjectWatchEvents {
  /** What all sources give now. */
  results(results: DeploymentResult[]): void
  /** Something about the watching itself, for people. */
  trouble(message: string): void
}

// --- internal ---

interface WatchedSource {
  job: Job
  /** Of the files that its result was made from. */
  stamps: ReadonlyMap<string, Stamp>
  /** Counts its compilations: an older one that ends later is not heard. */
  turn: number
  result?: DeploymentResult
  /** Since when its file is not there. */
  goneAt?: number
}

/** The files that changed since the source was compiled; its own where it is another source now. */
async function changesOf({ job, stamps, turn }: WatchedSource, next: Job): Promise<string[]> {
  const { manifestFile, functionFile } = next.source
  const own = [manifestFile, functionFile].flatMap((file) => file ?? [])
  if (turn === 0 || JSON.stringify(job.source) !== JSON.stringify(next.source) || job.written !== next.written)
    return own
  const changed = await Promise.all(
    [...stamps].map(async ([file, stamp]) => ((await stampOf(file)) === stamp ? [] : [file])),
  )
  return changed.flat()
}

async function areUnsettled(files: string[]): Promise<boolean> {
  const ages = await Promise.all(files.map(ageOf))
  return ages.some((age) => age !== undefined && age.ms >= 0 && age.ms < (age.isEmpty ? emptyMs : settledMs))
}

/** Of packages, the runtime restarts to see changes: there may be thousands of files. */
function isOwn(file: string): boolean {
  return !file.includes(`${sep}node_modules${sep}`)
}

function isAt(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}

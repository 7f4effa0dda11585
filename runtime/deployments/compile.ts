import { readFile, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, extname, join, resolve } from 'node:path'
import { messageOf } from '../errors.ts'
import { displayPath } from '../functions/bundle.ts'
import { toIssueIn } from '../manifest/issues.ts'
import { readManifest, type ManifestSource } from '../manifest/read.ts'
import { refuseConflicts } from './conflicts.ts'
import type { Compilation, Deployment, FailedSource } from './deployment.ts'
import { discoverSources, functionEndings, functionName } from './discover.ts'
import { compileSource, toFailure, type CompileOptions, type Source } from './source.ts'

/** Compiles every manifest and function file of a project. Never throws for what a file holds. */
export async function compileProject(options: CompileOptions): Promise<Compilation> {
  const sources = await discoverSources(options.manifestsFolder, options.functionsFolder)
  const written = await Promise.all(sources.manifests.map((file) => readSource(file, options.root)))
  const jobs: { source: Source; written?: ManifestSource }[] = []
  const claimed = new Set<string>()
  for (const [index, manifest] of written.entries()) {
    const manifestFile = sources.manifests[index]!
    const source = toSource(manifestFile, manifest, options.functionsFolder, sources.functions)
    if (source.functionFile) claimed.add(source.functionFile)
    jobs.push({ source, written: manifest })
  }
  for (const functionFile of sources.functions) {
    if (!claimed.has(functionFile)) jobs.push({ source: { name: functionName(functionFile), functionFile } })
  }
  const results = await mapLimited(jobs, availableParallelism(), ({ source, written }) =>
    compileSource(source, written, options),
  )
  return refuseConflicts(results)
}

/**
 * Compiles single manifest or function files, as `pellet validate` does. A function file whose manifest stands in the
 * manifests folder is compiled with it; a file that is named twice, or with what belongs to it, counts once.
 */
export async function compileFiles(files: string[], options: CompileOptions): Promise<Compilation> {
  const { root, functionsFolder, manifestsFolder } = options
  const { functions, manifests } = await discoverSources(manifestsFolder, functionsFolder)
  const jobs = new Map<string, () => Promise<Deployment | FailedSource>>()
  const addManifest = async (path: string, isWanted: (source: Source) => boolean) => {
    const written = await readSource(path, root)
    const source = toSource(path, written, functionsFolder, functions)
    if (isWanted(source)) jobs.set(path, () => compileSource(source, written, options))
    return isWanted(source)
  }
  for (const file of files) {
    const path = resolve(root, file)
    const source = { name: functionName(path), functionFile: path }
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile())
      jobs.set(path, async () => toFailure({ name: source.name }, options, [`${file}: expected a file, found none`]))
    else if (!functionEndings.includes(extname(path))) await addManifest(path, () => true)
    else {
      let isClaimed = false
      for (const manifest of manifests)
        if (await addManifest(manifest, ({ functionFile }) => functionFile === path)) isClaimed = true
      if (!isClaimed) jobs.set(path, () => compileSource(source, undefined, options))
    }
  }
  return refuseConflicts(await mapLimited([...jobs.values()], availableParallelism(), (job) => job()))
}

// --- internal ---

async function readSource(file: string, root: string): Promise<ManifestSource> {
  const shown = displayPath(root, file)
  try {
    return readManifest(shown, await readFile(file, 'utf8'))
  } catch (error) {
    const place = { file: shown, value: undefined, locate: () => undefined }
    const found = messageOf(error)
    return {
      ...place,
      issues: [toIssueIn({ written: place }, { path: [], expected: 'a file that can be read', found })],
    }
  }
}

/** Which name and function a manifest means, as far as it can be read. */
function toSource(
  manifestFile: string,
  { value }: ManifestSource,
  functionsFolder: string,
  functions: string[],
): Source {
  const { name, function: wanted } = (value ?? {}) as { name?: unknown; function?: unknown }
  const deployment = typeof name === 'string' ? name : basename(manifestFile, extname(manifestFile))
  const called = typeof wanted === 'string' ? wanted : deployment
  const found = functions.find((file) => functionName(file) === called)
  // A function that is named and not there is a problem of its own; its path says where it was looked for.
  const functionFile = found ?? (typeof wanted === 'string' ? join(functionsFolder, `${wanted}.ts`) : undefined)
  return { name: deployment, manifestFile, ...(functionFile && { functionFile }) }
}

async function mapLimited<Item, Result>(
  items: Item[],
  limit: number,
  map: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await map(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return results
}

import { readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { messageOf } from '../errors.ts'
import { displayPath } from '../display-path.ts'
import { toIssueIn } from '../manifest/issues.ts'
import { readManifest, type ManifestSource } from '../manifest/read.ts'
import { discoverSources, functionName } from './discover.ts'
import type { CompileOptions, Source } from './source.ts'

/** A source with its manifest, where it has one in a file of its own. */
export interface Job {
  source: Source
  written?: ManifestSource
}

/** What a project has to compile, in the order in which of two that claim the same the first has it. */
export async function projectJobs(options: CompileOptions, read = readSource): Promise<Job[]> {
  const { functions, manifests } = await discoverSources(options.manifestsFolder, options.functionsFolder)
  const jobs: Job[] = await Promise.all(manifests.map((file) => manifestJob(file, functions, options, read)))
  const claimed = new Set(jobs.map(({ source }) => source.functionFile))
  const alone = functions.filter((file) => !claimed.has(file))
  return [...jobs, ...alone.map((file) => ({ source: { name: functionName(file), functionFile: file } }))]
}

/** A manifest with the function that it means. */
export async function manifestJob(
  file: string,
  functions: string[],
  options: CompileOptions,
  read = readSource,
): Promise<Job> {
  const written = await read(file, options.root)
  return { source: toSource(file, written, options.functionsFolder, functions), written }
}

// --- internal ---

export async function readSource(file: string, root: string): Promise<ManifestSource> {
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

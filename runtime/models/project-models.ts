import { resolve } from 'node:path'
import { displayPath } from '../display-path.ts'
import { isFailed } from '../deployments/deployment.ts'
import type { MissingFile } from '../deployments/missing-model.ts'
import { projectJobs, type Job } from '../deployments/project-sources.ts'
import { compileSource, type CompileOptions, type Source } from '../deployments/source.ts'
import type { HailoArch, Manifest, ModelEntry } from '../manifest/manifest.ts'
import { isTar } from '../manifest/paths.ts'
import { normalizeManifest } from '../manifest/normalize.ts'
import type { ManifestInput } from '../manifest/schema.ts'
import type { ModelTarget } from './fetch-model.ts'

/** A model file that a manifest of the project names; without a URL nothing says where it is from. */
export type ProjectModel = Omit<ModelTarget, 'url'> & { url?: string }

/** A source of the project, and the files of its models: the one for the CPU first. */
export interface SourceModels {
  name: string
  /** Its manifest, else its function; relative to the project. */
  from: string
  models: ProjectModel[]
  /** Every file that it is made from, there or not; absolute. */
  files: ReadonlySet<string>
  /** Why nothing is known of its models. */
  problems: string[]
}

/**
 * The models that the manifests of a project name, those inside of function files included.
 * @param words names of deployments or paths of manifests, to look at no others; a name that stands only inside of a function
 * file is not found by them
 */
export async function projectModels(options: CompileOptions, words?: readonly string[]): Promise<SourceModels[]> {
  const jobs = await projectJobs(options)
  const isMeant = ({ source }: Job) => !words || words.includes(source.name) || words.includes(fromOf(source, options))
  return Promise.all(jobs.filter(isMeant).map((job) => sourceModels(job, options)))
}

/** Files of the models that a manifest names. */
export function modelsOf(
  { name, model }: Pick<Manifest, 'name' | 'model'>,
  { root, modelsFolder }: Pick<CompileOptions, 'root' | 'modelsFolder'>,
): ProjectModel[] {
  const entries: [HailoArch | undefined, ModelEntry][] = Object.entries(model.hef ?? {}) as [HailoArch, ModelEntry][]
  if (model.onnx) entries.unshift([undefined, model.onnx])
  return entries.map(([chip, { file, url, member, sha256, license }]) => ({
    name,
    ...(chip !== undefined && { chip }),
    file: resolve(modelsFolder, file),
    shown: displayPath(root, resolve(modelsFolder, file)),
    ...(url !== undefined && { url }),
    ...(member !== undefined && { member }),
    ...(sha256 !== undefined && { sha256 }),
    ...(license !== undefined && { license }),
  }))
}

/** What a source misses, where it can be fetched. */
export function toTarget(
  name: string,
  { file, url, ...rest }: MissingFile,
  { root }: { root: string },
): ModelTarget | undefined {
  if (url === undefined || isTar(url)) return undefined
  return { name, ...rest, url, file: resolve(root, file), shown: file }
}

// --- internal ---

function fromOf({ manifestFile, functionFile }: Source, { root }: CompileOptions): string {
  return displayPath(root, manifestFile ?? functionFile!)
}

async function sourceModels({ source, written }: Job, options: CompileOptions): Promise<SourceModels> {
  const from = fromOf(source, options)
  const files = new Set<string>()
  const result = await compileSource(source, written, options, files)
  const { name } = result
  if (!isFailed(result)) return { name, from, models: modelsOf(result.manifest, options), files, problems: [] }
  if (result.missing) {
    const { missing } = result
    const models = missing.files.map(({ file, ...rest }) => ({
      name,
      ...rest,
      file: resolve(options.root, file),
      shown: file,
    }))
    return { name, from, models, files, problems: [] }
  }
  // Something else is wrong with it, which is no reason not to have its model.
  const { model } = (written?.value ?? {}) as ManifestInput
  const { manifest } = normalizeManifest({ model }, { name })
  if (manifest) return { name, from, models: modelsOf(manifest, options), files, problems: [] }
  return { name, from, models: [], files, problems: result.problems }
}

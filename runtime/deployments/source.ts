import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf } from '../errors.ts'
import { bundleFunction, BundleError, displayPath, type Bundle } from '../functions/bundle.ts'
import { Describer, type FunctionDescription } from '../functions/describe.ts'
import type { ChainProblem } from '../isolate/child/pipeline.ts'
import { toIssueIn, type Finding, type ManifestIssue } from '../manifest/issues.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { mergeManifest, normalizeManifest, type RoutePaths } from '../manifest/normalize.ts'
import { checkManifest, formatIssue, type ManifestSource } from '../manifest/read.ts'
import type { ManifestInput } from '../manifest/schema.ts'
import type { Deployment, FailedSource } from './deployment.ts'
import { functionName } from './discover.ts'
import { ModelError, resolveModel, sha256File } from './model-file.ts'
import { toRevision } from './revision.ts'

export interface CompileOptions {
  root: string
  functionsFolder: string
  manifestsFolder: string
  modelsFolder: string
  dataFolder: string
  memo: Memo
}

/** Remembers what was learnt from code and models that did not change since. */
export interface Memo {
  get<Value>(key: string): Promise<Value | undefined>
  set(key: string, value: unknown): Promise<void>
}

/** What may become a deployment: a manifest, a function file, or both. Absolute paths. */
export interface Source {
  name: string
  manifestFile?: string
  functionFile?: string
}

/** Compiles one source. Never throws: what is wrong with it is in the answer. */
export async function compileSource(
  source: Source,
  written: ManifestSource | undefined,
  options: CompileOptions,
): Promise<Deployment | FailedSource> {
  // One child serves both looks at the code, and is not started where both are remembered.
  const describer = new LazyDescriber()
  try {
    return await new SourceCompiler(source, written, options, describer).compile()
  } catch (error) {
    const problems = error instanceof Problems ? error.lines : [`${source.name}: ${messageOf(error)}`]
    return toFailure(source, options, problems)
  } finally {
    describer[Symbol.dispose]()
  }
}

/** A source that cannot be deployed, and why. */
export function toFailure(source: Source, { root }: CompileOptions, problems: string[]): FailedSource {
  return { name: source.name, origin: toOrigin(source, root), problems }
}

// --- internal ---

class SourceCompiler {
  readonly #source: Source
  readonly #written: ManifestSource | undefined
  readonly #options: CompileOptions
  readonly #describer: LazyDescriber
  #inline: ManifestSource | undefined

  constructor(source: Source, written: ManifestSource | undefined, options: CompileOptions, describer: LazyDescriber) {
    this.#source = source
    this.#written = written
    this.#options = options
    this.#describer = describer
  }

  async compile(): Promise<Deployment> {
    const { bundle, description } = await this.#loadFunction()
    const { manifest, paths } = this.#normalize(description)
    const model = await resolveModel(manifest, this.#options.modelsFolder).catch((error: unknown) => {
      throw error instanceof ModelError ? this.#problem(error.path, error.message) : error
    })
    const { files, digests } = await this.#resolveFiles(manifest)
    const revision = toRevision(manifest, bundle?.hash, { ...digests, model: model.sha256 })
    const check = {
      manifest,
      engine: model.engine,
      modelFile: model.file,
      files,
      ...(bundle && { bundleFile: bundle.file }),
    }
    const { problems, input } = await this.#remembered(`check:${revision}`, () =>
      this.#describer.get().check(check),
    ).catch((error: unknown) => {
      throw this.#problem(['model', 'onnx'], messageOf(error))
    })
    if (problems.length > 0) throw this.#chainProblems(problems, manifest, paths)
    const { name, notes, ...rest } = { name: manifest.name, ...model }
    return {
      name,
      revision,
      manifest,
      origin: this.#origin(),
      ...(bundle && { bundleFile: bundle.file }),
      engine: rest.engine,
      model: { file: rest.file, sizeBytes: rest.sizeBytes, sha256: rest.sha256 },
      files,
      input,
      notes,
    }
  }

  #origin() {
    return toOrigin(this.#source, this.#options.root)
  }

  async #loadFunction(): Promise<{ bundle?: Bundle; description?: FunctionDescription }> {
    const { functionFile } = this.#source
    if (!functionFile) return {}
    const { root, dataFolder } = this.#options
    const shown = displayPath(root, functionFile)
    if (!(await stat(functionFile).catch(() => undefined))?.isFile())
      throw this.#problem(['function'], `expected a function file at ${shown}, found none`)
    try {
      const bundle = await bundleFunction(functionFile, root, join(dataFolder, 'bundles'))
      const description = await this.#remembered(`describe:${bundle.hash}`, () =>
        this.#describer.get().describe(bundle.file),
      )
      return { bundle, description }
    } catch (error) {
      throw new Problems(
        error instanceof BundleError ? error.problems : [`${shown}: ${messageOf(error)}`],
        this.#written,
      )
    }
  }

  #normalize(description: FunctionDescription | undefined): { manifest: Manifest; paths: RoutePaths[] } {
    const { name, functionFile } = this.#source
    const written = this.#written
    const shown = functionFile && displayPath(this.#options.root, functionFile)
    if (!written && description?.manifest === undefined)
      throw new Problems([
        `${shown}: expected a manifest in the file (manifest: { ... }) or in manifests/${name}.yaml, found none`,
      ])
    if (description?.manifest !== undefined) this.#inline = checkManifest(description.manifest, shown!)
    const issues = [...(written?.issues ?? []), ...(this.#inline?.issues ?? [])]
    if (issues.length > 0) throw new Problems(issues.map(formatIssue))
    const merged = mergeManifest(
      this.#inline?.value as ManifestInput | undefined,
      written?.value as ManifestInput | undefined,
    )
    const places = { written, inline: this.#inline }
    const normalized = normalizeManifest(merged, {
      name,
      ...places,
      ...(functionFile && { function: functionName(functionFile) }),
    })
    if (!normalized.manifest) throw new Problems(normalized.issues.map(formatIssue))
    return { manifest: normalized.manifest, paths: normalized.paths }
  }

  async #resolveFiles(manifest: Manifest) {
    const files: Record<string, string> = {}
    const digests: Record<string, string> = {}
    for (const [name, file] of Object.entries(manifest.files)) {
      files[name] = resolve(this.#options.modelsFolder, file)
      digests[`files.${name}`] = await sha256File(files[name]).catch((error: NodeJS.ErrnoException) => {
        throw this.#problem(
          ['files', name],
          `expected a file at ${files[name]}, found ${error.code === 'ENOENT' ? 'none' : error.message}`,
        )
      })
    }
    return { files, digests }
  }

  async #remembered<Value>(key: string, learn: () => Promise<Value>): Promise<Value> {
    const known = await this.#options.memo.get<Value>(key)
    if (known !== undefined) return known
    const value = await learn()
    // Problems are learnt anew each time: they often lie in what the key does not cover, such as a broken installation.
    const clean = !(
      typeof value === 'object' &&
      value !== null &&
      'problems' in value &&
      (value.problems as unknown[]).length > 0
    )
    if (clean) await this.#options.memo.set(key, value)
    return value
  }

  #issue(finding: Finding): ManifestIssue {
    return toIssueIn({ written: this.#written, inline: this.#inline }, finding)
  }

  #problem(path: (string | number)[], message: string): Problems {
    const issue = this.#issue({ path, expected: '', found: '' })
    return new Problems([formatIssue({ ...issue, message })])
  }

  #chainProblems(problems: ChainProblem[], manifest: Manifest, paths: RoutePaths[]): Problems {
    const lines = problems.map(({ route, stage, index, path, expected, found }) => {
      const chain = paths[route]![stage]
      const use = index === undefined ? undefined : manifest.routes[route]![stage as 'pre' | 'post'][index]
      const place = index === undefined ? chain : [...chain, index, ...(path.length > 0 ? [use!.step] : [])]
      const finding = { path: [...place, ...path], expected, found }
      const issue = this.#issue(finding)
      // A step's own check speaks in a sentence of its own.
      return formatIssue(found === '' ? { ...issue, message: `${use?.step}: ${expected}` } : issue)
    })
    return new Problems([...new Set(lines)])
  }
}

/** Everything that is wrong with one source, a line each. */
class Problems extends Error {
  readonly lines: string[]

  constructor(lines: string[], written?: ManifestSource) {
    const all = [...(written?.issues ?? []).map(formatIssue), ...lines]
    super(all.join('\n'))
    this.lines = all
  }
}

class LazyDescriber implements Disposable {
  #describer: Describer | undefined

  get(): Describer {
    return (this.#describer ??= new Describer())
  }

  [Symbol.dispose](): void {
    this.#describer?.[Symbol.dispose]()
  }
}

function toOrigin({ manifestFile, functionFile }: Partial<Source>, root: string) {
  return {
    ...(manifestFile && { manifest: displayPath(root, manifestFile) }),
    ...(functionFile && { function: displayPath(root, functionFile) }),
  }
}

import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { sha256File } from '../digest.ts'
import { messageOf } from '../errors.ts'
import { bundleFunction, BundleError, displayPath, type Bundle } from '../functions/bundle.ts'
import { Describer, type FunctionDescription } from '../functions/describe.ts'
import type { ChainProblem } from '../isolate/child/pipeline.ts'
import { sortIssues, toIssueIn, type Finding, type ManifestIssue } from '../manifest/issues.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { mergeManifest, normalizeManifest, type RoutePaths } from '../manifest/normalize.ts'
import { checkManifest, formatIssue, type ManifestSource } from '../manifest/read.ts'
import type { ManifestInput } from '../manifest/schema.ts'
import type { Deployment, FailedSource } from './deployment.ts'
import { functionName } from './discover.ts'
import { ModelError, resolveModel, type ResolvedModel } from './model-file.ts'
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
  /** All that is wrong so far: what can still be looked at is, so that people mend a file once. */
  #issues: ManifestIssue[] = []

  constructor(source: Source, written: ManifestSource | undefined, options: CompileOptions, describer: LazyDescriber) {
    this.#source = source
    this.#written = written
    this.#options = options
    this.#describer = describer
  }

  async compile(): Promise<Deployment> {
    const { bundle, description } = await this.#loadFunction()
    const { manifest, paths, isModelKnown } = this.#normalize(description)
    const model = isModelKnown ? await this.#resolveModel(manifest) : undefined
    const { files, digests } = await this.#resolveFiles(manifest)
    const revision = toRevision(manifest, bundle?.hash, { ...digests, model: model?.sha256 ?? '' })
    // Without the model or a file that it reads, a step's own check would complain of the consequence.
    const isWhole = model !== undefined && this.#issues.length === 0
    const check = {
      manifest,
      engine: model?.engine ?? 'onnxruntime',
      files,
      ...(isWhole && { modelFile: model.file }),
      ...(bundle && { bundleFile: bundle.file }),
    }
    const learn = () => this.#describer.get().check(check)
    const { problems, input } = await (isWhole ? this.#remembered(`check:${revision}`, learn) : learn()).catch(
      (error: unknown) => {
        throw this.#problem(['model', 'onnx'], messageOf(error))
      },
    )
    this.#issues.push(...problems.map((problem) => this.#chainIssue(problem, manifest, paths)))
    if (this.#issues.length > 0 || model === undefined) throw new Problems(this.#issues)
    const { file, sizeBytes, modifiedMs, sha256, engine, notes } = model
    return {
      name: manifest.name,
      revision,
      manifest,
      origin: toOrigin(this.#source, this.#options.root),
      places: { name: this.#whereIs(['name']), routes: paths.map(({ route }) => this.#whereIs(route)) },
      ...(bundle && { bundleFile: bundle.file }),
      engine,
      model: { file, sizeBytes, modifiedMs, sha256 },
      files,
      input,
      notes,
    }
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
        this.#written?.issues ?? [],
        error instanceof BundleError ? error.problems : [`${shown}: ${messageOf(error)}`],
      )
    }
  }

  #normalize(description: FunctionDescription | undefined) {
    const { name, functionFile } = this.#source
    const written = this.#written
    const shown = functionFile && displayPath(this.#options.root, functionFile)
    if (!written && description?.manifest === undefined)
      throw new Problems(
        [],
        [`${shown}: expected a manifest in the file (manifest: { ... }) or in manifests/${name}.yaml, found none`],
      )
    if (description?.manifest !== undefined) this.#inline = checkManifest(description.manifest, shown!)
    const merged = mergeManifest(
      this.#inline?.value as ManifestInput | undefined,
      written?.value as ManifestInput | undefined,
    )
    const places = { written, inline: this.#inline }
    const options = { name, ...places, ...(functionFile && { function: functionName(functionFile) }) }
    this.#issues.push(...(written?.issues ?? []), ...(this.#inline?.issues ?? []))
    const whole = this.#issues.length === 0 ? normalizeManifest(merged, options) : undefined
    if (whole) this.#issues.push(...whole.issues)
    if (whole?.manifest) return { manifest: whole.manifest, paths: whole.paths, isModelKnown: true }

    const rest = withoutWrongKeys(merged, this.#issues)
    const partial = rest && normalizeManifest(rest.input, options)
    if (!partial?.manifest) throw new Problems(this.#issues)
    return { manifest: partial.manifest, paths: partial.paths, isModelKnown: rest!.isModelKnown }
  }

  async #resolveModel(manifest: Manifest): Promise<ResolvedModel | undefined> {
    try {
      return await resolveModel(manifest, this.#options.modelsFolder)
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      this.#issues.push(this.#issue(error.path, error.message))
      return undefined
    }
  }

  async #resolveFiles(manifest: Manifest) {
    const files: Record<string, string> = {}
    const digests: Record<string, string> = {}
    for (const [name, file] of Object.entries(manifest.files)) {
      files[name] = resolve(this.#options.modelsFolder, file)
      try {
        digests[`files.${name}`] = await sha256File(files[name])
      } catch (error) {
        const found = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : messageOf(error)
        this.#issues.push(this.#issue(['files', name], `expected a file at ${files[name]}, found ${found}`))
      }
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

  /** Where something is written, as messages begin. */
  #whereIs(path: (string | number)[]): string {
    return formatIssue(this.#issue(path, '')).replace(/: $/, '')
  }

  #issue(path: (string | number)[], message: string): ManifestIssue {
    return { ...this.#place({ path, expected: '', found: '' }), message }
  }

  #place(finding: Finding): ManifestIssue {
    return toIssueIn({ written: this.#written, inline: this.#inline }, finding)
  }

  /** Ends the look: without what is at this path nothing more can be said. */
  #problem(path: (string | number)[], message: string): Problems {
    return new Problems([
      ...this.#issues,
      ...(this.#inline ? [] : (this.#written?.issues ?? [])),
      this.#issue(path, message),
    ])
  }

  #chainIssue(problem: ChainProblem, manifest: Manifest, paths: RoutePaths[]): ManifestIssue {
    const { route, stage, index, path, expected, found } = problem
    const chain = paths[route]![stage]
    const use = index === undefined ? undefined : manifest.routes[route]![stage as 'pre' | 'post'][index]
    const place = index === undefined ? chain : [...chain, index, ...(path.length > 0 ? [use!.step] : [])]
    // A step's own check speaks in a sentence of its own.
    return found === ''
      ? this.#issue([...place, ...path], expected.startsWith(`${use?.step}: `) ? expected : `${use?.step}: ${expected}`)
      : this.#place({ path: [...place, ...path], expected, found })
  }
}

/** Everything that is wrong with one source, a line each: by position, then what has none. */
class Problems extends Error {
  readonly lines: string[]

  constructor(issues: ManifestIssue[], lines: string[] = []) {
    super()
    this.lines = [...sortIssues(issues).map(formatIssue), ...lines]
    this.message = this.lines.join('\n')
  }
}

/** A manifest without the keys that are wrong, to look at the others; undefined when its steps are among the wrong. */
function withoutWrongKeys(input: ManifestInput, issues: ManifestIssue[]) {
  const keys = new Set(issues.map(({ path }) => String(path[0] ?? 'routes')))
  if (['pre', 'post', 'route', 'routes'].some((key) => keys.has(key))) return undefined
  const rest = Object.fromEntries(Object.entries(input).filter(([key]) => !keys.has(key)))
  const isModelKnown = !keys.has('model') && rest['model'] !== undefined
  return {
    input: { ...rest, ...(!isModelKnown && { model: { onnx: 'unknown.onnx' } }) } as ManifestInput,
    isModelKnown,
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

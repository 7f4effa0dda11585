import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { knownSha256 } from '../digest.ts'
import type { NpuStatus } from '../device/npu.ts'
import { messageOf } from '../errors.ts'
import { displayPath } from '../display-path.ts'
import { bundleFunction, BundleError, type Bundle } from '../functions/bundle.ts'
import type { FunctionDescription } from '../functions/describe.ts'
import { LazyDescriber, type DescriberPool } from '../functions/describers.ts'
import type { ManifestIssue, ManifestPath } from '../manifest/issues.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { mergeManifest, normalizeManifest } from '../manifest/normalize.ts'
import { checkManifest, type ManifestSource } from '../manifest/read.ts'
import type { ManifestInput } from '../manifest/schema.ts'
import { assemble, remembered } from './assemble.ts'
import { callSteps } from './calls.ts'
import { answersOf, type Deployment, type DeploymentResult, type FailedSource } from './deployment.ts'
import { functionName } from './discover.ts'
import type { Memo } from './memo.ts'
import { ModelError, modelFiles, resolveModel, type ResolvedModel } from './model-file.ts'
import { SourceError, SourceProblems } from './source-problems.ts'

export interface CompileOptions {
  root: string
  functionsFolder: string
  manifestsFolder: string
  modelsFolder: string
  dataFolder: string
  memo: Memo
  /** Pellet's own port on TCP, which no deployment may have; 0: whichever is free. */
  port: number
  /** Absent: as where there is none. */
  npu?: NpuStatus
  /** Every model that is there is looked at, and that this machine cannot run one is no fault. */
  isForAnywhere?: boolean
  /** The probes are to be made: what they send must be there. Of a file that is only dropped it is told, for it serves without. */
  areProbesMade?: boolean
  /** Processes in which code is looked at; where this is absent, each source has one of its own. */
  describers?: DescriberPool
}

/** What may become a deployment: a manifest, a function file, or both. Absolute paths. */
export interface Source {
  name: string
  manifestFile?: string
  functionFile?: string
}

/**
 * Compiles one source. Never throws: what is wrong with it is in the answer.
 * @param inputs is given the absolute paths of all files that the answer depends on, there or not
 */
export async function compileSource(
  source: Source,
  written: ManifestSource | undefined,
  options: CompileOptions,
  inputs: Set<string> = new Set(),
): Promise<DeploymentResult> {
  for (const file of [source.manifestFile, source.functionFile]) if (file) inputs.add(file)
  // One child serves both looks at the code, and is not started where both are remembered.
  const describer = new LazyDescriber(options.describers)
  try {
    return await new SourceCompiler(source, written, options, describer, inputs).compile()
  } catch (error) {
    if (!(error instanceof SourceError)) return toFailure(source, options, [`${source.name}: ${messageOf(error)}`])
    const { deployment, lines, missing, manifest } = error
    const failure = {
      ...toFailure({ ...source, name: deployment }, options, lines),
      ...(manifest && answersOf(manifest)),
    }
    return missing ? { ...failure, missing: { deployment, files: missing } } : failure
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
  readonly #inputs: Set<string>
  /** Of the deployment: a function file's own manifest may have another than the source. */
  #name: string
  readonly #problems: SourceProblems
  /** Where its routes are known. */
  #manifest: Manifest | undefined

  constructor(
    source: Source,
    written: ManifestSource | undefined,
    options: CompileOptions,
    describer: LazyDescriber,
    inputs: Set<string>,
  ) {
    this.#inputs = inputs
    this.#source = source
    this.#name = source.name
    this.#written = written
    this.#options = options
    this.#describer = describer
    this.#problems = new SourceProblems(written)
  }

  async compile(): Promise<Deployment> {
    const loaded = await this.#loadFunction()
    const { manifest, paths, ports, probes, isModelKnown, areStepsKnown } = this.#normalize(loaded)
    this.#name = manifest.name
    if (areStepsKnown) this.#manifest = manifest
    const { bundle } = loaded ?? {}
    const model = isModelKnown ? await this.#resolveModel(manifest) : undefined
    const { files, digests } = await this.#resolveFiles(manifest)
    const probe = await this.#resolveProbes(manifest, probes)
    if (!areStepsKnown) throw this.#broken()
    const parts = {
      manifest,
      paths,
      bundle,
      model,
      files,
      probeInputs: probe.files,
      digests: { ...digests, ...probe.digests },
    }
    const { memo, isForAnywhere = false } = this.#options
    const assembly = { memo, describer: this.#describer, problems: this.#problems, areOthersChecked: isForAnywhere }
    const whole = await assemble(parts, assembly)
    const calls = callSteps(manifest).map(({ route, step }) => [...paths[route]!.post, step])
    return {
      ...whole,
      notes: [...whole.notes, ...probe.notes],
      origin: toOrigin(this.#source, this.#options.root),
      places: {
        name: this.#problems.whereIs(['name']),
        routes: paths.map(({ route }) => this.#problems.whereIs(route)),
        ports: ports.map((port) => this.#problems.whereIs(port)),
        probes: probes.map((probe) => this.#problems.whereIs(probe)),
        calls: calls.map((step) => this.#problems.whereIs(step)),
      },
    }
  }

  /** Empty where there is no function; undefined where it is broken, so that its steps and its manifest are not known. */
  async #loadFunction(): Promise<LoadedFunction | undefined> {
    const { functionFile } = this.#source
    if (!functionFile) return {}
    const { root, dataFolder } = this.#options
    const shown = displayPath(root, functionFile)
    if (!(await stat(functionFile).catch(() => undefined))?.isFile()) {
      // A link that leads nowhere has no manifest that names it.
      if (this.#written) this.#problems.add(['function'], `expected a function file at ${shown}, found none`)
      else this.#problems.addLines(`${shown}: expected a function file, found a link to none`)
      return undefined
    }
    try {
      const bundle = await bundleFunction(functionFile, root, join(dataFolder, 'bundles'))
      this.#note(bundle.sources)
      const description = await remembered(this.#options.memo, `describe:${bundle.hash}`, () =>
        this.#describer.describe(bundle.file),
      )
      return { bundle, description, text: await readFile(functionFile, 'utf8') }
    } catch (error) {
      if (error instanceof BundleError) this.#note(error.sources)
      this.#problems.addLines(...(error instanceof BundleError ? error.problems : [`${shown}: ${messageOf(error)}`]))
      return undefined
    }
  }

  #normalize(loaded: LoadedFunction | undefined) {
    const { name, functionFile } = this.#source
    const written = this.#written
    const shown = functionFile && displayPath(this.#options.root, functionFile)
    const own = loaded?.description?.manifest
    if (!written && own === undefined) {
      if (loaded)
        this.#problems.addLines(
          `${shown}: expected a manifest in the file (manifest: { ... }) or in manifests/${name}.yaml, found none`,
        )
      throw this.#broken()
    }
    const inline = own === undefined ? undefined : checkManifest(own, shown!, loaded?.text)
    if (inline) this.#problems.addInline(inline)
    const merged = mergeManifest(
      inline?.value as ManifestInput | undefined,
      written?.value as ManifestInput | undefined,
    )
    const options = { name, written, inline, ...(functionFile && { function: functionName(functionFile) }) }
    const { issues } = this.#problems
    const whole = loaded && issues.length === 0 ? normalizeManifest(merged, options) : undefined
    if (whole) this.#problems.addIssues(whole.issues)
    if (whole?.manifest) return { ...whole, manifest: whole.manifest, isModelKnown: true, areStepsKnown: true }

    const { input, isModelKnown, areStepsKnown } = withoutWrongKeys(merged, issues)
    const rest = normalizeManifest(input, options)
    if (!rest.manifest) throw this.#broken()
    return { ...rest, manifest: rest.manifest, isModelKnown, areStepsKnown: areStepsKnown && loaded !== undefined }
  }

  async #resolveModel(manifest: Manifest): Promise<ResolvedModel | undefined> {
    this.#note(modelFiles(manifest, this.#options))
    try {
      return await resolveModel(manifest, this.#options)
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      this.#problems.addModelError(error)
      return undefined
    }
  }

  async #resolveFiles(manifest: Manifest) {
    const files: Record<string, string> = {}
    const digests: Record<string, string> = {}
    for (const [name, file] of Object.entries(manifest.files)) {
      files[name] = resolve(this.#options.modelsFolder, file)
      const digest = await this.#digestOf(files[name], (problem) => this.#problems.add(['files', name], problem))
      if (digest !== undefined) digests[`files.${name}`] = digest
    }
    return { files, digests }
  }

  async #resolveProbes({ probe }: Manifest, paths: ManifestPath[]) {
    const files: Record<string, string> = {}
    const digests: Record<string, string> = {}
    const notes: string[] = []
    for (const [index, { input }] of probe.entries()) {
      if (input === undefined) continue
      const file = resolve(this.#options.modelsFolder, input)
      const path = [...paths[index]!, 'input']
      const whyNot = (problem: string) => {
        if (this.#options.areProbesMade) this.#problems.add(path, problem)
        else
          notes.push(
            `${this.#problems.whereIs(path)}: ${problem}; dropped files serve without it, pellet deploy wants it`,
          )
      }
      const digest = await this.#digestOf(file, whyNot)
      if (digest === undefined) continue
      files[input] = file
      digests[`probe.${input}`] = digest
    }
    return { files, digests, notes }
  }

  async #digestOf(file: string, whyNot: (problem: string) => void): Promise<string | undefined> {
    this.#note([file])
    try {
      return await knownSha256(file)
    } catch (error) {
      const found = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : messageOf(error)
      whyNot(`expected a file at ${displayPath(this.#options.root, file)}, found ${found}`)
      return undefined
    }
  }

  #note(files: string[]): void {
    for (const file of files) this.#inputs.add(file)
  }

  #broken(): SourceError {
    return this.#problems.toError(this.#name, this.#manifest)
  }
}

interface LoadedFunction {
  bundle?: Bundle
  text?: string
  description?: FunctionDescription
}

/** A manifest without the keys that are wrong, to look at the others. */
function withoutWrongKeys(input: ManifestInput, issues: readonly ManifestIssue[]) {
  const keys = new Set(issues.map(({ path }) => String(path[0] ?? '')))
  const rest = Object.fromEntries(Object.entries(input ?? {}).filter(([key]) => !keys.has(key)))
  const isModelKnown = rest['model'] !== undefined
  return {
    input: { ...rest, ...(!isModelKnown && { model: { onnx: 'unknown.onnx' } }) } as ManifestInput,
    isModelKnown,
    areStepsKnown: !['', 'pre', 'post', 'route', 'routes'].some((key) => keys.has(key)),
  }
}

function toOrigin({ manifestFile, functionFile }: Partial<Source>, root: string) {
  return {
    ...(manifestFile && { manifest: displayPath(root, manifestFile) }),
    ...(functionFile && { function: displayPath(root, functionFile) }),
  }
}

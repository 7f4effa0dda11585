import { messageOf } from '../errors.ts'
import type { LazyDescriber } from '../functions/describers.ts'
import { entryOf, type Manifest, type ModelKey } from '../manifest/manifest.ts'
import type { RoutePaths } from '../manifest/normalize.ts'
import type { Deployment } from './deployment.ts'
import { pathOf, type ResolvedModel } from './model-file.ts'
import type { Memo } from './memo.ts'
import { toRevision } from './revision.ts'
import type { SourceProblems } from './source-problems.ts'

/** All that a revision is made of, as files of this machine. */
export interface RevisionParts {
  manifest: Manifest
  paths: RoutePaths[]
  /** Absent when built-in steps suffice. */
  bundle?: { file: string; hash: string } | undefined
  /** Undefined where it cannot be used: what can be said without it still is. */
  model: ResolvedModel | undefined
  /** Absolute paths of the manifest's `files`. */
  files: Record<string, string>
  /** Absolute paths of its probes' inputs. */
  probeInputs: Record<string, string>
  /** Of both: `files.{name}`, and `probe.{path}` with the path that the manifest gives. */
  digests: Record<string, string>
}

export interface Assembly {
  memo: Memo
  describer: LazyDescriber
  /** What was found so far, and where things are written. */
  problems: SourceProblems
  /** The models that would run elsewhere are looked at as well. */
  areOthersChecked?: boolean
}

/**
 * Puts a revision together, once its steps were looked at with its model.
 * @throws SourceError with all that is wrong with it
 */
export async function assemble(
  { manifest, paths, bundle, model, files, probeInputs, digests }: RevisionParts,
  { memo, describer, problems, areOthersChecked = false }: Assembly,
): Promise<Omit<Deployment, 'origin' | 'places'>> {
  const { sha256 = '', key = 'onnx' } = model?.model ?? {}
  const revision = toRevision(manifest, bundle?.hash, { ...digests, model: sha256 })
  // Without the model or a file that it reads, a step's own check would complain of the consequence.
  const isWhole = model !== undefined && problems.issues.length === 0
  const check = { manifest, files, ...(bundle && { bundleFile: bundle.file }) }
  const blame = (key: ModelKey) => (error: unknown) => {
    problems.add(pathOf(key), messageOf(error))
    throw problems.toError(manifest.name, manifest)
  }
  const learn = () => describer.check({ ...check, ...(isWhole && { model: { key, file: model.model.file } }) })
  const isRemembered = isWhole || problems.missesModelOnly
  const checked = await (isRemembered ? remembered(memo, `check:${key}:${revision}`, learn) : learn()).catch(blame(key))
  for (const problem of checked.problems) problems.addChainProblem(problem, manifest, paths)
  if (areOthersChecked && isWhole && checked.problems.length === 0)
    for (const other of model.others) {
      const { problems: found } = await describer.check({ ...check, model: other }).catch(blame(other.key))
      for (const problem of found)
        problems.addChainProblem(problem, manifest, paths, entryOf(manifest.model, other.key)!.file)
    }
  if (problems.issues.length > 0 || model === undefined) throw problems.toError(manifest.name, manifest)
  const { others: _others, ...resolved } = model
  const { inputs = [], outputs = [] } = checked.model ?? {}
  return {
    name: manifest.name,
    revision,
    manifest,
    calls: [],
    ...(bundle && { bundleFile: bundle.file }),
    ...resolved,
    ...(model.engine === 'hailort' && { tensors: { inputs, outputs } }),
    files,
    probeInputs,
    input: checked.input,
    isQuick: checked.model?.isQuick ?? false,
  }
}

/** What is known under a key, else what is learnt now. */
export async function remembered<Value>(memo: Memo, key: string, learn: () => Promise<Value>): Promise<Value> {
  const known = await memo.get<Value>(key)
  if (known !== undefined) return known
  const value = await learn()
  // Problems are learnt anew each time: they often lie in what the key does not cover, such as a broken installation.
  const isClean = !(
    typeof value === 'object' &&
    value !== null &&
    'problems' in value &&
    (value.problems as unknown[]).length > 0
  )
  if (isClean) await memo.set(key, value)
  return value
}

import { messageOf } from '../errors.ts'
import type { LazyDescriber } from '../functions/describers.ts'
import type { Manifest } from '../manifest/manifest.ts'
import type { RoutePaths } from '../manifest/normalize.ts'
import type { Deployment } from './deployment.ts'
import type { ResolvedModel } from './model-file.ts'
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
}

/**
 * Puts a revision together, once its steps were looked at with its model.
 * @throws SourceError with all that is wrong with it
 */
export async function assemble(
  { manifest, paths, bundle, model, files, probeInputs, digests }: RevisionParts,
  { memo, describer, problems }: Assembly,
): Promise<Omit<Deployment, 'origin' | 'places'>> {
  const revision = toRevision(manifest, bundle?.hash, { ...digests, model: model?.sha256 ?? '' })
  // Without the model or a file that it reads, a step's own check would complain of the consequence.
  const isWhole = model !== undefined && problems.issues.length === 0
  const check = {
    manifest,
    engine: model?.engine ?? 'onnxruntime',
    files,
    ...(isWhole && { modelFile: model.file }),
    ...(bundle && { bundleFile: bundle.file }),
  }
  const learn = () => describer.check(check)
  const isRemembered = isWhole || problems.missesModelOnly
  const checked = await (isRemembered ? remembered(memo, `check:${revision}`, learn) : learn()).catch(
    (error: unknown) => {
      problems.add(['model', 'onnx'], messageOf(error))
      throw problems.toError(manifest.name, manifest)
    },
  )
  for (const problem of checked.problems) problems.addChainProblem(problem, manifest, paths)
  if (problems.issues.length > 0 || model === undefined) throw problems.toError(manifest.name, manifest)
  const { file, sizeBytes, modifiedMs, sha256, engine, notes } = model
  return {
    name: manifest.name,
    revision,
    manifest,
    calls: [],
    ...(bundle && { bundleFile: bundle.file }),
    engine,
    model: { file, sizeBytes, modifiedMs, sha256 },
    files,
    probeInputs,
    input: checked.input,
    isQuick: checked.isQuick,
    notes,
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

import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { noNpu, type NpuStatus } from '../device/npu.ts'
import { knownSha256 } from '../digest.ts'
import { engineOf } from '../engines/engine.ts'
import { displayPath } from '../display-path.ts'
import { entryOf, type HailoArch, type Manifest, type ModelEntry, type ModelKey } from '../manifest/manifest.ts'
import type { Deployment } from './deployment.ts'
import { chooseModel, keysFor, type HefOutlook } from './engine-choice.ts'
import { howToGet, type MissingFile } from './missing-model.ts'

/** What a deployment says of the model that runs. */
export interface ResolvedModel extends Pick<
  Deployment,
  'engine' | 'chip' | 'isSimulated' | 'fallback' | 'model' | 'notes'
> {
  /** The manifest's other models, as far as their files are there. */
  others: ModelFile[]
}

export interface ModelFile {
  key: ModelKey
  file: string
}

/** Where models are, the project that messages show their paths in, and what there is to run them on. */
export interface ModelFolders {
  root: string
  modelsFolder: string
  /** Files that were uploaded with a deploy, and are their digest: they are used instead of those in the models folder. */
  blobs?: Partial<Record<ModelKey, { file: string; sha256: string }>>
  /** Absent: as where there is none. */
  npu?: NpuStatus | undefined
  /** It need not run on this machine: every model that is there is looked at. */
  isForAnywhere?: boolean
}

/** A model that cannot be used, with the manifest's path that is to blame. */
export class ModelError extends Error {
  readonly path: (string | number)[]
  /** Files of which one would do, where none is there. */
  readonly missing: MissingFile[] | undefined
  /** What else is wrong with the models of the manifest. */
  readonly more: readonly ModelError[]

  constructor(
    path: (string | number)[],
    message: string,
    { missing, more = [] }: { missing?: MissingFile[]; more?: readonly ModelError[] } = {},
  ) {
    super(message)
    this.path = path
    this.missing = missing
    this.more = more
  }
}

/** Chooses the engine and finds the model file. @throws ModelError */
export async function resolveModel({ name, model }: Manifest, folders: ModelFolders): Promise<ResolvedModel> {
  const { npu = noNpu, isForAnywhere } = folders
  const hefs = await lookAtHefs(model, folders, npu)
  const isCpuThere = model.onnx !== undefined && existsSync(locate('onnx', model.onnx, folders).file)
  const choice = chooseModel(model, { npu, hefs, isForAnywhere, isCpuThere })
  if ('refusal' in choice) throw new ModelError(choice.path, choice.refusal)
  const { fallback, note, missing } = choice
  // Where neither is there, the NPU's is the one to fetch.
  const key = missing && !isCpuThere ? missing : choice.key
  const file = await digestFile(name, key, missingFiles(model, key, folders), model, folders)
  const how = missing ? `; ${howToGet(name, toMissing(missing, model.hef![missing]!, folders))}` : ''
  const why = fallback && `falls back to ONNX Runtime on the CPU: ${fallback}${how}`
  return {
    engine: engineOf(key),
    ...(key !== 'onnx' && { chip: npu.isUsable ? npu.chip : key }),
    ...(key !== 'onnx' && npu.isUsable && npu.kind === 'simulated' && { isSimulated: true as const }),
    ...(why !== undefined && { fallback: why }),
    model: file,
    notes: [why, note].filter((line) => line !== undefined),
    others: modelKeys(model)
      .filter((other) => other !== key)
      .map((other) => ({ key: other, file: locate(other, entryOf(model, other)!, folders).file }))
      .filter((other) => existsSync(other.file)),
  }
}

/** Absolute paths of every model file that a manifest names, there or not. */
export function modelFiles({ model }: Manifest, { modelsFolder }: ModelFolders): string[] {
  const entries = [model.onnx, ...Object.values(model.hef ?? {})]
  return entries.flatMap((entry) => (entry ? [resolve(modelsFolder, entry.file)] : []))
}

/** Where a manifest names a model. */
export function pathOf(key: ModelKey): string[] {
  return key === 'onnx' ? ['model', 'onnx'] : ['model', 'hef', key]
}

// --- internal ---

function modelKeys({ onnx, hef = {} }: Manifest['model']): ModelKey[] {
  return [...(onnx ? (['onnx'] as const) : []), ...(Object.keys(hef) as HailoArch[])]
}

async function digestFile(
  name: string,
  key: ModelKey,
  missing: MissingFile[],
  model: Manifest['model'],
  folders: ModelFolders,
): Promise<Deployment['model']> {
  const path = pathOf(key)
  const entry = entryOf(model, key)!
  const located = locate(key, entry, folders)
  const { file, shown } = located
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => error.code ?? 'an error')
  if (found === 'ENOENT')
    throw new ModelError(path, `expected a model file at ${shown}, found none; ${howToGet(name, missing[0]!)}`, {
      missing,
    })
  if (typeof found === 'string' || !found.isFile()) {
    const reason = typeof found === 'string' ? found : 'something that is no file'
    throw new ModelError(path, `expected a model file at ${shown}, found ${reason}`)
  }
  const sha256 = await checkDigest(path, entry, located)
  return { key, file, sizeBytes: found.size, modifiedMs: found.mtimeMs, sha256 }
}

/** @throws ModelError with all that is wrong with them */
async function lookAtHefs({ hef = {} }: Manifest['model'], folders: ModelFolders, npu: NpuStatus) {
  const hefs: Partial<Record<HailoArch, HefOutlook>> = {}
  const wrong: ModelError[] = []
  for (const [chip, entry] of Object.entries(hef) as [HailoArch, ModelEntry][])
    try {
      hefs[chip] = await lookAtHef(chip, entry, folders, npu)
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      wrong.push(error)
    }
  const [first, ...more] = wrong
  if (first) throw new ModelError(first.path, first.message, { more })
  return hefs
}

/**
 * That a HEF, where it is there, is one for its chip: with another it would come out on the board only.
 * @throws ModelError
 */
async function lookAtHef(
  chip: HailoArch,
  entry: ModelEntry,
  folders: ModelFolders,
  npu: NpuStatus,
): Promise<HefOutlook> {
  const path = pathOf(chip)
  const located = locate(chip, entry, folders)
  const { file, shown } = located
  if (!existsSync(file)) return { shown, isThere: false }
  // Loaded where a project has a HEF: most have none.
  const { whyNot } = await import('./hef-check.ts')
  const found = await whyNot(chip, file, npu.isUsable && keysFor(npu.chip).includes(chip) ? npu : undefined)
  const refusal = found?.reason.replaceAll(file, shown)
  if (refusal !== undefined && (folders.isForAnywhere || !found?.isOfMachine)) throw new ModelError(path, refusal)
  if (entry.sha256) await checkDigest(path, entry, located)
  return { shown, isThere: true, refusal }
}

interface Located {
  file: string
  /** What messages call it. */
  shown: string
  /** Where it is known already. */
  sha256?: string
}

function locate(key: ModelKey, entry: ModelEntry, { root, modelsFolder, blobs = {} }: ModelFolders): Located {
  const file = resolve(modelsFolder, entry.file)
  return { file, ...blobs[key], shown: displayPath(root, file) }
}

/** @returns the digest */
async function checkDigest(path: string[], entry: ModelEntry, located: Located): Promise<string> {
  const { file, shown } = located
  const sha256 = located.sha256 ?? (await knownSha256(file))
  if (entry.sha256 && entry.sha256 !== sha256)
    throw new ModelError(
      [...path, 'sha256'],
      `expected ${shown} to have sha256 ${entry.sha256}, found ${sha256}; it is another file, or damaged`,
    )
  return sha256
}

/** What could be fetched: the entry that is wanted, then the others that would do. */
function missingFiles(model: Manifest['model'], wanted: ModelKey, folders: ModelFolders): MissingFile[] {
  const others = modelKeys(model).filter((key) => key !== wanted)
  const doing = others.filter((key) => model.engine === 'auto' || engineOf(key) === engineOf(wanted))
  const isThere = (key: ModelKey) => existsSync(locate(key, entryOf(model, key)!, folders).file)
  return [wanted, ...doing.filter((key) => !isThere(key))].map((key) => toMissing(key, entryOf(model, key)!, folders))
}

function toMissing(
  key: ModelKey,
  { file, url, member, license, sha256 }: ModelEntry,
  { root, modelsFolder }: ModelFolders,
): MissingFile {
  return {
    ...(key !== 'onnx' && { chip: key }),
    file: displayPath(root, resolve(modelsFolder, file)),
    ...(url !== undefined && { url }),
    ...(member !== undefined && { member }),
    ...(license !== undefined && { license }),
    ...(sha256 !== undefined && { sha256 }),
  }
}

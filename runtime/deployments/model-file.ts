import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { knownSha256 } from '../digest.ts'
import type { EngineName } from '../engines/engine.ts'
import { displayPath } from '../display-path.ts'
import type { HailoArch, Manifest, ModelEntry } from '../manifest/manifest.ts'
import { howToGet, type MissingFile } from './missing-model.ts'

export interface ResolvedModel {
  engine: EngineName
  file: string
  sizeBytes: number
  modifiedMs: number
  sha256: string
  notes: string[]
}

/** Where models are, and the project that messages show their paths in. */
export interface ModelFolders {
  root: string
  modelsFolder: string
  /** Files that were uploaded with a deploy, and are their digest: they are used instead of those in the models folder. */
  blobs?: Partial<Record<'onnx' | HailoArch, { file: string; sha256: string }>>
}

/** A model that cannot be used, with the manifest's path that is to blame. */
export class ModelError extends Error {
  readonly path: (string | number)[]
  /** Files of which one would do, where none is there. */
  readonly missing: MissingFile[] | undefined

  constructor(path: (string | number)[], message: string, missing?: MissingFile[]) {
    super(message)
    this.path = path
    this.missing = missing
  }
}

/** Chooses the engine and finds the model file. @throws ModelError */
export async function resolveModel({ name, model }: Manifest, folders: ModelFolders): Promise<ResolvedModel> {
  const { engine, hef, onnx } = model
  const noHailort = 'this version of Pellet has no HailoRT engine yet'
  if (engine === 'hailort')
    throw new ModelError(
      ['model', 'engine'],
      `expected an engine that is here, found hailort: ${noHailort}; use auto with an onnx entry`,
    )
  if (!onnx)
    throw new ModelError(['model'], `expected an onnx entry, found only hef: ${noHailort}, so a HEF alone cannot run`)
  for (const [chip, entry] of Object.entries(hef ?? {})) await checkHef(chip as HailoArch, entry, folders)
  const notes = hef && engine === 'auto' ? [`falls back to ONNX Runtime on the CPU: ${noHailort}`] : []
  return { engine: 'onnxruntime', ...(await digestFile(name, onnx, missingFiles(model, folders), folders)), notes }
}

/** Absolute paths of every model file that a manifest names, there or not. */
export function modelFiles({ model }: Manifest, { modelsFolder }: ModelFolders): string[] {
  const entries = [model.onnx, ...Object.values(model.hef ?? {})]
  return entries.flatMap((entry) => (entry ? [resolve(modelsFolder, entry.file)] : []))
}

// --- internal ---

async function digestFile(name: string, entry: ModelEntry, missing: MissingFile[], folders: ModelFolders) {
  const path = ['model', 'onnx']
  const located = locate('onnx', entry, folders)
  const { file, shown } = located
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => error.code ?? 'an error')
  if (found === 'ENOENT')
    throw new ModelError(path, `expected a model file at ${shown}, found none; ${howToGet(name, missing[0]!)}`, missing)
  if (typeof found === 'string' || !found.isFile()) {
    const reason = typeof found === 'string' ? found : 'something that is no file'
    throw new ModelError(path, `expected a model file at ${shown}, found ${reason}`)
  }
  return { file, sizeBytes: found.size, modifiedMs: found.mtimeMs, sha256: await checkDigest(path, entry, located) }
}

/** That a HEF, where it is there, is one for its chip: with another it would come out on the board only. */
async function checkHef(chip: HailoArch, entry: ModelEntry, folders: ModelFolders): Promise<void> {
  const path = ['model', 'hef', chip]
  const located = locate(chip, entry, folders)
  const { file, shown } = located
  if (!existsSync(file)) return
  // Loaded where a project has a HEF: most have none.
  const { whyNot } = await import('./hef-check.ts')
  const reason = await whyNot(chip, file)
  if (reason !== undefined) throw new ModelError(path, reason.replaceAll(file, shown))
  if (entry.sha256) await checkDigest(path, entry, located)
}

interface Located {
  file: string
  /** What messages call it. */
  shown: string
  /** Where it is known already. */
  sha256?: string
}

function locate(key: 'onnx' | HailoArch, entry: ModelEntry, { root, modelsFolder, blobs = {} }: ModelFolders): Located {
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

/** What could be fetched: the entry that this machine runs first, the others for who has the chip. */
function missingFiles({ onnx, hef = {} }: Manifest['model'], { root, modelsFolder }: ModelFolders): MissingFile[] {
  const entries = Object.entries(hef) as [HailoArch | undefined, ModelEntry][]
  if (onnx) entries.unshift([undefined, onnx])
  return entries.map(([chip, { file, url, member, license, sha256 }]) => ({
    ...(chip !== undefined && { chip }),
    file: displayPath(root, resolve(modelsFolder, file)),
    ...(url !== undefined && { url }),
    ...(member !== undefined && { member }),
    ...(license !== undefined && { license }),
    ...(sha256 !== undefined && { sha256 }),
  }))
}

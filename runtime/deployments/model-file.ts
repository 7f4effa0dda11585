import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { sha256File } from '../digest.ts'
import type { EngineName } from '../engines/engine.ts'
import type { Manifest, ModelEntry } from '../manifest/manifest.ts'

export interface ResolvedModel {
  engine: EngineName
  file: string
  sizeBytes: number
  modifiedMs: number
  sha256: string
  notes: string[]
}

/** A model that cannot be used, with the manifest's path that is to blame. */
export class ModelError extends Error {
  readonly path: (string | number)[]

  constructor(path: (string | number)[], message: string) {
    super(message)
    this.path = path
  }
}

/** Chooses the engine and finds the model file. @throws ModelError */
export async function resolveModel({ model }: Manifest, modelsFolder: string): Promise<ResolvedModel> {
  const { engine, hef, onnx } = model
  const noHailort = 'this version of Pellet has no HailoRT engine yet'
  if (engine === 'hailort')
    throw new ModelError(
      ['model', 'engine'],
      `expected an engine that is here, found hailort: ${noHailort}; use auto with an onnx entry`,
    )
  if (!onnx)
    throw new ModelError(['model'], `expected an onnx entry, found only hef: ${noHailort}, so a HEF alone cannot run`)
  const notes = hef && engine === 'auto' ? [`falls back to ONNX Runtime on the CPU: ${noHailort}`] : []
  return { engine: 'onnxruntime', ...(await digestFile(resolve(modelsFolder, onnx.file), onnx)), notes }
}

// --- internal ---

async function digestFile(file: string, entry: ModelEntry) {
  const path = ['model', 'onnx']
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => error.code ?? 'an error')
  if (typeof found === 'string' || !found.isFile()) {
    const reason =
      typeof found === 'string' ? (found === 'ENOENT' ? 'no such file' : found) : 'something that is no file'
    const from = entry.url ? `; download it there from ${entry.url}` : ''
    throw new ModelError(path, `expected a model file at ${file}, found ${reason}${from}`)
  }
  const sha256 = await sha256File(file)
  if (entry.sha256 && entry.sha256 !== sha256)
    throw new ModelError(
      [...path, 'sha256'],
      `expected ${file} to have sha256 ${entry.sha256}, found ${sha256}; it is another file, or damaged`,
    )
  return { file, sizeBytes: found.size, modifiedMs: found.mtimeMs, sha256 }
}

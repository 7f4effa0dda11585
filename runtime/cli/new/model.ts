import { basename, resolve } from 'node:path'
import type { HailoChip } from '../../../ffi/hef/arch.ts'
import { arrayTypes, toText } from '../../engines/check-inputs.ts'
import type { TensorInfo } from '../../engines/engine.ts'
import { readOnnxFile } from '../../engines/onnx-file.ts'
import type { OnnxValue } from '../../engines/onnx-value.ts'
import type { TensorType } from '../../tensor.ts'
import { CliError } from '../cli-error.ts'

/** What a function is written for: a model's inputs and outputs. */
export interface ModelShape {
  /** Absolute; of weights beside it relative to its folder. */
  path: string
  external: readonly string[]
  /** As the manifest names it: relative to the models folder. */
  file: string
  inputs: readonly TensorInfo[]
  outputs: readonly OutputInfo[]
  metadata: Readonly<Record<string, string>>
  /** The chip that a HEF is for; undefined: an ONNX model. */
  chip?: HailoChip
}

export interface OutputInfo extends TensorInfo {
  /** What gives it, e.g. `Softmax`. */
  operator?: string
}

/** @throws CliError when it is no model that Pellet can run, with the reason */
export async function readModelShape(path: string): Promise<ModelShape> {
  if (/\.hef$/i.test(path)) return readHefShape(path)
  const { inputs, outputs, externalData, metadata } = await readOnnxFile(path)
  const missing = externalData.find(({ sizeBytes }) => sizeBytes === null)
  if (missing)
    throw new CliError(`${path}: expected its weights beside it in ${missing.file}, found none; fetch them as well`)
  return {
    path: resolve(path),
    external: externalData.map(({ file }) => file),
    file: basename(path),
    inputs: inputs.map((value) => toInfo(path, 'input', value)),
    outputs: outputs.map((value) => toInfo(path, 'output', value)),
    metadata,
  }
}

/** `images float32 [1, 3, 640, 640]`; several with commas between. */
export function valuesText(values: readonly TensorInfo[]): string {
  return values.map(({ name, type, shape }) => `${name} ${toText(type, shape)}`).join(', ')
}

// --- internal ---

/** As HailoRT gives them, quantised where the chip computes in whole numbers. */
async function readHefShape(path: string): Promise<ModelShape> {
  const { readHefModel } = await import('../../engines/hef-file.ts')
  const { tensorsOfHef } = await import('../../engines/hef-tensors.ts')
  const { refusalOn } = await import('../../../ffi/hef/arch.ts')
  const hef = await readHefModel(path)
  const [chip] = hef.arch.runsOn
  const refusal = refusalOn(chip ?? 'hailo8', hef)
  if (refusal !== undefined || !chip) throw new CliError(`${path}: expected a HEF that runs on a chip, but ${refusal}`)
  return { path: resolve(path), external: [], file: basename(path), ...tensorsOfHef(hef, path), metadata: {}, chip }
}

function toInfo(path: string, role: string, { name, type, shape, operator }: OnnxValue): OutputInfo {
  if (!Object.hasOwn(arrayTypes, type))
    throw new CliError(`${path}: ${role} "${name}": expected a tensor of numbers, found ${type}; no engine takes that`)
  if (shape === null)
    throw new CliError(
      `${path}: ${role} "${name}": expected its dimensions in the file, found none; export the model with them`,
    )
  return { name, type: type as TensorType, shape, ...(operator !== undefined && { operator }) }
}

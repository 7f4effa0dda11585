import type { HailoArch, Manifest, ModelKey } from '../manifest/manifest.ts'
import type { NpuStatus } from '../device/npu.ts'

/** An entry of `hef` and its file, as far as the choice hangs on it. */
export interface HefOutlook {
  /** What messages call the file. */
  shown: string
  isThere: boolean
  /** Why the HailoRT of this machine would not take it, with its name. */
  refusal?: string | undefined
}

export interface Circumstances {
  npu: NpuStatus
  /** Of every entry of `hef`. */
  hefs: Partial<Record<HailoArch, HefOutlook>>
  /** It need not run on this machine: it is only looked at. */
  isForAnywhere?: boolean | undefined
  /** The file of the ONNX model is there. */
  isCpuThere: boolean
}

export type Choice =
  /** `fallback`: why it is the CPU, although there is a HEF. `missing`: a HEF that would be used if it were there. */
  | { key: ModelKey; fallback?: string; note?: string; missing?: HailoArch }
  | { refusal: string; path: (string | number)[] }

/** Which model of a manifest runs here, and why not another. Pure. */
export function chooseModel(model: Manifest['model'], circumstances: Circumstances): Choice {
  const { engine, hef, onnx } = model
  if (engine === 'onnxruntime' || !hef) return { key: 'onnx' }
  const found = hefFor(model, circumstances)
  if ('key' in found) return found
  const { why, missing } = found
  const { npu, hefs, isForAnywhere, isCpuThere } = circumstances
  // Without the ONNX model, the HEFs of another machine can still be looked at.
  const isLookedAt = isForAnywhere && !isCpuThere && found.isOfMachine && Object.values(hefs).some((at) => at.isThere)
  if (engine === 'auto' && onnx && !isLookedAt) return { key: 'onnx', fallback: why, ...(missing && { missing }) }
  if (missing) return { key: missing }
  if (isForAnywhere && found.isOfMachine) {
    const chips = Object.keys(hef) as HailoArch[]
    return { key: chips.find((chip) => hefs[chip]?.isThere) ?? chips[0]!, note: `does not run on this machine: ${why}` }
  }
  const wish = engine === 'hailort' ? 'engine: hailort' : 'a HEF alone'
  const hint = onnx
    ? 'write engine: auto to run it on the CPU meanwhile'
    : 'give an onnx entry as well to run it on the CPU'
  if (npu.isUsable) return { path: ['model', 'hef'], refusal: `${why}; ${hint}` }
  return {
    path: engine === 'hailort' ? ['model', 'engine'] : ['model'],
    refusal: `expected an NPU for ${wish}, but ${why}; ${hint}`,
  }
}

/** The entries of `hef` that a chip takes, the best first. */
export function keysFor(chip: HailoArch): HailoArch[] {
  return chip === 'hailo8' ? ['hailo8', 'hailo8l'] : [chip]
}

// --- internal ---

interface WhyNot {
  why: string
  /** Another machine may be able to. */
  isOfMachine: boolean
  missing?: HailoArch
}

function hefFor({ hef = {} }: Manifest['model'], { npu, hefs }: Circumstances): { key: HailoArch } | WhyNot {
  if (!npu.isUsable) return { why: npu.reason, isOfMachine: true }
  const { chip } = npu
  const keys = keysFor(chip).filter((key) => hef[key])
  const [first] = keys
  if (!first) {
    const found = Object.keys(hef).join(', ')
    return { why: `expected an entry for ${chip}, the chip of this machine, found ${found}`, isOfMachine: true }
  }
  const there = keys.filter((key) => hefs[key]?.isThere)
  const usable = there.find((key) => hefs[key]!.refusal === undefined)
  if (usable) return { key: usable }
  const [refused] = there
  if (!refused) return { why: `${hefs[first]!.shown} is not there`, isOfMachine: false, missing: first }
  return { why: hefs[refused]!.refusal!, isOfMachine: true }
}

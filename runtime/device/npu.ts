import type { HailoChip } from '../../ffi/hef/arch.ts'

/** What there is of an NPU on this machine; plain data, found once at the start and when the configuration is read anew. */
export type NpuStatus = UsableNpu | UnusableNpu

export interface UsableNpu {
  isUsable: true
  kind: 'hailort' | 'simulated'
  chip: HailoChip
  /** Version of HailoRT, as `4.23.0`. */
  library: string
  /** The shim, or the simulated device: what the device host loads. */
  file: string
  /** Where the device told it. */
  firmware?: string
}

export interface UnusableNpu {
  isUsable: false
  /** There is none, or none is wanted: nothing is wrong. */
  isAbsent: boolean
  /** A clause for people, as in `falls back to ONNX Runtime on the CPU: no NPU was found`; says what to do where something is wrong. */
  reason: string
}

/** Where nobody has looked. */
export const noNpu: NpuStatus = { isUsable: false, isAbsent: true, reason: 'no NPU was found' }

/** As `X-Pellet-Engine` has it. */
export type ShownEngine = 'onnxruntime' | 'hailort' | 'simulated'

export function absent(reason: string): UnusableNpu {
  return { isUsable: false, isAbsent: true, reason }
}

export function unusable(reason: string): UnusableNpu {
  return { isUsable: false, isAbsent: false, reason }
}

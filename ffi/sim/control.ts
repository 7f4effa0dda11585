import { readFileSync } from 'node:fs'
import { hailoChips, type HailoChip } from '../hef/arch.ts'

/**
 * The control file of the simulated device, which `PELLET_SIM` names: lines of `key=value`. The device itself reads it
 * (control.c); this is for what has to be known without it. Empty where there is none.
 */
export function readControl(file = process.env['PELLET_SIM']): Record<string, string> {
  if (!file) return {}
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return {}
  }
  const pairs = text.split('\n').map((line) => /^\s*([^#=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line))
  return Object.fromEntries(pairs.flatMap((pair) => (pair ? [[pair[1]!, pair[2]!]] : [])))
}

/** The simulated chip: the control file's where that names one, else `usual`. */
export function simulatedChip(usual: HailoChip): HailoChip {
  const { chip } = readControl()
  return hailoChips.find((known) => known === chip) ?? usual
}

/** The HailoRT that has such a chip: what the device says of itself (device.c), too. */
export function simulatedVersion(chip: HailoChip): string {
  return chip === 'hailo10h' ? '5.2.0' : '4.23.0'
}

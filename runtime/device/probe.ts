import type { HailoChip } from '../../ffi/hef/arch.ts'
import { buildSimulated } from '../../ffi/sim/build.ts'
import { readControl, simulatedChip, simulatedVersion } from '../../ffi/sim/control.ts'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import { absent, unusable, type NpuStatus } from './npu.ts'
import { probeDevice } from './probe-device.ts'

export type ProbeConfig = Pick<Config, 'hailort' | 'deviceId' | 'dataFolder'>

export interface ProbeOptions {
  /** Gets what takes time, as a sentence. */
  say?: (message: string) => void
  env?: NodeJS.ProcessEnv
  /** Where device files are. @default '/dev' */
  deviceFolder?: string
  /** How long HailoRT may take to answer. @default 10 s */
  timeoutMs?: number
}

/**
 * What there is of an NPU. Where nothing is to be seen of one it says so at once, without a process; else a child asks HailoRT, and
 * what is needed to run models is compiled on its first use. That child lets the device go at once, and does without where another program has it. Never throws.
 */
export async function probeNpu(config: ProbeConfig, options: ProbeOptions = {}): Promise<NpuStatus> {
  const { hailort } = config
  try {
    if (hailort === 'off') return absent('the setting hailort is off')
    if (hailort === 'auto') return await probeDevice(config, options)
    return await probeSimulated(config, options, (hailort.split(':')[1] ?? 'hailo8') as HailoChip)
  } catch (error) {
    return unusable(messageOf(error))
  }
}

// --- internal ---

async function probeSimulated(
  { dataFolder }: ProbeConfig,
  { say, env }: ProbeOptions,
  usual: HailoChip,
): Promise<NpuStatus> {
  const onCompile = () => say?.('the simulated NPU is being compiled: about a second, once')
  const { file } = await buildSimulated({ dataFolder, ...(env && { env }), onCompile })
  if (readControl()['device'] === 'absent') return absent('no NPU was found (device=absent of the simulated one)')
  const chip = simulatedChip(usual)
  const library = simulatedVersion(chip)
  return { isUsable: true, kind: 'simulated', chip, library, file, firmware: library }
}

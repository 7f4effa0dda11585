import { refusalOn } from '../../ffi/hef/arch.ts'
import type { Hef } from '../../ffi/hef/hef.ts'
import type { UsableNpu } from '../device/npu.ts'
import { oncePerFile } from '../digest.ts'
import { readHefModel } from '../engines/hef-file.ts'
import { messageOf } from '../errors.ts'
import type { HailoArch } from '../manifest/manifest.ts'

/** Why a HEF is not taken. */
export interface HefRefusal {
  reason: string
  /** It is one for its chip, and it is the HailoRT of this machine that would not take it. */
  isOfMachine: boolean
}

/**
 * Why a file is no HEF for this chip; undefined where it is.
 * @param npu the one that it would run on; absent: any of the chip, with the newest HailoRT that is known
 */
export async function whyNot(
  chip: HailoArch,
  file: string,
  npu: Pick<UsableNpu, 'chip' | 'library'> | undefined,
): Promise<HefRefusal | undefined> {
  const hef = await knownHef(file)
  if (typeof hef === 'string') return { reason: hef, isOfMachine: false }
  const isOfChip = hef.arch.runsOn.includes(chip)
  const refusal = npu && isOfChip ? refusalOn(npu.chip, hef, npu.library) : refusalOn(chip, hef)
  if (refusal === undefined) return undefined
  return {
    reason: `expected a HEF that ${npu && isOfChip ? npu.chip : chip} takes, found ${file}: ${refusal}`,
    isOfMachine: npu !== undefined && isOfChip,
  }
}

// --- internal ---

/** What its compatibility hangs on, or what is wrong with it. */
const knownHef = oncePerFile(async (file): Promise<Pick<Hef, 'arch' | 'compiler' | 'extensions'> | string> => {
  try {
    const { arch, compiler, extensions } = await readHefModel(file)
    return { arch, compiler, extensions }
  } catch (error) {
    return messageOf(error)
  }
})

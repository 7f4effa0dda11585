import { refusalOn } from '../../ffi/hef/arch.ts'
import type { Hef } from '../../ffi/hef/hef.ts'
import type { UsableNpu } from '../device/npu.ts'
import { oncePerFile } from '../digest.ts'
import { readHefModel } from '../engines/hef-file.ts'
import { messageOf } from '../errors.ts'
import type { HailoArch } from '../manifest/manifest.ts'

/** Why a file is no HEF for this chip; undefined where it is. */
export async function whyNot(chip: HailoArch, file: string): Promise<string | undefined> {
  const found = await knownHef(file)
  if (typeof found === 'string') return found
  const refusal = refusalOn(chip, found)
  return refusal && `expected a HEF that ${chip} takes, found ${file}: ${refusal}`
}

/** Why the HailoRT of this machine would not take a HEF that is one for the chip; undefined where it does. */
export async function whyNotHere({ chip }: UsableNpu, file: string): Promise<string | undefined> {
  const found = await knownHef(file)
  return typeof found === 'string' ? found : refusalOn(chip, found)
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

import { createRequire } from 'node:module'
import type { HailoChip } from '../hef/arch.ts'
import { HailoError } from '../hailort/statuses.ts'
import type { Npu, NpuDevice } from '../shim/npu.ts'
import { loadNpu } from '../shim/shim.ts'
import { simulatedChip } from './control.ts'
import { describeHef } from './describe.ts'

/**
 * The simulated device, from the library that `buildSimulated` made.
 * @param chip Where the control file names none
 * @throws Error where the library cannot be loaded
 */
export function loadSimulated(file: string, chip: HailoChip = 'hailo8'): Npu {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(file)
  library.func('void ps_chip(const char *name)')(chip)
  const describe = library.func('uint32_t ps_describe(const void *hef, size_t bytes, const char *text)')
  const tell: Tell = async (hef) => {
    const status = describe(hef, hef.length, await describeHef(hef, simulatedChip(chip))) as number
    if (status !== 0) throw new HailoError(status, 'load')
  }
  const npu = loadNpu(file)
  return {
    kind: npu.kind,
    version: npu.version,
    open: async (terms) => withDescriptions(await npu.open(terms), tell),
    [Symbol.dispose]: () => npu[Symbol.dispose](),
  }
}

// --- internal ---

type Tell = (hef: Uint8Array) => Promise<void>

/** Each HEF is read here, since the device cannot. */
function withDescriptions(device: NpuDevice, tell: Tell): NpuDevice {
  return {
    identify: () => device.identify(),
    load: async (hef, terms) => {
      await tell(hef)
      return await device.load(hef, terms)
    },
    onDone: (listener) => device.onDone(listener),
    close: () => device.close(),
    abandon: () => device.abandon(),
  }
}

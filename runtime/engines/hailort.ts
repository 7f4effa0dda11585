import { PelletError } from '../errors.ts'
import type { Engine } from './engine.ts'

/** HailoRT on an NPU, or on the simulated device. */
export const hailort: Engine = {
  name: 'hailort',
  async describe(file) {
    const { readHefModel } = await import('./hef-file.ts')
    const { tensorsOfHef } = await import('./hef-tensors.ts')
    return { ...tensorsOfHef(await readHefModel(file), file), isQuick: false }
  },
  async open() {
    throw new PelletError('device_unavailable', 'no NPU can be used yet')
  },
}

import { Hailort } from '../../../ffi/hailort/hailort.ts'
import { findHailort } from '../../../ffi/shim/hailort-files.ts'
import type { HostState } from '../protocol.ts'
import type { Device } from './device.ts'

/** A question to the chip's firmware each time: often enough for a curve. */
const intervalMs = 30_000

/** How warm the open device is, as far as it tells: by HailoRT's C API, beside the models. */
export class Thermometer {
  readonly #device: Device
  #lookedAt = -Infinity
  #reading: Pick<HostState, 'deviceId' | 'temperature'> = {}

  constructor(device: Device) {
    this.#device = device
  }

  /** What it told last. Asks anew, for the next time, where that is long ago. */
  get reading(): Pick<HostState, 'deviceId' | 'temperature'> {
    const now = performance.now()
    if (this.#device.state.device !== 'open') this.#reading = {}
    else if (now - this.#lookedAt >= intervalMs) {
      this.#lookedAt = now
      // Some devices have no sensor, and one that is lost is found out by its frames.
      void this.#look().catch(() => (this.#reading = {}))
    }
    return this.#reading
  }

  // --- internal ---

  async #look(): Promise<void> {
    const { library } = await findHailort()
    if (library === undefined) return
    await this.#device.ask(async (handle) => {
      const { id } = await handle.identify()
      await using asked = await Hailort.load(library).open(id)
      this.#reading = { deviceId: id, temperature: await asked.temperature() }
    })
  }
}

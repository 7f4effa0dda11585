import type { HailoChip } from '../hef/arch.ts'
import type { Slow } from '../slow.ts'
import type { Layouts, StructName } from './layouts.ts'
import { HailoError, type HailoOperation } from './statuses.ts'
import { Struct } from './struct.ts'

export interface DeviceIdentity {
  /** `hailo8`, `hailo8l` or `hailo10h`; for others the name in hailort.h, in lower case. */
  chip: string
  /** Version of the firmware, as `4.23.0`. */
  firmware: string
  /** Of firmware that is for developers of Hailo. */
  isDebugFirmware: boolean
  board: string
  product: string
  partNumber: string
  serial: string
}

export interface DeviceDetails {
  /** Of the part that runs networks; lower where the chip is throttled. */
  clockHz: number
  bootSource: 'pcie' | 'flash' | 'unknown'
  /** The board has what `power` needs. */
  measuresPower: boolean
}

/** A device that is asked questions. Each may take seconds, and blocks no thread of JavaScript. One at a time. */
export class HailortDevice implements AsyncDisposable {
  readonly id: string
  readonly #handle: bigint
  readonly #calls: DeviceCalls
  readonly #layouts: Layouts
  #isClosed = false

  constructor(id: string, handle: bigint, calls: DeviceCalls, layouts: Layouts) {
    this.id = id
    this.#handle = handle
    this.#calls = calls
    this.#layouts = layouts
  }

  /** @throws HailoError */
  async identify(): Promise<DeviceIdentity> {
    const found = await this.#ask('hailo_identify', 'hailo_device_identity_t', 'identify')
    const firmware = new Struct(this.#layouts.hailo_version_t, found.part('fw_version'))
    return {
      chip: chipOfArchitecture(found.number('device_architecture')),
      firmware: ['major', 'minor', 'revision'].map((field) => firmware.number(field)).join('.'),
      isDebugFirmware: found.number('is_release') === 0,
      board: found.text('board_name'),
      product: found.text('product_name'),
      partNumber: found.text('part_number'),
      serial: found.text('serial_number'),
    }
  }

  /** @throws HailoError */
  async details(): Promise<DeviceDetails> {
    const found = await this.#ask('hailo_get_extended_device_information', 'hailo_extended_device_information_t')
    const layout = this.#layouts.hailo_device_supported_features_t
    const features = new Struct(layout, found.part('supported_features'))
    return {
      clockHz: found.number('neural_network_core_clock_rate'),
      bootSource: (['unknown', 'pcie', 'flash'] as const)[found.number('boot_source')] ?? 'unknown',
      measuresPower: ['current_monitoring', 'power_measurement'].some(
        (field) => field in layout.fields && features.number(field) !== 0,
      ),
    }
  }

  /** Degrees Celsius, of the hotter of the chip's two sensors. @throws HailoError */
  async temperature(): Promise<number> {
    const found = await this.#ask('hailo_get_chip_temperature', 'hailo_chip_temperature_info_t')
    return Math.max(found.float('ts0_temperature'), found.float('ts1_temperature'))
  }

  /** Watts, measured once; about 1 ms. @throws HailoError where the board does not measure it */
  async power(): Promise<number> {
    const watts = Buffer.alloc(4)
    await this.#call('hailo_power_measurement', 'query', automatic, automatic, watts)
    return watts.readFloatLE()
  }

  /** Whether the chip slows down by itself before it becomes too hot or draws too much; not whether it does so now. @throws HailoError */
  async isThrottlingEnabled(): Promise<boolean> {
    const answer = Buffer.alloc(1)
    await this.#call('hailo_get_throttling_state', 'query', answer)
    return answer[0] !== 0
  }

  /** @throws HailoError */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    const closing = this.#call('hailo_release_device', 'close')
    this.#isClosed = true
    await closing
  }

  async #ask(name: keyof DeviceCalls, layout: StructName, operation: HailoOperation = 'query'): Promise<Struct> {
    const answer = new Struct(this.#layouts[layout])
    await this.#call(name, operation, answer.bytes)
    return answer
  }

  async #call(name: keyof DeviceCalls, operation: HailoOperation, ...args: unknown[]): Promise<void> {
    // A handle that was released would be followed all the same.
    if (this.#isClosed) throw new TypeError(`${name}: expected an open device, found a closed one`)
    const status = await this.#calls[name](this.#handle, ...args)
    if (status !== 0) throw new HailoError(status, operation)
  }
}

/** What it needs of the C API. */
export interface DeviceCalls {
  hailo_release_device: Slow
  hailo_identify: Slow
  hailo_get_extended_device_information: Slow
  hailo_get_chip_temperature: Slow
  hailo_power_measurement: Slow
  hailo_get_throttling_state: Slow
}

/** `hailo8` of hailo_device_architecture_t. */
export function chipOfArchitecture(architecture: number): HailoChip | (string & {}) {
  return architectures[architecture] ?? `architecture ${architecture}`
}

// --- internal ---

/** HAILO_DVM_OPTIONS_AUTO and HAILO_POWER_MEASUREMENT_TYPES__AUTO. */
const automatic = 0x7fff_ffff

const architectures = ['hailo8-a0', 'hailo8', 'hailo8l', 'hailo15h', 'hailo15l', 'hailo15m', 'hailo10h', 'hailo12l']

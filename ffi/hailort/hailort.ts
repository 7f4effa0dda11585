import { createRequire } from 'node:module'
import { toSlow, type Slow } from '../slow.ts'
import { HailortDevice, type DeviceCalls } from './device.ts'
import { knownVersions, layoutsOf, versionLayout, type Layouts } from './layouts.ts'
import { HailoError } from './statuses.ts'
import { Struct } from './struct.ts'

/** libhailort cannot be used. The message says why, and what to do. */
export class HailortUnusableError extends Error {
  override readonly name = 'HailortUnusableError'
}

/**
 * HailoRT's library, for questions about devices: its C API. Models run through the shim (ffi/shim). A process loads one
 * version of it at most, and never gives it back: it has threads of its own. What is not answered in time is asked once more.
 *
 * It writes log files into the current folder unless HAILORT_LOGGER_PATH=NONE is in the environment before it is loaded.
 */
export class Hailort {
  /** Path or name that it was loaded by. */
  readonly file: string
  /** As `4.23.0`. */
  readonly version: string
  readonly #calls: Calls
  readonly #layouts: Layouts | undefined

  /** @param file As `findHailort` of ffi/shim/hailort-files.ts finds it @throws HailortUnusableError where it cannot be loaded */
  static load(file: string): Hailort {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    let calls: Calls
    try {
      calls = declare(koffi.load(file))
    } catch (error) {
      throw new HailortUnusableError(
        `expected HailoRT's library, found ${file}, which cannot be loaded: ${(error as Error).message}; install it anew`,
        { cause: error },
      )
    }
    return new Hailort(file, calls)
  }

  private constructor(file: string, calls: Calls) {
    this.file = file
    this.#calls = calls
    const version = new Struct(versionLayout)
    expectSuccess(calls.hailo_get_library_version(version.bytes))
    this.version = ['major', 'minor', 'revision'].map((field) => version.number(field)).join('.')
    this.#layouts = layoutsOf(this.version)
  }

  /** Why devices cannot be asked through this version; undefined: they can. */
  get refusal(): string | undefined {
    if (this.#layouts) return undefined
    return `expected HailoRT ${knownVersions}, found ${this.version}, whose structs Pellet does not know`
  }

  /** The library's own name of a status, as `HAILO_TIMEOUT`; undefined for a number that it does not know. */
  nameOf(status: number): string | undefined {
    return this.#calls.hailo_get_status_message(status) ?? undefined
  }

  /** Ids of the devices that are there, whoever uses them. @throws HailoError @throws HailortUnusableError for another version */
  async scan(): Promise<string[]> {
    const layout = this.#known().hailo_device_id_t
    const found = Buffer.alloc(mostDevices * layout.size)
    const count = Buffer.alloc(8)
    count.writeBigUInt64LE(BigInt(mostDevices))
    expectSuccess(await this.#calls.hailo_scan_devices(null, found, count))
    return Array.from({ length: Math.min(Number(count.readBigUInt64LE()), mostDevices) }, (_, i) =>
      new Struct(layout, found.subarray(i * layout.size, (i + 1) * layout.size)).text('id'),
    )
  }

  /**
   * A device for questions, which does not keep others from using it.
   * @param id as `scan` gives it
   * @throws HailoError @throws HailortUnusableError for another version @throws RangeError for an id that is none
   */
  async open(id: string): Promise<HailortDevice> {
    // HailoRT 5 takes what looks like an address for one, and connects to it.
    if (!/^(([\da-f]{4,8}:)?[\da-f]{2}:[\da-f]{2}\.\d|Integrated)$/i.test(id))
      throw new RangeError(`expected the id of a device such as 0000:01:00.0, found ${JSON.stringify(id)}`)
    const layouts = this.#known()
    const name = new Struct(layouts.hailo_device_id_t)
    name.setText('id', id)
    const handle = Buffer.alloc(8)
    expectSuccess(await this.#calls.hailo_create_device_by_id(name.bytes, handle))
    return new HailortDevice(id, handle.readBigUInt64LE(), this.#calls, layouts)
  }

  #known(): Layouts {
    if (!this.#layouts) throw new HailortUnusableError(this.refusal)
    return this.#layouts
  }
}

// --- internal ---

const mostDevices = 32
/** HAILO_TIMEOUT. */
const timeout = 4

interface Calls extends DeviceCalls {
  hailo_get_library_version(version: Buffer): number
  hailo_get_status_message(status: number): string | null
  hailo_scan_devices: Slow
  hailo_create_device_by_id: Slow
}

function declare(library: ReturnType<(typeof import('koffi'))['load']>): Calls {
  const slow = (prototype: string) => toSlow(library.func(prototype))
  const patient = (prototype: string) => askedTwice(slow(prototype))
  return {
    hailo_get_library_version: library.func('uint32_t hailo_get_library_version(void *version)') as never,
    hailo_get_status_message: library.func('const char *hailo_get_status_message(uint32_t status)') as never,
    hailo_scan_devices: slow('uint32_t hailo_scan_devices(void *params, void *ids, void *count)'),
    hailo_create_device_by_id: patient('uint32_t hailo_create_device_by_id(void *id, void *device)'),
    hailo_release_device: slow('uint32_t hailo_release_device(void *device)'),
    hailo_identify: patient('uint32_t hailo_identify(void *device, void *identity)'),
    hailo_get_extended_device_information: patient(
      'uint32_t hailo_get_extended_device_information(void *device, void *information)',
    ),
    hailo_get_chip_temperature: patient('uint32_t hailo_get_chip_temperature(void *device, void *temperature)'),
    hailo_power_measurement: patient(
      'uint32_t hailo_power_measurement(void *device, uint32_t what, uint32_t type, void *measurement)',
    ),
    hailo_get_throttling_state: patient('uint32_t hailo_get_throttling_state(void *device, void *is_active)'),
  }
}

/** HailoRT 5 may miss an answer, about one in a thousand, and then tells that none came in time. */
function askedTwice(ask: Slow): Slow {
  return async (...args) => {
    const status = await ask(...args)
    return status === timeout ? ask(...args) : status
  }
}

function expectSuccess(status: number): void {
  if (status !== 0) throw new HailoError(status, 'query')
}

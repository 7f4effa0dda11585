import { Socket } from 'node:net'
import { chipOfArchitecture } from '../hailort/device.ts'
import { HailoError, type HailoOperation } from '../hailort/statuses.ts'
import { errorBytes, loadLibrary, textOf, type Handle, type NpuLibrary } from './library.ts'
import type { FrameDone, LoadTerms, Npu, NpuDevice, NpuIdentity, NpuModel } from './npu.ts'
import { ShimModel } from './shim-model.ts'

/**
 * Loads a library with the functions of `pellet_npu.h`: the shim, which brings HailoRT, or the simulated device. One process
 * must not load two of them with different HailoRTs.
 * @throws Error where it is none, or what it needs is not there
 */
export function loadNpu(file: string): Npu {
  try {
    return new ShimNpu(loadLibrary(file))
  } catch (error) {
    throw new Error(`${file}: cannot be loaded: ${(error as Error).message}; ${whenItCannotBeLoaded}`, { cause: error })
  }
}

// --- internal ---

const whenItCannotBeLoaded =
  'after an upgrade of HailoRT run `pellet build-shim`; a file that is damaged is to be removed, then it is compiled anew; ' +
  'the folder must not be on a file system that is mounted noexec'

class ShimNpu implements Npu {
  readonly kind: Npu['kind']
  readonly version: string
  readonly #library: NpuLibrary
  readonly #devices = new Set<ShimDevice>()

  constructor(library: NpuLibrary) {
    const version = new Uint32Array(3)
    check(library.version(version), 'query', library.lastError())
    this.#library = library
    this.kind = library.kind() === 'simulated' ? 'simulated' : 'hailort'
    this.version = version.join('.')
  }

  async open({ deviceId, group }: { deviceId?: string | undefined; group?: string | undefined }): Promise<NpuDevice> {
    const out = new BigUint64Array(1)
    const err = Buffer.alloc(errorBytes)
    check(await this.#library.open(deviceId ?? null, group ?? null, out, err, err.length), 'open', err)
    const device = new ShimDevice(this.#library, out[0]!, () => this.#devices.delete(device))
    this.#devices.add(device)
    return device
  }

  /** Lets go of devices that are still open, without waiting for their frames. The library stays: its threads may be at work. */
  [Symbol.dispose](): void {
    for (const device of this.#devices) device.abandon()
  }
}

class ShimDevice implements NpuDevice {
  readonly #library: NpuLibrary
  #handle: Handle | undefined
  readonly #onGone: () => void
  readonly #models = new Set<ShimModel>()
  #completions: Completions | undefined

  constructor(library: NpuLibrary, handle: Handle, onGone: () => void) {
    this.#library = library
    this.#handle = handle
    this.#onGone = onGone
  }

  async identify(): Promise<NpuIdentity> {
    const json = Buffer.alloc(identityBytes)
    const err = Buffer.alloc(errorBytes)
    check(await this.#library.identify(this.#open(), json, json.length, err, err.length), 'identify', err)
    const { id, arch, fw, product, serial } = JSON.parse(textOf(json)) as Record<string, string> & { arch: number }
    return { id: id!, chip: chipOfArchitecture(arch), firmware: fw!, product: product!, serial: serial! }
  }

  async load(hef: Uint8Array, terms: LoadTerms): Promise<NpuModel> {
    const { network = null, batch, powerMode, slots, dmaMap } = terms
    const handle = this.#open()
    const out = new BigUint64Array(1)
    const err = Buffer.alloc(errorBytes)
    const power = powerMode === 'ultra_performance' ? 1 : 0
    const asOnDevice = 0
    const flags = dmaMap ? 1 : 0
    const status = await this.#library.load(
      ...([handle, hef, hef.length, network, asOnDevice, asOnDevice, batch, power, slots, flags] as const),
      ...([out, err, err.length] as const),
    )
    check(status, 'load', err)
    const model = new ShimModel(this.#library, out[0]!, () => this.#models.delete(model))
    this.#models.add(model)
    return model
  }

  onDone(listener: (done: FrameDone) => void): void {
    this.#completions?.[Symbol.dispose]()
    this.#completions = new Completions(this.#library.fd(this.#open()), listener)
  }

  async close(): Promise<void> {
    const handle = this.#open()
    if (this.#models.size > 0)
      throw new HailoError(INVALID_OPERATION, 'close', `${this.#models.size} models are loaded`)
    this.#gone()
    const err = Buffer.alloc(errorBytes)
    check(await this.#library.close(handle, err, err.length), 'close', err)
  }

  abandon(): void {
    const handle = this.#handle
    if (handle === undefined) return
    this.#gone()
    for (const model of this.#models) model.forget()
    this.#library.abandon(handle)
  }

  #open(): Handle {
    if (this.#handle === undefined) throw new HailoError(INVALID_OPERATION, undefined, 'the device is closed')
    return this.#handle
  }

  #gone(): void {
    this.#handle = undefined
    this.#completions?.[Symbol.dispose]()
    this.#onGone()
  }
}

/** The pipe on which the library tells of frames that are done: `pn_done` records. */
class Completions implements Disposable {
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)

  constructor(fd: number, listener: (done: FrameDone) => void) {
    if (fd < 0) throw new HailoError(INVALID_OPERATION, 'open', 'the device has no completion pipe')
    this.#socket = new Socket({ fd, readable: true, writable: false })
    // The end of the pipe says nothing that whoever closed the device does not know.
    this.#socket.on('error', () => {})
    this.#socket.on('data', (bytes) => {
      const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
      const whole = all.length - (all.length % recordBytes)
      this.#rest = all.subarray(whole)
      for (let at = 0; at < whole; at += recordBytes) listener(readRecord(all, at))
    })
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

const identityBytes = 1024
const recordBytes = 32
const INVALID_OPERATION = 6

function readRecord(bytes: Buffer, at: number): FrameDone {
  return {
    ticket: bytes.readBigUInt64LE(at),
    user: Number(bytes.readBigUInt64LE(at + 8)),
    status: bytes.readUInt32LE(at + 16),
    inferMs: Number(bytes.readBigUInt64LE(at + 24)) / 1e6,
  }
}

/** @throws HailoError unless `status` is 0 */
function check(status: number, operation: HailoOperation, detail: Buffer | string | null): void {
  if (status === 0) return
  throw new HailoError(status, operation, (typeof detail === 'string' ? detail : detail && textOf(detail)) || undefined)
}

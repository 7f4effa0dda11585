import { HailoError, type HailoOperation } from '../../ffi/hailort/statuses.ts'
import type { FrameDone, LoadTerms, Npu, NpuDevice, NpuModel, NpuModelInfo } from '../../ffi/shim/npu.ts'

/** Bytes of a frame's input and of its output. */
export const frameBytes = 64

/** What the fake answers to an input. */
export function answerTo(input: Uint8Array): Buffer {
  return Buffer.from(input.map((byte) => byte ^ 0x5a))
}

/**
 * An NPU in memory, for the rules of its owner: says what it was asked, fails as it is told, and stands still on demand. A
 * model counts as one configuration until the device is closed.
 */
export class FakeNpu implements Npu {
  readonly kind = 'simulated'
  readonly version = '4.23.0'
  /** What was asked, e.g. `load 1`. */
  calls: string[] = []
  /** Configurations that fit; beyond them loads fail. */
  room = Infinity
  fullStatus = 71
  /** Frames stay on the device. */
  isStalled = false
  /** Of the next calls, in order, by operation; 0: well. A promise that never resolves: `hang`. */
  readonly failures = new Map<HailoOperation, (number | 'hang')[]>()
  openDevices = 0
  #configured = new Set<string>()
  #flying = new Set<FakeModel>()

  fail(operation: HailoOperation, ...statuses: (number | 'hang')[]): void {
    this.failures.set(operation, statuses)
  }

  async open(): Promise<NpuDevice> {
    await this.call('open', '')
    this.openDevices++
    this.#configured.clear()
    return new FakeDevice(this)
  }

  async call(operation: HailoOperation, what: string): Promise<void> {
    this.calls.push(what === '' ? operation : `${operation} ${what}`)
    const status = this.failures.get(operation)?.shift() ?? 0
    if (status === 'hang') await new Promise(() => {})
    if (status !== 0) throw new HailoError(status as number, operation)
  }

  /** What was asked since it was read last. */
  takeCalls(): string[] {
    return this.calls.splice(0)
  }

  /** The device moves on. */
  resume(): void {
    this.isStalled = false
    for (const model of this.#flying) model.complete()
  }

  configure(key: string, model: FakeModel): void {
    if (!this.#configured.has(key) && this.#configured.size >= this.room) throw new HailoError(this.fullStatus, 'load')
    this.#configured.add(key)
    this.#flying.add(model)
  }

  forget(model: FakeModel): void {
    this.#flying.delete(model)
  }

  [Symbol.dispose](): void {}
}

class FakeDevice implements NpuDevice {
  readonly #npu: FakeNpu
  readonly #models = new Set<FakeModel>()
  tickets = 0n
  listener: (done: FrameDone) => void = () => {}

  constructor(npu: FakeNpu) {
    this.#npu = npu
  }

  async identify() {
    await this.#npu.call('identify', '')
    return { id: '0', chip: 'hailo8', firmware: '4.23.0', product: '', serial: '' }
  }

  async load(hef: Uint8Array, terms: LoadTerms): Promise<NpuModel> {
    await this.#npu.call('load', Buffer.from(hef).toString())
    const model = new FakeModel(this.#npu, this, Buffer.from(hef).toString(), terms.slots)
    this.#npu.configure(`${Buffer.from(hef).toString()} ${terms.batch}`, model)
    this.#models.add(model)
    return model
  }

  onDone(listener: (done: FrameDone) => void): void {
    this.listener = listener
  }

  async close(): Promise<void> {
    if (this.#models.size > 0) throw new Error('closed while models are loaded')
    this.#npu.openDevices--
    await this.#npu.call('close', '')
  }

  abandon(): void {
    this.#npu.calls.push('abandon')
    this.#npu.openDevices--
    for (const model of this.#models) {
      model.isGone = true
      this.#npu.forget(model)
    }
  }

  unloaded(model: FakeModel): void {
    this.#models.delete(model)
  }
}

export class FakeModel implements NpuModel {
  readonly info: NpuModelInfo
  readonly #npu: FakeNpu
  readonly #device: FakeDevice
  readonly #name: string
  readonly #slots: { input: Buffer; isFree: boolean }[]
  readonly #frames = new Map<bigint, { slot: number; user: number; isDone: boolean; status: number }>()
  broken = 0
  isGone = false

  constructor(npu: FakeNpu, device: FakeDevice, name: string, slots: number) {
    this.#npu = npu
    this.#device = device
    this.#name = name
    this.#slots = Array.from({ length: slots }, () => ({ input: Buffer.alloc(frameBytes), isFree: true }))
    const edge = { bytes: frameBytes, height: 1, width: 1, features: frameBytes, type: 'uint8', order: 1 } as const
    this.info = {
      queue: 32,
      inputs: [{ ...edge, name: 'in', quant: [] }],
      outputs: [{ ...edge, name: 'out', quant: [] }],
    }
  }

  get flying(): number {
    return [...this.#frames.values()].filter(({ isDone }) => !isDone).length
  }

  acquire(): number | undefined {
    this.#expectThere('acquire')
    if (this.broken !== 0) throw new HailoError(63, 'frame')
    const slot = this.#slots.findIndex(({ isFree }) => isFree)
    if (slot === -1) return undefined
    this.#slots[slot]!.isFree = false
    return slot
  }

  inputsOf(slot: number): Uint8Array[] {
    this.#expectThere('inputsOf')
    return [this.#slots[slot]!.input]
  }

  release(slot: number): void {
    this.#expectThere('release')
    this.#slots[slot]!.isFree = true
  }

  start(slot: number, user: number): bigint {
    this.#expectThere('start')
    const ticket = ++this.#device.tickets
    this.#frames.set(ticket, { slot, user, isDone: false, status: 0 })
    if (!this.#npu.isStalled) setImmediate(() => this.complete())
    return ticket
  }

  take(ticket: bigint, into: Uint8Array): number {
    this.#expectThere('take')
    const { slot, status } = this.#frames.get(ticket)!
    this.#frames.delete(ticket)
    this.#slots[slot]!.isFree = true
    if (status === 0) into.set(answerTo(this.#slots[slot]!.input))
    return status
  }

  orphan(): void {
    throw new Error('frames are kept until they are done')
  }

  async setPriority(priority: number): Promise<void> {
    await this.#npu.call('priority', String(priority))
  }

  async unload(): Promise<void> {
    this.#expectThere('unload')
    this.isGone = true
    this.#npu.forget(this)
    this.#device.unloaded(this)
    await this.#npu.call('unload', this.#name)
  }

  /** Frames that are on the device are done. */
  complete(): void {
    if (this.isGone) return
    for (const [ticket, frame] of this.#frames) {
      if (frame.isDone) continue
      frame.isDone = true
      frame.status = Number(this.#npu.failures.get('frame')?.shift() ?? 0)
      this.broken ||= frame.status
      this.#device.listener({ ticket, user: frame.user, status: frame.status, inferMs: 1 })
    }
  }

  #expectThere(call: string): void {
    if (this.isGone) throw new Error(`${call} of a model that is gone: the real one crashes`)
  }
}

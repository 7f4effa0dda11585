import { HailoError } from '../hailort/statuses.ts'
import { errorBytes, textOf, type Handle, type NpuLibrary } from './library.ts'
import type { NpuEdge, NpuModel, NpuModelInfo } from './npu.ts'

/** A model over the functions of `pellet_npu.h`. */
export class ShimModel implements NpuModel {
  readonly info: NpuModelInfo
  readonly #library: NpuLibrary
  /** Undefined once it is being unloaded: the library frees it at a moment that nobody sees from here. */
  #handle: Handle | undefined
  readonly #onGone: () => void
  readonly #layout: Layout
  readonly #inputs = new Map<number, Uint8Array[]>()
  /** Slots that somebody writes to. Node cannot take a view of native memory back, so it must not go under him. */
  readonly #written = new Set<number>()

  constructor(library: NpuLibrary, handle: Handle, onGone: () => void) {
    this.#library = library
    this.#handle = handle
    this.#onGone = onGone
    const raw = JSON.parse(library.info(handle)) as RawInfo
    this.info = { queue: raw.queue, inputs: raw.inputs.map(toEdge), outputs: raw.outputs.map(toEdge) }
    this.#layout = {
      slotBytes: raw.slot_bytes,
      inputs: raw.inputs.map(({ offset, bytes }) => ({ offset, bytes })),
      outputBytes: raw.outputs.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  acquire(): number | undefined {
    const status = this.#library.acquire(this.#loaded(), slotOut)
    if (status === QUEUE_IS_FULL) return undefined
    this.#check(status)
    this.#written.add(slotOut[0]!)
    return slotOut[0]!
  }

  inputsOf(slot: number): Uint8Array[] {
    const known = this.#inputs.get(slot)
    if (known) return known
    const address = this.#library.slotMemory(this.#loaded(), slot)
    if (!address) throw new RangeError(`expected a slot that was acquired, found ${slot}`)
    const memory = this.#library.view(address, this.#layout.slotBytes)
    const inputs = this.#layout.inputs.map(({ offset, bytes }) => new Uint8Array(memory, offset, bytes))
    this.#inputs.set(slot, inputs)
    return inputs
  }

  release(slot: number): void {
    this.#written.delete(slot)
    if (this.#handle !== undefined) this.#check(this.#library.release(this.#handle, slot))
  }

  start(slot: number, user: number): bigint {
    this.#written.delete(slot)
    this.#check(this.#library.start(this.#loaded(), slot, user, ticketOut))
    return ticketOut[0]!
  }

  take(ticket: bigint, into: Uint8Array): number {
    // The frame came back because of the unload, or while it was under way: its answer is gone with the slots.
    if (this.#handle === undefined) return STREAM_ABORT
    if (into.length < this.#layout.outputBytes)
      throw new RangeError(`expected room for ${this.#layout.outputBytes} bytes of outputs, found ${into.length}`)
    const status = this.#library.take(this.#handle, ticket, into, into.length)
    if (status === NOT_FOUND || status === INVALID_OPERATION) this.#check(status)
    return status
  }

  orphan(ticket: bigint): void {
    if (this.#handle !== undefined) this.#check(this.#library.orphan(this.#handle, ticket))
  }

  get flying(): number {
    return this.#handle === undefined ? 0 : this.#library.flying(this.#handle)
  }

  get broken(): number {
    return this.#handle === undefined ? STREAM_ABORT : this.#library.broken(this.#handle)
  }

  async setPriority(priority: number): Promise<void> {
    const err = Buffer.alloc(errorBytes)
    const status = await this.#library.priority(this.#loaded(), priority, err, err.length)
    if (status !== 0) throw new HailoError(status, 'priority', textOf(err) || undefined)
  }

  async unload(drainMs: number): Promise<void> {
    const handle = this.#loaded()
    if (this.#written.size > 0)
      throw new HailoError(INVALID_OPERATION, 'unload', `${this.#written.size} slots are being written`)
    this.forget()
    const err = Buffer.alloc(errorBytes)
    const status = await this.#library.unload(handle, drainMs, err, err.length)
    if (status !== 0) throw new HailoError(status, 'unload', textOf(err) || undefined)
  }

  /** Its device is given up, or it is being unloaded: its memory is not to be reached any more. */
  forget(): void {
    this.#handle = undefined
    this.#inputs.clear()
    this.#onGone()
  }

  #loaded(): Handle {
    if (this.#handle === undefined) throw new HailoError(STREAM_ABORT, 'frame', 'the model is unloaded')
    return this.#handle
  }

  #check(status: number): void {
    if (status !== 0) throw new HailoError(status, 'frame', this.#library.lastError() ?? undefined)
  }
}

// --- internal ---

const INVALID_OPERATION = 6
const NOT_FOUND = 61
const STREAM_ABORT = 63
const QUEUE_IS_FULL = 82

// Results of quick calls: no two of them are under way at once.
const slotOut = new Uint32Array(1)
const ticketOut = new BigUint64Array(1)

interface Layout {
  slotBytes: number
  inputs: { offset: number; bytes: number }[]
  outputBytes: number
}

/** What `pn_info` says. */
interface RawInfo {
  queue: number
  slot_bytes: number
  inputs: RawEdge[]
  outputs: RawEdge[]
}

interface RawEdge {
  name: string
  offset: number
  bytes: number
  h: number
  w: number
  c: number
  type: number
  order: number
  quant: [zeroPoint: number, scale: number, min: number, max: number][]
  nms?: [classes: number, maxBoxesPerClass: number, maxBoxesTotal: number, maxMaskBytes: number]
}

/** By hailo_format_type_t. */
const types = [undefined, 'uint8', 'uint16', 'float32'] as const

function toEdge({ name, bytes, h, w, c, type, order, quant, nms }: RawEdge): NpuEdge {
  return {
    name,
    bytes,
    height: h,
    width: w,
    features: c,
    type: types[type] ?? 'uint8',
    order,
    quant: quant.map(([zeroPoint, scale, min, max]) => ({ zeroPoint, scale, min, max })),
    ...(nms && { nms: { classes: nms[0], maxBoxesPerClass: nms[1], maxBoxesTotal: nms[2] } }),
  }
}

import type { FrameDone, NpuDevice, NpuModel } from '../../ffi/shim/npu.ts'

/** Runs frames on a device and knows which record is whose. */
export class FrameRunner {
  /** Users of all records, in the order in which they came. */
  readonly order: number[] = []
  #waiting = new Map<number, (done: FrameDone) => void>()
  #users = 0

  constructor(device: NpuDevice) {
    device.onDone((done) => {
      this.order.push(done.user)
      this.#waiting.get(done.user)?.(done)
      this.#waiting.delete(done.user)
    })
  }

  /** Starts a frame; inputs are filled from `seed`. There must be a free slot. */
  start(model: NpuModel, seed = 1): Frame {
    const slot = model.acquire()
    if (slot === undefined) throw new Error('expected a free slot, found none')
    const inputs = model.inputsOf(slot)
    for (const [index, input] of inputs.entries()) fill(input, seed + index)
    const copies = inputs.map((input) => input.slice())
    const user = ++this.#users
    const done = new Promise<FrameDone>((resolve) => this.#waiting.set(user, resolve))
    return { user, ticket: model.start(slot, user), inputs: copies, done }
  }

  /** Runs a frame to its end. */
  async run(model: NpuModel, seed = 1): Promise<{ inputs: Uint8Array[]; output: Buffer; status: number }> {
    const { inputs, ticket, done } = this.start(model, seed)
    await done
    const output = Buffer.alloc(outputBytes(model))
    return { inputs, output, status: model.take(ticket, output) }
  }
}

export interface Frame {
  user: number
  ticket: bigint
  inputs: Uint8Array[]
  done: Promise<FrameDone>
}

export function outputBytes({ info }: NpuModel): number {
  return info.outputs.reduce((sum, { bytes }) => sum + bytes, 0)
}

// --- internal ---

/** Other bytes for every seed, and no two alike one after the other. */
function fill(bytes: Uint8Array, seed: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + seed * 17 + (i >>> 8)) & 0xff
}

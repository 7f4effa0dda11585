/**
 * An NPU as the rest of Pellet sees it: what `pellet_npu.h` offers, without its handles. The shim over HailoRT and the
 * simulated device both are one. Failures are `HailoError`s (ffi/hailort/statuses.ts).
 */
export interface Npu extends Disposable {
  readonly kind: 'hailort' | 'simulated'
  /** Of HailoRT, as `4.23.0`. */
  readonly version: string
  /** Blocks no thread of JavaScript. */
  open(terms: { deviceId?: string | undefined; group?: string | undefined }): Promise<NpuDevice>
}

/** Of `open`, `identify`, `load`, `unload`, `setPriority`, `close` and `abandon`, one at a time for each device. */
export interface NpuDevice {
  identify(): Promise<NpuIdentity>
  /** `hef` is not needed afterwards. */
  load(hef: Uint8Array, terms: LoadTerms): Promise<NpuModel>
  /** Called with each frame that is done; set once, before the first frame. */
  onDone(listener: (done: FrameDone) => void): void
  /** Nothing may be loaded. */
  close(): Promise<void>
  /** Drops a lost device with all of its models, which are leaked. Nothing may be called on them afterwards. */
  abandon(): void
}

export interface NpuIdentity {
  id: string
  /** `hailo8`, `hailo8l`, `hailo10h`; another word for a device that Pellet knows no HEF for. */
  chip: string
  firmware: string
  product: string
  serial: string
}

export interface LoadTerms {
  /** Absent: the only one of the HEF. */
  network?: string | undefined
  /** 0: HailoRT's choice. */
  batch: number
  powerMode: 'performance' | 'ultra_performance'
  /** Frames that may be on their way at once, 1 to 16. */
  slots: number
  /** Maps the slots for DMA once, instead of for each frame. */
  dmaMap: boolean
}

/** A frame that is done. Its slot is held until `take`. */
export interface FrameDone {
  ticket: bigint
  /** As given to `start`. */
  user: number
  /** hailo_status; 0 well. */
  status: number
  /** From `start` to HailoRT's callback. */
  inferMs: number
}

/** A loaded model with its slots: memory for one frame each, which HailoRT reads and writes in place. */
export interface NpuModel {
  readonly info: NpuModelInfo
  /** A slot whose inputs may be written now; undefined: none is free. @throws HailoError where the model is broken */
  acquire(): number | undefined
  /** Memory of the inputs of an acquired slot, in the order of `info.inputs`. Not to be touched once it is released or started. */
  inputsOf(slot: number): Uint8Array[]
  /** Gives an acquired slot back that is not started. */
  release(slot: number): void
  /** Runs an acquired slot. `user`: above 0. @returns its ticket @throws HailoError; the slot is free again then */
  start(slot: number, user: number): bigint
  /** Copies the outputs of a frame that is done, in the order of `info.outputs`, and frees its slot. @returns the frame's status */
  take(ticket: bigint, into: Uint8Array): number
  /** Gives up a frame that is not done: nothing is told of it any more, and its slot comes back by itself. */
  orphan(ticket: bigint): void
  /** Frames that are on their way. */
  readonly flying: number
  /** hailo_status of the first frame that failed; 0: none. */
  readonly broken: number
  setPriority(priority: number): Promise<void>
  /**
   * No slot may be acquired and not started.
   * @throws HailoError with status 4 where frames never came back: the device is to be abandoned
   */
  unload(drainMs: number): Promise<void>
}

export interface NpuModelInfo {
  /** What HailoRT says that it can take at once. */
  queue: number
  inputs: NpuEdge[]
  outputs: NpuEdge[]
}

/** An input or output, in the HEF's own order. Sizes of one frame. */
export interface NpuEdge {
  name: string
  bytes: number
  height: number
  width: number
  features: number
  type: 'uint8' | 'uint16' | 'float32'
  /** hailo_format_order_t. */
  order: number
  /** One, or one for each feature: real = (q - zeroPoint) * scale. */
  quant: { zeroPoint: number; scale: number; min: number; max: number }[]
  nms?: { classes: number; maxBoxesPerClass: number; maxBoxesTotal: number }
}

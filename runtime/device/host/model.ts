import type { IncomingMessage, ServerResponse } from 'node:http'
import { HailoError } from '../../../ffi/hailort/statuses.ts'
import type { FrameDone, NpuModel, NpuModelInfo } from '../../../ffi/shim/npu.ts'
import type { Clock } from '../../clock.ts'
import { PelletError } from '../../errors.ts'
import type { HostState, LoadRequest } from '../protocol.ts'
import { DeviceError, retrySoonMs, toDeviceError } from './device-error.ts'
import { Frame, type FrameOwner } from './frame.ts'
import { answerRefusal } from './refuse.ts'

export interface ModelOptions {
  clock: Clock
  /** Longest that a frame may be on the device. */
  frameTimeoutMs: number
  /** A frame failed, or is overdue: somebody is to look after the model. */
  onTrouble(model: HostedModel, error: HailoError, operation: 'frame' | 'overdue'): void
}

/** One model that an isolate has, whether it is on the device now or is loaded anew: its frames, in order. */
export class HostedModel implements FrameOwner {
  readonly id: number
  readonly request: LoadRequest
  readonly #options: ModelOptions
  #npu: NpuModel | undefined
  #inputBytes = 0
  #outputBytes = 0
  #isPaused = false
  /** They have no slot yet, and their bodies are not read. */
  #waiting: Frame[] = []
  /** Their bodies are being read. */
  readonly #filling = new Set<Frame>()
  /** On the device, by ticket; in the order in which they were started. Those that nobody waits for, too. */
  readonly #flying = new Map<bigint, Frame>()
  /** Of outputs that were sent. */
  #buffers: Buffer[] = []
  #cancelWatch: (() => void) | undefined
  #frames = 0
  #timeouts = 0
  /** None was done in between. */
  overdueInARow = 0
  /** Since a frame was done. */
  reloads = 0
  /** How often it came onto the device. */
  generation = 0
  /** Its lease ends with this. */
  onLost: (message: string, retryAfterMs: number) => void = () => {}

  constructor(id: number, request: LoadRequest, options: ModelOptions) {
    this.id = id
    this.request = request
    this.#options = options
  }

  get name(): string {
    return this.request.name
  }

  get info(): NpuModelInfo | undefined {
    return this.#npu?.info
  }

  /** Frames whose bodies are being read. */
  get filling(): number {
    return this.#filling.size
  }

  /** Frames on the device. */
  get flying(): number {
    return Math.max(this.#flying.size, this.#npu?.flying ?? 0)
  }

  /** No slot is left, and none comes back as it seems: all of them hold frames that are overdue. */
  get isFull(): boolean {
    const overdue = [...this.#flying.values()].filter(({ isOverdue }) => isOverdue).length
    return overdue >= this.request.slots
  }

  get state(): HostState['models'][number] {
    return {
      name: this.name,
      flying: this.#flying.size,
      waiting: this.#waiting.length,
      frames: this.#frames,
      timeouts: this.#timeouts,
    }
  }

  /** It is on the device: frames begin. */
  attach(npu: NpuModel): void {
    const { inputs, outputs } = npu.info
    this.#npu = npu
    this.generation++
    this.overdueInARow = 0
    this.#inputBytes = sumOfBytes(inputs)
    this.#outputBytes = sumOfBytes(outputs)
    this.#buffers = []
    this.resume()
  }

  /**
   * It leaves the device: its frames there, and those whose bodies are being read, are refused; those that wait go on waiting.
   * @param refusal why
   * @returns what is to be unloaded; undefined where it is not on the device
   */
  detach(refusal: PelletError = this.#reloaded()): NpuModel | undefined {
    const npu = this.#npu
    this.#npu = undefined
    this.#cancelWatch?.()
    this.#cancelWatch = undefined
    const filling = [...this.#filling]
    const frames = [...filling, ...this.#flying.values()]
    this.#filling.clear()
    this.#flying.clear()
    for (const frame of frames) frame.refuse(refusal)
    // Nothing is written there any more: a model with slots that are acquired is not unloaded.
    for (const { slot } of filling) npu?.release(slot)
    return npu
  }

  /** No frame begins until `resume`. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#next()
  }

  /** It is gone for good: all of its frames are refused. */
  end(error: PelletError): void {
    this.detach(error)
    this.pause()
    const waiting = this.#waiting
    this.#waiting = []
    for (const frame of waiting) frame.refuse(error)
  }

  /** As `end`; its isolate is told, and loads it again when it needs it. */
  lose(message: string, retryAfterMs: number): void {
    this.end(new DeviceError('device_failed', `${this.name}: ${message}`, { retryAfterMs }))
    this.onLost(message, retryAfterMs)
  }

  /** A request for a frame. */
  serve(req: IncomingMessage, res: ServerResponse): void {
    const found = Number(req.headers['content-length'] ?? Number.NaN)
    if (found !== this.#inputBytes) {
      const shown = Number.isNaN(found) ? 'a body of unknown length' : `${found}`
      const message = `${this.name}: expected ${this.#inputBytes} bytes of inputs, found ${shown}`
      return answerRefusal(res, new PelletError('invalid_input', message))
    }
    this.#waiting.push(new Frame(req, res, this))
    this.#next()
  }

  /** The device is done with a frame. */
  done({ ticket, inferMs }: FrameDone): void {
    const frame = this.#flying.get(ticket)
    // Of a model that was loaded anew since.
    if (!frame || !this.#npu) return
    this.#flying.delete(ticket)
    const body = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(this.#outputBytes)
    // Unless it is 0 nothing was written, and what is there is another frame's.
    const status = this.#npu.take(ticket, body)
    if (status === 0) {
      this.#frames++
      this.overdueInARow = 0
      this.reloads = 0
      if (frame.isOver) this.#buffers.push(body)
      else frame.answer(body, inferMs)
    } else this.#failed(frame, new HailoError(status, 'frame'))
    this.#next()
  }

  filled(frame: Frame): void {
    if (!this.#filling.delete(frame) || !this.#npu) return
    frame.startedAt = this.#options.clock.now()
    try {
      this.#flying.set(this.#npu.start(frame.slot, this.id), frame)
    } catch (error) {
      this.#failed(frame, error as HailoError)
      return
    }
    if (!this.#cancelWatch) this.#watch(frame.startedAt)
  }

  gone(frame: Frame): void {
    if (this.#filling.delete(frame)) this.#npu?.release(frame.slot)
    else this.#waiting = this.#waiting.filter((one) => one !== frame)
    // One that is on the device stays there until it is done; then its slot is free again.
    this.#next()
  }

  flushed(body: Buffer): void {
    if (body.length === this.#outputBytes && this.#buffers.length < this.request.slots) this.#buffers.push(body)
  }

  // --- internal ---

  #next(): void {
    while (this.#npu && !this.#isPaused && this.#waiting.length > 0) {
      let slot: number | undefined
      try {
        slot = this.#npu.acquire()
      } catch (error) {
        // Those that wait go on waiting: it is loaded anew.
        this.pause()
        this.#options.onTrouble(this, error as HailoError, 'frame')
        return
      }
      if (slot === undefined) return
      const frame = this.#waiting.shift()!
      frame.slot = slot
      this.#filling.add(frame)
      frame.fill(this.#npu.inputsOf(slot))
    }
  }

  #reloaded(): DeviceError {
    const message = `${this.name}: the NPU gave the frame up: the model is loaded anew`
    return new DeviceError('device_failed', message, { retryAfterMs: retrySoonMs })
  }

  #failed(frame: Frame, error: HailoError): void {
    frame.refuse(toDeviceError(error, 'frame', { name: this.name }))
    if (error.kind === 'queue_full') return
    this.pause()
    this.#options.onTrouble(this, error, 'frame')
  }

  /** Rings when the oldest frame has had its time. */
  #watch(since: number): void {
    const { clock, frameTimeoutMs } = this.#options
    this.#cancelWatch = clock.alarm(since + frameTimeoutMs, () => {
      this.#cancelWatch = undefined
      const dueAt = clock.now() - frameTimeoutMs
      const pending = [...this.#flying.values()].filter(({ isOverdue }) => !isOverdue)
      const overdue = pending.filter(({ startedAt }) => startedAt <= dueAt)
      const next = pending[overdue.length]
      if (next) this.#watch(next.startedAt)
      for (const frame of overdue) this.#overdue(frame)
    })
  }

  #overdue(frame: Frame): void {
    frame.isOverdue = true
    this.#timeouts++
    this.overdueInARow++
    const error = new HailoError(timeoutStatus, 'frame')
    const message = `${this.name}: the NPU did not answer within ${this.#options.frameTimeoutMs} ms`
    frame.refuse(new DeviceError('device_failed', message, { retryAfterMs: retrySoonMs }))
    this.#options.onTrouble(this, error, 'overdue')
  }
}

// --- internal ---

/** HAILO_TIMEOUT. */
const timeoutStatus = 4

function sumOfBytes(edges: readonly { bytes: number }[]): number {
  return edges.reduce((sum, { bytes }) => sum + bytes, 0)
}

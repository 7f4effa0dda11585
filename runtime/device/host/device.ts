import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { HailoError } from '../../../ffi/hailort/statuses.ts'
import type { Npu, NpuDevice, NpuModel } from '../../../ffi/shim/npu.ts'
import type { Clock } from '../../clock.ts'
import { messageOf } from '../../errors.ts'
import { backOffMs } from '../../scheduler/back-off.ts'
import type { HostLog, HostState, LoadRequest } from '../protocol.ts'
import { attempt, type Mender } from './attempt.ts'
import { DeviceError, retrySoonMs } from './device-error.ts'
import { Held } from './held.ts'
import { readHef } from './hef-bytes.ts'
import { HostedModel } from './model.ts'
import { reloadsBeforeLost, restBackOff, stepAfter, stepWhenAlive } from './recovery.ts'
import { Turns, type OperationLimits } from './turns.ts'

export interface DeviceOptions {
  npu: Npu
  deviceId?: string | undefined
  group?: string | undefined
  frameTimeoutMs: number
  limits: OperationLimits
  clock: Clock
  log: HostLog
  /** The device is free again only when this process is gone. */
  end(message: string): void
}

/**
 * Owner of the device: opens it for the first model, closes it after the last, and does what recovery.ts says where something
 * fails. One control operation at a time.
 */
export class Device {
  readonly #options: DeviceOptions
  readonly #turns: Turns
  readonly #mender: Mender
  readonly #models = new Map<number, HostedModel>()
  readonly #held = new Held()
  #handle: NpuDevice | undefined
  /** Numbers of another host's models are none of this one's. */
  #lastId = randomInt(2 ** 40) * 1024
  /** Loads that wait for their turn: the device is not closed for them to open it again. */
  #coming = 0
  #isOpening = false
  #isRecycling = false
  #isLost = false
  /** It is being loaded anew. */
  #reloading: HostedModel | undefined
  /** What is to be looked at when its turn comes. */
  readonly #troubles = new Set<string>()
  #counts = { hardUnloads: 0, timeouts: 0, losses: 0, frames: 0 }
  /** Losses and failed openings since a model was loaded. */
  #failuresInARow = 0
  /** It is not opened before; who asks is told why. */
  #rest: { until: number; message: string } | undefined

  constructor(options: DeviceOptions) {
    this.#options = options
    const { clock, limits, end, log } = options
    this.#turns = new Turns({ clock, limits, onHung: end })
    this.#mender = {
      holdsUnused: () => this.#held.holdsUnused(this.#models.values()),
      hasLoaded: () => this.#models.size > 0,
      recycle: () => this.#recycle(),
      expectAlive: () => this.#expectAlive(),
      abandon: (reason) => this.#abandon(reason),
      end,
      loadIsUnknown: () => this.#held.addUnknown(),
      log,
    }
  }

  get state(): HostState {
    const { operation } = this.#turns
    return {
      device: this.#isRecycling
        ? 'recycling'
        : this.#handle
          ? 'open'
          : this.#isOpening
            ? 'opening'
            : this.#isLost
              ? 'lost'
              : 'closed',
      ...(operation && { operation }),
      models: Array.from(this.#models.values(), ({ state }) => state),
      ...this.#counts,
    }
  }

  find(id: number): HostedModel | undefined {
    return this.#models.get(id)
  }

  /**
   * Loads a model, which is in use until `unload`.
   * @param isWanted asked when its turn comes
   * @throws DeviceError
   */
  load(request: LoadRequest, isWanted: () => boolean): Promise<HostedModel> {
    this.#coming++
    return this.#turns.take(async () => {
      this.#coming--
      try {
        if (!isWanted()) throw new DeviceError('device_failed', `${request.name}: nobody waits for it any more`)
        return await this.#load(request)
      } finally {
        await this.#closeUnused()
      }
    })
  }

  /** A model is not used any more. */
  unload(model: HostedModel): void {
    void this.#turns.take(async () => {
      if (!this.#models.delete(model.id)) return
      const npu = model.detach()
      model.end(new DeviceError('device_failed', `${model.name}: it is unloaded`))
      if (npu) await this.#release(model, npu).catch(() => {})
      await this.#closeUnused()
    })
  }

  /** A question to the device, between other operations; none where it is not open by then. */
  ask(question: (device: NpuDevice) => Promise<void>): Promise<void> {
    return this.#turns.take(async () => {
      const handle = this.#handle
      if (handle) await this.#turns.call('query', '', () => question(handle))
    })
  }

  /** Unloads all, and closes the device. */
  close(): Promise<void> {
    for (const model of this.#models.values()) this.unload(model)
    return this.#turns.take(() => this.#closeUnused())
  }

  // --- internal ---

  async #load(request: LoadRequest): Promise<HostedModel> {
    const { clock, frameTimeoutMs } = this.#options
    const model = new HostedModel(++this.#lastId, request, {
      clock,
      frameTimeoutMs,
      onTrouble: (...trouble) => this.#onTrouble(...trouble),
    })
    const npu = await this.#configure(model, false)
    this.#models.set(model.id, model)
    model.attach(npu)
    return model
  }

  /** Brings a model onto the device. @throws DeviceError */
  async #configure({ name, request }: HostedModel, isRecycled: boolean): Promise<NpuModel> {
    const { network, batch, powerMode, slots, priority } = request
    const hef = await readHef(request)
    const terms = { network, batch, powerMode, slots, dmaMap: false }
    const npu = (await attempt({ operation: 'load', name, isRecycled }, this.#mender, async () => {
      const device = await this.#open(isRecycled)
      return this.#turns.call('load', name, () => device.load(hef, terms))
    }))!
    this.#held.add(request)
    this.#failuresInARow = 0
    if (priority !== usualPriority)
      await attempt({ operation: 'priority', name, isRecycled }, this.#mender, () =>
        this.#turns.call('priority', name, () => npu.setPriority(priority)),
      )
    return npu
  }

  async #open(isRecycled: boolean): Promise<NpuDevice> {
    if (this.#handle) return this.#handle
    const { npu, clock, deviceId, group } = this.#options
    const restMs = this.#rest ? this.#rest.until - clock.now() : 0
    if (restMs > 0) throw new DeviceError('device_unavailable', this.#rest!.message, { retryAfterMs: restMs })
    this.#isOpening = true
    try {
      const handle = (await attempt({ operation: 'open', name: '', isRecycled }, this.#mender, () =>
        this.#turns.call('open', '', () => npu.open({ deviceId, group })),
      ))!
      handle.onDone((done) => {
        if (done.status === 0) this.#counts.frames++
        this.#models.get(done.user)?.done(done)
      })
      if (this.#isLost) this.#options.log('info', 'the NPU is back')
      this.#isLost = false
      return (this.#handle = handle)
    } catch (error) {
      this.#restAfter(messageOf(error))
      throw error
    } finally {
      this.#isOpening = false
    }
  }

  /**
   * Takes a model off the device, which keeps its configuration.
   * @param waitMs for frames that are still there
   * @throws DeviceError; the device is abandoned then
   */
  async #release({ name }: HostedModel, npu: NpuModel, waitMs = drainMs): Promise<void> {
    await this.#waitUntil(() => npu.flying === 0, waitMs)
    // On a lost device HailoRT 4 waits for its frames for minutes.
    if (npu.flying > 0) await this.#expectAlive()
    await attempt({ operation: 'unload', name, isRecycled: false }, this.#mender, () =>
      this.#turns.call('unload', name, () => npu.unload(0)),
    )
  }

  async #closeUnused(): Promise<void> {
    if (this.#handle && this.#models.size === 0 && this.#coming === 0) await this.#close()
  }

  async #close(): Promise<void> {
    const handle = this.#handle!
    this.#handle = undefined
    this.#held.clear()
    await attempt({ operation: 'close', name: '', isRecycled: false }, this.#mender, () =>
      this.#turns.call('close', '', () => handle.close()),
    )
  }

  /** The hard unload: all that the device held of models is gone, and those that are in use are loaded again. */
  async #recycle(): Promise<void> {
    const models = [...this.#models.values()].filter((model) => model !== this.#reloading)
    const flying = () => models.some((model) => model.flying > 0)
    this.#isRecycling = true
    for (const model of models) model.pause()
    try {
      await this.#waitUntil(() => !flying() && !models.some(({ filling }) => filling > 0), drainMs)
      await this.#waitUntil(() => !flying(), this.#options.frameTimeoutMs)
      if (flying())
        throw new DeviceError('device_failed', 'the NPU stands still: a frame is not done', {
          retryAfterMs: retrySoonMs,
        })
      this.#counts.hardUnloads++
      for (const model of models) {
        const npu = model.detach()
        if (npu) await this.#release(model, npu)
      }
      await this.#close()
      for (const model of models) await this.#restore(model, true)
    } finally {
      this.#isRecycling = false
      for (const model of models) model.resume()
    }
  }

  /** A model that is not on the device any more comes back, or is lost. */
  async #restore(model: HostedModel, isRecycled: boolean): Promise<void> {
    try {
      model.attach(await this.#configure(model, isRecycled))
    } catch (error) {
      const retryAfterMs = (error as DeviceError).retryAfterMs ?? retrySoonMs
      if (this.#models.delete(model.id)) model.lose(messageOf(error), retryAfterMs)
    }
  }

  #onTrouble(model: HostedModel, error: HailoError, operation: 'frame' | 'overdue'): void {
    const { id, generation } = model
    if (operation === 'overdue') this.#counts.timeouts++
    const trouble = `${id} ${generation} ${operation}`
    if (this.#troubles.has(trouble)) return
    this.#troubles.add(trouble)
    this.#options.log('warn', `NPU: ${error.message}.`, model.name)
    void this.#turns
      .take(async () => {
        this.#troubles.delete(trouble)
        if (this.#models.has(id) && model.generation === generation) await this.#mend(model, error, operation)
        await this.#closeUnused()
      })
      // The device was lost: that is told, and so were those who wait for it.
      .catch(() => {})
  }

  async #mend(model: HostedModel, { kind }: HailoError, operation: 'frame' | 'overdue'): Promise<void> {
    let step = stepAfter({ operation, kind, tries: 1, holdsUnused: false, isRecycled: false })
    if (step.do === 'identify') {
      await this.#expectAlive()
      step = operation === 'frame' ? { do: 'reload' } : stepWhenAlive(model)
    }
    if (step.do === 'reload') await this.#reload(model)
  }

  async #reload(model: HostedModel): Promise<void> {
    this.#reloading = model
    model.pause()
    try {
      const npu = model.detach()
      this.#options.log('warn', 'the model is loaded anew on the NPU', model.name)
      if (npu) await this.#release(model, npu, 0)
      if (model.reloads++ < reloadsBeforeLost) return await this.#restore(model, false)
      this.#models.delete(model.id)
      model.lose(`the NPU answered no frame since the model was loaded anew ${reloadsBeforeLost} times`, retrySoonMs)
    } finally {
      this.#reloading = undefined
      model.resume()
    }
  }

  async #expectAlive(): Promise<void> {
    const handle = this.#handle
    if (!handle) return
    await attempt({ operation: 'identify', name: '', isRecycled: false }, this.#mender, () =>
      this.#turns.call('identify', '', () => handle.identify()),
    )
  }

  #abandon(reason: string): void {
    const models = [...this.#models.values()]
    this.#models.clear()
    this.#held.clear()
    this.#counts.losses++
    this.#isLost = true
    const message = `the NPU was lost: ${reason}`
    const restMs = this.#restAfter(message)
    this.#options.log('error', `${message}. Models that were on it are loaded again when they are needed.`)
    for (const model of models) model.lose(message, restMs)
    this.#handle?.abandon()
    this.#handle = undefined
  }

  /** @returns for how long it is left alone */
  #restAfter(message: string): number {
    const restMs = backOffMs(++this.#failuresInARow, restBackOff)
    this.#rest = { until: this.#options.clock.now() + restMs, message }
    return restMs
  }

  async #waitUntil(isThere: () => boolean, withinMs: number): Promise<void> {
    const until = performance.now() + withinMs
    while (!isThere() && performance.now() < until) await delay(2)
  }
}

// --- internal ---

/** HailoRT's own; setting it costs a call. */
const usualPriority = 16
/** What frames that nobody waits for may take to leave the device. */
const drainMs = 1000

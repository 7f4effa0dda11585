import { isLent, takeBack } from '../buffers.ts'
import { PelletError } from '../errors.ts'
import type { LoadRequest } from '../device/protocol.ts'
import type { Tensors } from '../tensor.ts'
import { toText } from './check-inputs.ts'
import { DeviceClient, FullError, HostEndedError, type DeviceLease } from './device-client.ts'
import { FrameReader, toDescription, toFrame } from './device-frame.ts'
import type { Engine, ModelTensors, Session, TensorInfo } from './engine.ts'
import type { Inference, LoadedModel, RunTerms } from './loaded-model.ts'

/** What the device host is to load, and where it is. */
export interface DeviceTerms extends Omit<LoadRequest, 'file'> {
  socketPath: string
  /** What the HEF says; absent: what HailoRT says counts. */
  expected?: ModelTensors | undefined
  /** It was lost, and there is no room any more to load it again: others are to go first. */
  onFull?(): void
}

/** HailoRT on an NPU, or on the simulated device: the device host has it, in a process of its own. */
export const hailort: Engine = {
  name: 'hailort',
  async describe(file) {
    const { readHefModel } = await import('./hef-file.ts')
    const { tensorsOfHef } = await import('./hef-tensors.ts')
    return { ...tensorsOfHef(await readHefModel(file), file), isQuick: false }
  },
  async open(file, { device } = {}) {
    if (!device) throw new PelletError('device_unavailable', `${file}: expected a device host to load it, found none`)
    const { inputs, outputs } = await this.describe(file)
    return toSession(await openOnDevice(file, { ...device, expected: { inputs, outputs } }))
  },
}

/**
 * Loads a model onto the device. Where it is lost later (the device is gone, the host was replaced) the requests in flight are
 * refused, and the next one loads it again.
 * @throws PelletError `device_unavailable`, `device_failed`, `load_failed`, or `out_of_memory` where the chip is full
 */
export async function openOnDevice(file: string, terms: DeviceTerms): Promise<DeviceModel> {
  const model = new DeviceModel(file, terms)
  await model.load()
  return model
}

/** A model of an isolate that the device host has loaded. */
export class DeviceModel implements LoadedModel {
  inputs: readonly TensorInfo[] = []
  outputs: readonly TensorInfo[] = []
  readonly #file: string
  readonly #terms: DeviceTerms
  readonly #client: DeviceClient
  #lease: DeviceLease | undefined
  #loading: Promise<DeviceLease> | undefined

  constructor(file: string, terms: DeviceTerms) {
    this.#file = file
    this.#terms = terms
    this.#client = new DeviceClient(terms.socketPath, terms.name, terms.slots)
  }

  /** Loads it where it is not loaded. @throws PelletError as `openOnDevice` */
  async load(): Promise<DeviceLease> {
    return this.#lease ?? (this.#loading ??= this.#load().finally(() => (this.#loading = undefined)))
  }

  async run(given: Tensors, { mayKeep, signal, timeoutMs }: RunTerms = {}): Promise<Inference> {
    const since = performance.now()
    const lease = this.#lease ?? (await orAborted(this.#reload(), signal))
    const { id, info } = lease.model
    const frame = toFrame(this.inputs, info, given)
    const reader = new FrameReader(info)
    let isFitting = true
    const take = (bytes: Uint8Array) => void (isFitting &&= reader.add(bytes))
    const leftMs = timeoutMs && timeoutMs - (performance.now() - since)
    try {
      const inferMs = await this.#client.infer(id, frame, take, { signal, timeoutMs: leftMs })
      if (!isFitting || !reader.isWhole)
        throw new PelletError('internal_error', `${this.#terms.name}: the NPU's answer does not have the outputs' size`)
      // The host has all of the frame before it answers.
      if (mayKeep) for (const { data } of Object.values(given)) if (isLent(data.buffer)) takeBack(data.buffer)
      return { outputs: reader.toTensors(this.outputs), inferMs }
    } catch (error) {
      // The end of the lease's own connection may be heard of later; a host that lives after all unloads by it.
      if (error instanceof HostEndedError) {
        this.#drop(lease)
        lease.end()
      }
      throw error
    }
  }

  /** Takes it off the device. */
  release(): void {
    this.#lease?.end()
  }

  // --- internal ---

  async #load(): Promise<DeviceLease> {
    const { socketPath: _, expected, onFull: __, ...request } = this.#terms
    const lease = await this.#client.load({ ...request, file: this.#file })
    const found = toDescription(lease.model.info)
    if (expected) {
      const problem =
        compare('input', expected.inputs, found.inputs) ?? compare('output', expected.outputs, found.outputs)
      if (problem !== undefined) {
        lease.end()
        throw new PelletError('load_failed', `${this.#file}: ${problem}. Check that HailoRT is one that Pellet knows.`)
      }
    }
    this.inputs = found.inputs
    this.outputs = found.outputs
    this.#lease = lease
    void lease.lost.then(() => this.#drop(lease))
    return lease
  }

  #drop(lease: DeviceLease): void {
    if (this.#lease === lease) this.#lease = undefined
  }

  async #reload(): Promise<DeviceLease> {
    try {
      return await this.load()
    } catch (error) {
      if (error instanceof FullError) this.#terms.onFull?.()
      throw error
    }
  }
}

// --- internal ---

function toSession(model: DeviceModel): Session {
  let last: Promise<unknown> = Promise.resolve()
  let released: Promise<void> | undefined
  return {
    inputs: model.inputs,
    outputs: model.outputs,
    async run(given) {
      if (released)
        throw new PelletError('internal_error', 'this session was released; open the model again to run it.')
      // Its arrays are read when its turn comes.
      const inputs = { ...given }
      const answer = last.then(async () => (await model.run(inputs)).outputs)
      last = answer.catch(() => {})
      return answer
    },
    release: () => (released ??= last.then(() => model.release())),
  }
}

/** What is under way goes on, but not for this caller. */
function orAborted<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error)
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

function compare(role: string, expected: readonly TensorInfo[], found: readonly TensorInfo[]): string | undefined {
  const names = (infos: readonly TensorInfo[]) => infos.map(({ name }) => name).join(', ')
  for (const { name, type, shape } of expected) {
    const other = found.find((info) => info.name === name)
    if (!other) return `expected the ${role} "${name}", as the HEF says, found ${names(found)} in HailoRT`
    const [text, otherText] = [toText(type, shape), toText(other.type, other.shape)]
    if (text !== otherText) return `${role} "${name}": expected ${text}, as the HEF says, found ${otherText} in HailoRT`
  }
  if (found.length === expected.length) return undefined
  return `expected the ${role}s ${names(expected)}, as the HEF says, found ${names(found)} in HailoRT`
}

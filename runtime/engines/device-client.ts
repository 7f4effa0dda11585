import { Agent, request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadedModel, LoadRequest, Lost, Refusal } from '../device/protocol.ts'
import { PelletError } from '../errors.ts'

/** A model on the device; it stays as long as this end of the connection does. */
export interface DeviceLease {
  model: LoadedModel
  /** Resolves when it is gone, whoever ended it. */
  lost: Promise<Lost>
  end(): void
}

export interface FrameOptions {
  /** Gives the frame up. */
  signal?: AbortSignal | undefined
  /** After so long the device need not begin with it. */
  timeoutMs?: number | undefined
}

/** The chip is full of what others have loaded. */
export class FullError extends PelletError {}

/** The host is gone, and all that it had loaded with it. */
export class HostEndedError extends PelletError {}

/** How long the host may take to listen: it starts when the first isolate does, and anew when it has ended. */
const listenTimeoutMs = 15_000
const retryMs = 20
const retryAfterMs = 1000

/** An isolate's way to the device host: see runtime/device/protocol.ts. */
export class DeviceClient {
  readonly #socketPath: string
  /** Of the deployment, for messages. */
  readonly #name: string
  readonly #agent: Agent

  constructor(socketPath: string, name: string, slots: number) {
    this.#socketPath = socketPath
    this.#name = name
    this.#agent = new Agent({ keepAlive: true, maxSockets: slots })
  }

  /** @throws FullError where the chip is full, else PelletError `device_unavailable`, `device_failed` or `load_failed` */
  async load(terms: LoadRequest): Promise<DeviceLease> {
    const body = Buffer.from(JSON.stringify(terms))
    const until = performance.now() + listenTimeoutMs
    for (;;) {
      try {
        const { answer, end } = await this.#post('/models', [body], {}, false)
        return { ...(await toLease(answer, this.#name)), end }
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException
        if (error instanceof PelletError) throw error
        if (!['ENOENT', 'ECONNREFUSED'].includes(code)) throw this.#ended(error)
        if (performance.now() > until) throw this.#ended(error, `does not listen after ${listenTimeoutMs / 1000} s`)
        await delay(retryMs)
      }
    }
  }

  /**
   * Runs one frame.
   * @param take is given the bytes of the outputs as they come
   * @returns how long the device took, in milliseconds
   * @throws PelletError as the host says
   */
  async infer(
    id: number,
    inputs: readonly Uint8Array[],
    take: (bytes: Uint8Array) => void,
    { signal, timeoutMs }: FrameOptions,
  ): Promise<number> {
    const headers = timeoutMs === undefined ? {} : { 'x-timeout-ms': Math.max(1, Math.ceil(timeoutMs)) }
    try {
      const { answer } = await this.#post(`/models/${id}/frames`, inputs, headers, this.#agent, signal)
      if (answer.statusCode !== 200) throw await toError(answer, this.#name)
      await new Promise<void>((resolve, reject) => {
        answer.on('data', take).once('end', resolve).once('error', reject)
      })
      return Number(answer.headers['x-infer-us']) / 1000
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof PelletError ? error : this.#ended(error)
    }
  }

  // --- internal ---

  #post(
    path: string,
    parts: readonly Uint8Array[],
    headers: OutgoingHttpHeaders,
    agent: Agent | false,
    signal?: AbortSignal,
  ): Promise<{ answer: IncomingMessage; end: () => void }> {
    const sizeBytes = parts.reduce((sum, part) => sum + part.byteLength, 0)
    return new Promise((resolve, reject) => {
      const call = request({
        socketPath: this.#socketPath,
        agent,
        method: 'POST',
        path,
        headers: { ...headers, 'content-length': sizeBytes },
      })
      const leave = () => call.destroy()
      if (signal?.aborted) leave()
      signal?.addEventListener('abort', leave, { once: true })
      call.once('close', () => signal?.removeEventListener('abort', leave))
      call.once('response', (answer) => resolve({ answer, end: leave }))
      call.on('error', reject)
      for (const part of parts) call.write(part)
      call.end()
    })
  }

  #ended(cause: unknown, what = 'ended in the middle of it'): HostEndedError {
    return new HostEndedError('device_failed', `${this.#name}: the process that has the NPU ${what}; try again`, {
      cause,
      retryAfterMs,
    })
  }
}

// --- internal ---

async function toError(answer: IncomingMessage, name: string): Promise<PelletError> {
  const { error, isFull } = (await json(answer)) as Refusal
  const { code, message, retryAfterMs: ms } = error
  const Kind = isFull ? FullError : PelletError
  return new Kind(isFull ? 'out_of_memory' : code, message.startsWith(name) ? message : `${name}: ${message}`, {
    ...(ms !== undefined && { retryAfterMs: ms }),
  })
}

/** The first line says what was loaded; the next one, or the end, that it is gone. */
async function toLease(answer: IncomingMessage, name: string): Promise<Omit<DeviceLease, 'end'>> {
  if (answer.statusCode !== 200) throw await toError(answer, name)
  let text = ''
  let onModel: (model: LoadedModel) => void = () => {}
  let onLost: (lost: Lost) => void = () => {}
  const model = new Promise<LoadedModel>((resolve) => (onModel = resolve))
  const lost = new Promise<Lost>((resolve) => (onLost = resolve))
  const read = (line: string) => {
    const value = JSON.parse(line) as LoadedModel | Lost
    if ('lost' in value) onLost(value)
    else onModel(value)
  }
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop()!
    lines.forEach(read)
  })
  // A host that was killed tells nothing.
  answer.on('error', () => {})
  answer.once('close', () => onLost({ lost: 'the process that had the NPU ended', retryAfterMs }))
  const first = await Promise.race([model, lost])
  if (!('lost' in first)) return { model: first, lost }
  throw new PelletError('device_failed', `${name}: ${first.lost}`, { retryAfterMs: first.retryAfterMs })
}

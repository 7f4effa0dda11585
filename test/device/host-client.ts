import { Agent, request, type ClientRequest } from 'node:http'
import type { LoadedModel, LoadRequest, Lost, Refusal } from '../../runtime/device/protocol.ts'

export interface FrameAnswer {
  status: number
  body: Buffer
  /** Of a refusal. */
  refusal: Refusal
}

/** A client of the device host, as an isolate is one. */
export class HostClient {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** Loads a model; it is in use until its lease ends. @throws Refusal */
  load(loadRequest: LoadRequest): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const call = this.#request('/models', {}, false)
      call.once('error', reject)
      call.once('response', (answer) => {
        let text = ''
        let lease: Lease | undefined
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
          if (lease || answer.statusCode !== 200 || !text.includes('\n')) return
          const lost = new Promise<Lost>((onLost) =>
            answer.once('close', () => onLost(JSON.parse(text.split('\n')[1] || 'null') as Lost)),
          )
          lease = { ...(JSON.parse(text.split('\n')[0]!) as LoadedModel), lost, release: () => call.destroy() }
          resolve(lease)
        })
        answer.once('error', () => {})
        answer.once('end', () => {
          if (!lease) reject(JSON.parse(text) as Refusal)
        })
      })
      call.end(JSON.stringify(loadRequest))
    })
  }

  infer(id: number, input: Uint8Array, { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal } = {}) {
    return new Promise<FrameAnswer>((resolve, reject) => {
      const headers = { 'content-length': input.length, ...(timeoutMs && { 'x-timeout-ms': timeoutMs }) }
      const call = this.#request(`/models/${id}/frames`, headers, true, signal)
      call.once('error', reject)
      call.once('response', (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          const body = Buffer.concat(chunks)
          const status = answer.statusCode!
          resolve({ status, body, refusal: status === 200 ? undefined! : (JSON.parse(body.toString()) as Refusal) })
        })
      })
      call.end(input)
    })
  }

  /** A frame whose inputs come piece by piece. */
  startFrame(id: number, bytes: number) {
    const call = this.#request(`/models/${id}/frames`, { 'content-length': bytes }, false)
    const frame = { isRefused: false, write: (piece: Uint8Array) => call.write(piece) }
    call.once('response', (answer) => {
      frame.isRefused = answer.statusCode === 503
      call.destroy()
    })
    call.on('error', () => {})
    return frame
  }

  close(): void {
    this.#agent.destroy()
  }

  // --- internal ---

  #request(path: string, headers: object, isKept: boolean, signal?: AbortSignal): ClientRequest {
    const agent = isKept ? this.#agent : false
    const socketPath = this.#socketPath
    return request({ socketPath, method: 'POST', path, headers: { ...headers }, agent, ...(signal && { signal }) })
  }
}

export interface Lease extends LoadedModel {
  /** Resolves when the model is not loaded any more; null where the host went without a word. */
  lost: Promise<Lost | null>
  release(): void
}

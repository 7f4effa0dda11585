import { request } from 'node:http'
import type { BlobRef, DeployEvent, HistoryRow, MissingBlob } from '../../runtime/deploys/protocol.ts'
import type { Mark } from './marks.ts'

/** The last line of a deploy or a rollback. */
export type DeployEnd = Extract<DeployEvent, { type: 'done' | 'failed' }>

/**
 * The client's side of `runtime/deploys/protocol.ts`, one request after the other: what it has said is known at each moment,
 * and `signal` ends it as a kill would.
 */
export class Deployer {
  readonly #socketPath: string
  /** Blobs that were sent, whole or not. */
  uploads = 0

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** Uploads what is missing and deploys it. @throws Error when it is refused or the connection breaks */
  async deploy(mark: Mark, signal?: AbortSignal): Promise<DeployEnd> {
    await this.upload(mark, signal)
    const text = await this.#ask('POST', '/api/deployments/text/revisions', JSON.stringify(mark.draft), signal)
    return lastOf(text)
  }

  async upload({ draft, blobs }: Mark, signal?: AbortSignal): Promise<void> {
    const refs = [draft.bundle!, draft.bundleMap!, draft.models.onnx!]
    for (const { sha256, sizeBytes, receivedBytes } of await this.missing(refs, signal)) {
      this.uploads++
      const query = `size=${sizeBytes}&offset=${receivedBytes}`
      await this.#ask('PUT', `/api/blobs/${sha256}?${query}`, blobs.get(sha256)!.subarray(receivedBytes), signal)
    }
  }

  async missing(blobs: BlobRef[], signal?: AbortSignal): Promise<MissingBlob[]> {
    const text = await this.#ask('POST', '/api/blobs/missing', JSON.stringify({ blobs }), signal)
    return (JSON.parse(text) as { missing: MissingBlob[] }).missing
  }

  /** To the revision before, or to another one that is kept. */
  async rollback(revision?: string, signal?: AbortSignal): Promise<DeployEnd> {
    return lastOf(await this.#ask('POST', '/api/deployments/text/rollback', JSON.stringify({ revision }), signal))
  }

  async history(): Promise<HistoryRow[]> {
    return JSON.parse(await this.#ask('GET', '/api/deployments/text/revisions')) as HistoryRow[]
  }

  async delete(signal?: AbortSignal): Promise<void> {
    await this.#ask('DELETE', '/api/deployments/text', '', signal)
  }

  // --- internal ---

  #ask(method: string, path: string, body: string | Buffer = '', signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const call = request({ socketPath: this.#socketPath, method, path, headers, agent: false, signal })
      call.once('error', reject)
      call.once('response', (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          if (Math.floor(answer.statusCode! / 100) === 2) resolve(text)
          else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))
        })
      })
      call.end(body)
    })
  }
}

// --- internal ---

function lastOf(lines: string): DeployEnd {
  const last = lines.trimEnd().split('\n').at(-1)!
  const event = JSON.parse(last) as DeployEvent
  if (event.type === 'phase') throw new Error(`expected done or failed at the end, found ${last}`)
  return event
}

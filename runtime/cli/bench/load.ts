import { Connection } from './connection.ts'
import { Recorder, type Measured } from './recorder.ts'

/** Where a load goes, and the request that all of it consists of. */
export interface LoadTarget {
  url: URL
  /** As `toRequestBytes` gives it. */
  request: Uint8Array
}

export interface LoadOptions {
  /** Callers; each sends its next request when the last is answered. */
  concurrency: number
  /** When no more is sent; what is under way then is waited for and counted. */
  durationMs?: number
  /** After how many requests no more is sent. */
  count?: number
  /** Ends the run at once; what is under way is given up. */
  signal?: AbortSignal
}

/** Sends one request again and again. Never throws: what fails is counted. */
export async function load(
  { url, request }: LoadTarget,
  { concurrency, durationMs = Infinity, count = Infinity, signal }: LoadOptions,
  recorder = new Recorder(),
): Promise<Measured> {
  const connections = Array.from({ length: concurrency }, () => new Connection(url))
  const giveUp = () => {
    for (const connection of connections) connection.close()
  }
  signal?.addEventListener('abort', giveUp, { once: true })
  const startedAt = performance.now()
  let left = count
  let now = startedAt

  const isOver = () => signal?.aborted === true || now - startedAt >= durationMs || left-- <= 0

  async function call(connection: Connection): Promise<void> {
    while (!isOver()) {
      const sentAt = performance.now()
      try {
        const answer = await connection.send(request)
        now = performance.now()
        recorder.answer(answer, now - sentAt, now - startedAt)
      } catch (error) {
        now = performance.now()
        if (signal?.aborted) return
        const { code, message } = error as NodeJS.ErrnoException
        recorder.fail(code ?? 'connection', message)
        // Where nobody listens, the next is refused as fast as it is sent.
        await new Promise((resolve) => setTimeout(resolve, brokenPauseMs))
      }
    }
  }

  await Promise.all(connections.map(call))
  signal?.removeEventListener('abort', giveUp)
  giveUp()
  return recorder.summary(performance.now() - startedAt)
}

// --- internal ---

const brokenPauseMs = 50

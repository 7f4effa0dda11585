import { createReadStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Readable, Transform } from 'node:stream'
import type { MissingBlob } from '../../deploys/protocol.ts'
import { CliError } from '../cli-error.ts'
import { call, callJson } from '../client.ts'
import { ConnectionError, RefusalError, toRefusal } from '../client-errors.ts'
import type { Target } from '../target.ts'
import type { LocalBlob } from './parcel.ts'

/** Told what becomes of an upload. Sizes in bytes. */
export interface UploadWatcher {
  /** It begins, or goes on behind what is there already. */
  started(blob: LocalBlob, fromBytes: number): void
  sent(blob: LocalBlob, totalBytes: number): void
  ended(blob: LocalBlob): void
  /** It broke; it is tried again after `pauseMs`. */
  broke(message: string, pauseMs: number): void
}

export interface UploadOptions {
  watcher: UploadWatcher
  signal: AbortSignal
  /** How long to wait before each new try; as many of them may fail in a row without a byte more having arrived. */
  pausesMs?: readonly number[]
}

/** Those of the blobs that the other side lacks. */
export async function askMissing(target: Target, blobs: readonly LocalBlob[]): Promise<MissingBlob[]> {
  const refs = blobs.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes }))
  const { missing } = await callJson<{ missing: MissingBlob[] }>(target, 'POST', '/api/blobs/missing', { blobs: refs })
  return missing
}

/**
 * Sends what the other side lacks, and goes on where a connection broke, also one of an earlier run.
 * @throws RefusalError for what it does not take, ConnectionError where it stays away
 */
export async function upload(target: Target, blobs: readonly LocalBlob[], options: UploadOptions): Promise<void> {
  const { watcher, signal, pausesMs = [500, 1000, 2000, 4000, 8000] } = options
  let left = Infinity
  let failures = 0
  for (;;) {
    try {
      const missing = await askMissing(target, blobs)
      const now = missing.reduce((sum, { sizeBytes, receivedBytes }) => sum + 1 + sizeBytes - receivedBytes, 0)
      if (now < left) failures = 0
      left = now
      for (const one of missing)
        await put(
          target,
          blobs.find(({ sha256 }) => sha256 === one.sha256)!,
          one,
          options,
        )
      return
    } catch (error) {
      if (signal.aborted || !isPassing(error) || failures >= pausesMs.length) throw error
      const pauseMs = pausesMs[failures++]!
      watcher.broke((error as Error).message, pauseMs)
      await sleep(pauseMs, undefined, { signal })
    }
  }
}

/** What is left to be sent, in bytes. */
export function toSend(missing: readonly MissingBlob[]): number {
  return missing.reduce((sum, { sizeBytes, receivedBytes }) => sum + sizeBytes - receivedBytes, 0)
}

// --- internal ---

/** Another try may do better: the connection broke, or what was said of the rest holds no more. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof RefusalError)) return error instanceof ConnectionError
  // What an earlier upload has left there may be damaged; it is dropped then.
  return error.code === 'wrong_digest' || [408, 409, 416, 425, 429, 502, 503, 504].includes(error.status)
}

async function put(
  target: Target,
  blob: LocalBlob,
  { receivedBytes }: MissingBlob,
  { watcher, signal }: UploadOptions,
): Promise<void> {
  const { sha256, sizeBytes } = blob
  watcher.started(blob, receivedBytes)
  let sent = receivedBytes
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length
      watcher.sent(blob, sent)
      done(null, chunk)
    },
    // The other side would wait for the rest.
    flush: (done) => done(sent < sizeBytes ? new Error(`${blob.shown} became shorter while it was sent`) : null),
  })
  const source = read(blob, receivedBytes)
  source.on('error', (error) => counted.destroy(error))
  const path = `/api/blobs/${sha256}?size=${sizeBytes}&offset=${receivedBytes}`
  const length = String(sizeBytes - receivedBytes)
  try {
    const reply = await call(target, 'PUT', path, {
      headers: { 'content-type': 'application/octet-stream', 'content-length': length },
      body: source.pipe(counted),
      signal,
    })
    if (reply.status === 200 || reply.status === 201) return
    const refusal = toRefusal(target, reply.status, reply.headers, String(reply.body))
    if (refusal.code === 'wrong_digest' && receivedBytes === 0)
      throw new CliError(`${blob.shown} has changed while it was sent; deploy again`)
    throw refusal
  } finally {
    source.destroy()
    watcher.ended(blob)
  }
}

/** Exactly the bytes that were announced: a file that grows meanwhile has no more. */
function read({ source, sizeBytes }: LocalBlob, from: number): Readable {
  if ('bytes' in source) return Readable.from([source.bytes.subarray(from)], { objectMode: false })
  if (from === sizeBytes) return Readable.from([])
  return createReadStream(source.file, { start: from, end: sizeBytes - 1, highWaterMark: 1 << 18 })
}

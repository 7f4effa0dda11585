import { createHash, type Hash } from 'node:crypto'
import { open, rm, statfs, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BlobRef } from '../deploys/protocol.ts'
import { PelletError } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { isFull, noRoom } from './full.ts'

/** An upload under way. */
export class Upload {
  readonly ref: BlobRef
  /** The write that is under way. */
  writing: Promise<void> = Promise.resolve()
  #isSuperseded = false

  constructor(ref: BlobRef) {
    this.ref = ref
  }

  /** Another goes on in its place. Resolves when nothing of this one will be written any more. */
  async supersede(): Promise<void> {
    this.#isSuperseded = true
    await this.writing.catch(() => {})
  }

  /** @throws PelletError `conflict` */
  checkTurn(): void {
    if (this.#isSuperseded)
      throw new PelletError('conflict', `${shortOf(this.ref)}: another upload of it goes on in the place of this one`)
  }
}

/**
 * Writes what comes to a file aside, behind the `offset` bytes that are there, and checks the whole. What is wrong, or
 * fills the disk, is removed; what breaks off stays.
 */
export async function receiveInto(
  part: string,
  upload: Upload,
  offset: number,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { ref } = upload
  await expectRoom(ref, offset, part)
  const handle = await open(part, offset > 0 ? 'r+' : 'w', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? notThatFar(ref, offset, 0) : toFull(ref, error)
  })
  try {
    const hash = createHash('sha256')
    if (offset > 0) await hashBegin(handle, upload, offset, hash)
    let at = offset
    for await (const chunk of bytes) {
      upload.checkTurn()
      if (at + chunk.length > ref.sizeBytes) throw wrong(ref, 'invalid_request', `${ref.sizeBytes} bytes`, 'more')
      hash.update(chunk)
      upload.writing = writeWhole(handle, chunk, at)
      await upload.writing
      at += chunk.length
    }
    upload.checkTurn()
    if (at < ref.sizeBytes)
      throw new PelletError(
        'invalid_request',
        `${shortOf(ref)}: expected ${ref.sizeBytes} bytes, found an end after ${at}; send the rest with offset=${at}`,
      )
    const digest = hash.digest('hex')
    if (digest !== ref.sha256) throw wrong(ref, 'wrong_digest', `bytes with sha256 ${ref.sha256}`, `sha256 ${digest}`)
    await handle.sync()
  } catch (error) {
    if (error instanceof Wrong) await rm(part, { force: true })
    throw await withoutPart(ref, part, error)
  } finally {
    await handle.close()
  }
}

/** @returns `storage_full` where the disk is */
export function toFull(ref: BlobRef, error: unknown): unknown {
  return isFull(error) ? noRoom(shortOf(ref)) : error
}

// --- internal ---

/** Bytes that are of no use. */
class Wrong extends PelletError {}

function wrong(ref: BlobRef, code: 'invalid_request' | 'wrong_digest', expected: string, found: string): Wrong {
  return new Wrong(
    code,
    `${shortOf(ref)}: expected ${expected}, found ${found}; what was sent is dropped, send it anew`,
  )
}

/** So much is read and hashed at a time: the main process has other things to do meanwhile. */
const readBytes = 256 * 1024

async function hashBegin(handle: FileHandle, upload: Upload, offset: number, hash: Hash): Promise<void> {
  const { size } = await handle.stat()
  if (size < offset) throw notThatFar(upload.ref, offset, size)
  const buffer = Buffer.allocUnsafe(Math.min(readBytes, offset))
  for (let at = 0; at < offset;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, offset - at), at)
    if (bytesRead === 0) throw notThatFar(upload.ref, offset, at)
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
    upload.checkTurn()
  }
  await handle.truncate(offset)
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, at + done)
    done += bytesWritten
  }
}

async function expectRoom(ref: BlobRef, offset: number, part: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(part))
  const wanted = ref.sizeBytes - offset
  if (wanted > bavail * bsize)
    throw noRoom(shortOf(ref), `room for ${formatBytes(wanted)}`, formatBytes(bavail * bsize))
}

async function withoutPart(ref: BlobRef, part: string, error: unknown): Promise<unknown> {
  const told = toFull(ref, error)
  // A disk that is full has no room for anything else either: the part would hold it so.
  if (told !== error) await rm(part, { force: true }).catch(() => {})
  return told
}

function notThatFar(ref: BlobRef, offset: number, found: number): PelletError {
  return new PelletError(
    'conflict',
    `${shortOf(ref)}: expected an offset of at most ${found}, which is received so far, found ${offset}`,
  )
}

function shortOf({ sha256 }: BlobRef): string {
  return `blob ${sha256.slice(0, 12)}`
}

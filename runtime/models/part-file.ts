import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FetchError } from './fetch-error.ts'
import { takeLock } from './file-lock.ts'

/** Where the bytes of a part are from: only from there, and while it is the same there, can it go on. */
export interface PartOrigin {
  url: string
  /** A strong ETag, or the date of the last change: what `If-Range` takes. */
  validator?: string
  /** Of the whole file, where the server told. */
  totalBytes?: number
}

/**
 * A file on its way, beside its place: `NAME.part`, with its origin in `NAME.part.json`. What has come stays when the
 * fetch ends early, for the next one to go on from; it never has the name of the model before it is whole.
 */
export class PartFile {
  readonly path: string
  /** What an earlier fetch has left. */
  isResumed: boolean
  origin: PartOrigin | undefined
  sizeBytes: number
  readonly #handle: FileHandle
  readonly #unlock: () => Promise<void>
  #hash: Hash

  /** @throws FetchError when another process fetches this file, or the folder cannot be written to */
  static async open(file: string): Promise<PartFile> {
    const path = `${file}.part`
    try {
      await mkdir(dirname(file), { recursive: true })
      const unlock = await takeLock(`${path}.lock`)
      if (!unlock) throw new FetchError('stop', `${file}: another process is fetching it (${path}.lock); wait for it`)
      try {
        return await PartFile.#resume(path, unlock)
      } catch (error) {
        await unlock()
        throw error
      }
    } catch (error) {
      throw error instanceof FetchError ? error : toWriteError(path, error)
    }
  }

  private constructor(path: string, handle: FileHandle, unlock: () => Promise<void>) {
    this.path = path
    this.#handle = handle
    this.#unlock = unlock
    this.#hash = createHash('sha256')
    this.sizeBytes = 0
    this.isResumed = false
  }

  /** Hex, of all that has come. */
  get sha256(): string {
    return this.#hash.copy().digest('hex')
  }

  /** Begins anew, with bytes from here. */
  async restart(origin?: PartOrigin): Promise<void> {
    await this.#writing(this.#handle.truncate(0))
    this.#hash = createHash('sha256')
    this.sizeBytes = 0
    this.isResumed = false
    this.origin = origin
    if (origin) await this.#writing(writeFile(`${this.path}.json`, JSON.stringify({ ...origin, boot: await bootId() })))
  }

  /** @throws FetchError when it cannot be written, e.g. for want of room */
  async append(chunk: Uint8Array): Promise<void> {
    let done = 0
    while (done < chunk.length) {
      const { bytesWritten } = await this.#writing(
        this.#handle.write(chunk, done, chunk.length - done, this.sizeBytes + done),
      )
      done += bytesWritten
    }
    this.#hash.update(chunk)
    this.sizeBytes += chunk.length
  }

  /** It is whole and right: it gets its name. */
  async moveTo(file: string): Promise<void> {
    await this.sync()
    await this.#writing(rename(this.path, file))
    await syncFolder(dirname(file))
    await this.#end(true)
  }

  /** The disk has what was written. */
  async sync(): Promise<void> {
    await this.#writing(this.#handle.sync())
  }

  /** Leaves it for the next fetch to go on from. */
  close(): Promise<void> {
    return this.#end(this.sizeBytes === 0)
  }

  async discard(): Promise<void> {
    await this.#end(true)
  }

  // --- internal ---

  static async #resume(path: string, unlock: () => Promise<void>): Promise<PartFile> {
    const part = new PartFile(path, await open(path, 'a').then(reopen(path)), unlock)
    const origin = await readOrigin(path)
    if (!origin) {
      await part.restart()
      return part
    }
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      part.#hash.update(chunk as Buffer)
      part.sizeBytes += (chunk as Buffer).length
    }
    part.origin = origin
    part.isResumed = part.sizeBytes > 0
    return part
  }

  async #end(isRemoved: boolean): Promise<void> {
    await this.#handle.close().catch(() => {})
    if (isRemoved) for (const file of [this.path, `${this.path}.json`]) await rm(file, { force: true })
    await this.#unlock()
  }

  #writing<Value>(work: Promise<Value>): Promise<Value> {
    return work.catch((error: unknown) => {
      throw toWriteError(this.path, error)
    })
  }
}

/** What a file system says, as an error for people. */
export function toWriteError(path: string, error: unknown): FetchError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new FetchError(
      'stop',
      `${path}: the disk is full; make room and pull again, it goes on from what has come`,
      { cause: error },
    )
  return new FetchError('stop', `${path}: cannot be written: ${message}; check the folder and its permissions`, {
    cause: error,
  })
}

/** So that a name that was just given outlives a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  // Not every file system can.
  await handle.sync().catch(() => {})
  await handle.close()
}

// --- internal ---

/** Opened for appending it was made where it was not there; written to it is at positions. */
function reopen(path: string): (made: FileHandle) => Promise<FileHandle> {
  return async (made) => {
    await made.close()
    return open(path, 'r+')
  }
}

/** Of another boot it may be torn by a power cut: what it holds cannot be trusted. */
async function readOrigin(path: string): Promise<PartOrigin | undefined> {
  try {
    const { boot, url, validator, totalBytes } = JSON.parse(await readFile(`${path}.json`, 'utf8')) as PartOrigin & {
      boot?: string
    }
    if (boot !== (await bootId()) || typeof url !== 'string') return undefined
    return {
      url,
      ...(typeof validator === 'string' && { validator }),
      ...(typeof totalBytes === 'number' && { totalBytes }),
    }
  } catch {
    return undefined
  }
}

async function bootId(): Promise<string | undefined> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}

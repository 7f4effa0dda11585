import { randomUUID } from 'node:crypto'
import { constants, copyFile, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobRef } from '../deploys/protocol.ts'
import { receiveInto, toFull, Upload } from './blob-upload.ts'
import { syncFolder } from './sync-folder.ts'
import { replaceFile } from './replace-file.ts'

/** What lies in a store: a blob, or what an upload that broke off has left of one. */
export interface StoredBlob extends BlobRef {
  isPart: boolean
  /** Since it was written last. Negative where the clock went back. */
  ageMs: number
  file: string
}

/** How a sha256 is written. */
export const sha256Pattern = /^[0-9a-f]{64}$/

/**
 * Files by what they hold: one is named by its sha256 and has exactly those bytes, so that engines can open it by its path.
 * Written aside, checked, synced and renamed: under its name a blob is whole or not there.
 */
export class BlobStore {
  readonly folder: string
  readonly #uploads = new Map<string, Upload>()

  /** @param folder made with the first write */
  constructor(folder: string) {
    this.folder = folder
  }

  fileOf(sha256: string): string {
    return join(this.folder, sha256)
  }

  /** Whether it is there, as far as its size tells. */
  async has({ sha256, sizeBytes }: BlobRef): Promise<boolean> {
    return (await sizeOf(this.fileOf(sha256))) === sizeBytes
  }

  /** How much of it an upload has left here, or is sending now. */
  async receivedBytes({ sha256, sizeBytes }: BlobRef): Promise<number> {
    return Math.min((await sizeOf(this.#partOf(sha256))) ?? 0, sizeBytes)
  }

  /**
   * Takes its bytes from `offset` on. What was received stays when they break off, and the next goes on behind it. One that
   * goes on takes the place of one that still seems to be under way; two that begin at once do not share anything.
   * @throws PelletError `invalid_request` for another length, `wrong_digest`, `storage_full`, `conflict` for an offset beyond
   * what is here, and to who was superseded; whatever `bytes` throws
   */
  async receive(ref: BlobRef, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    if (await this.has(ref)) return
    const { sha256 } = ref
    await mkdir(this.folder, { recursive: true, mode: 0o750 })
    const before = this.#uploads.get(sha256)
    const isAlone = before === undefined || offset > 0
    if (before && offset > 0) await before.supersede()
    const upload = new Upload(ref)
    if (isAlone) this.#uploads.set(sha256, upload)
    const part = isAlone ? this.#partOf(sha256) : join(this.folder, `${sha256}.${randomUUID()}.part`)
    try {
      await receiveInto(part, upload, offset, bytes)
      await replaceFile(part, this.fileOf(sha256))
      await syncFolder(this.folder)
    } finally {
      if (this.#uploads.get(sha256) === upload) this.#uploads.delete(sha256)
      if (!isAlone) await rm(part, { force: true })
    }
  }

  /** Makes a file, whose digest is known, a blob too; without a copy where the file system can. @throws PelletError `storage_full` */
  async adopt(file: string, ref: BlobRef): Promise<void> {
    if (await this.has(ref)) return
    await mkdir(this.folder, { recursive: true, mode: 0o750 })
    const aside = join(this.folder, `${ref.sha256}.${randomUUID()}.part`)
    try {
      // A link would change with the file, where that is written in place; a clone does not.
      await copyFile(file, aside, constants.COPYFILE_FICLONE)
      await syncFile(aside)
      await replaceFile(aside, this.fileOf(ref.sha256))
      await syncFolder(this.folder)
    } catch (error) {
      throw toFull(ref, error)
    } finally {
      await rm(aside, { force: true })
    }
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.fileOf(sha256), { force: true, recursive: true })
  }

  /** Removes something that `list` has told of. */
  async discard(file: string): Promise<void> {
    await rm(file, { force: true })
  }

  /** All that lies here, what is under way included. */
  async list(): Promise<StoredBlob[]> {
    const blobs: StoredBlob[] = []
    for (const name of await namesIn(this.folder)) {
      const sha256 = name.slice(0, 64)
      const isPart = name.endsWith('.part')
      if (!sha256Pattern.test(sha256) || (!isPart && name !== sha256)) continue
      const file = join(this.folder, name)
      const found = await stat(file).catch(() => undefined)
      if (!found?.isFile()) continue
      blobs.push({ sha256, sizeBytes: found.size, isPart, ageMs: Date.now() - found.mtimeMs, file })
    }
    return blobs
  }

  // --- internal ---

  #partOf(sha256: string): string {
    return join(this.folder, `${sha256}.part`)
  }
}

// --- internal ---

async function sizeOf(file: string): Promise<number | undefined> {
  const found = await stat(file).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

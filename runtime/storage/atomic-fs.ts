import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { defineDriver } from 'unstorage'
import { fromFileName, isHashed, toFileName } from './file-name.ts'
import { replaceFile } from './replace-file.ts'
import { syncFolder } from './sync-folder.ts'

/** An entry that was not what had been written, and was removed. */
export interface Damage {
  file: string
  key: string
  reason: string
}

/** What the file system has against it; with `code` and `path`. */
export class StorageError extends Error {}

export interface AtomicFsOptions {
  /** One file per entry lies directly in here. Made with the first write. */
  folder: string
  onDamaged?: (damage: Damage) => void
  /** Whether a write is done only when the disk has it. @default true */
  isSynced?: boolean
  /**
   * Entries that nothing can make anew: a damaged one stays where it is, and to read it throws a `DamagedEntry`. A write or a
   * removal of one outlives a power cut.
   */
  isPrecious?: (key: string) => boolean
}

/** An entry that is damaged, and was left as it is. */
export class DamagedEntry extends Error {
  readonly damage: Damage

  constructor(damage: Damage) {
    super(`Storage: the entry "${damage.key}" in ${damage.file} is damaged (${damage.reason}).`)
    this.damage = damage
  }
}

/**
 * A file system driver for unstorage whose reads give a whole value or nothing. unstorage's own fs driver writes in
 * place and returns I/O errors as values (unstorage 1.17.6, drivers/utils/node-fs.mjs).
 *
 * An entry is a line `pellet-1 <sha256> <key as JSON>` and then the bytes; the sum covers key and bytes. It is written
 * aside, synced and renamed. Errors other than a missing file are thrown with the path.
 */
export const atomicFs = defineDriver((options: AtomicFsOptions) => {
  const { folder, onDamaged, isSynced = true, isPrecious = () => false } = options
  const toFile = (key: string) => join(folder, toFileName(key))
  let ready: Promise<void> | undefined

  async function read(key: string): Promise<Buffer | null> {
    const file = toFile(key)
    const bytes = await missing(file, 'read', readFile(file))
    if (bytes === undefined) return null
    const entry = parse(bytes)
    const reason = !entry
      ? 'it has no header'
      : entry.key !== key
        ? `it belongs to the key "${entry.key}"`
        : entry.sum === (await sumOf(key, entry.content))
          ? undefined
          : 'its checksum does not match'
    if (entry && reason === undefined) return entry.content
    if (isPrecious(key)) throw new DamagedEntry({ file, key, reason: reason ?? '' })
    // Whether or not it can be removed, it is a miss; a good one that was just put in its place will be written again.
    await rm(file, { force: true }).catch(() => {})
    onDamaged?.({ file, key, reason: reason ?? '' })
    return null
  }

  async function write(key: string, value: unknown): Promise<void> {
    const content = toBytes(key, value)
    const file = toFile(key)
    ready ??= prepare(folder)
    await ready.catch((error: unknown) => {
      ready = undefined
      throw error
    })
    const head = toHeader(key, await sumOf(key, content))
    const aside = join(folder, `${asidePrefix}${process.pid}-${randomUUID()}`)
    try {
      await writeAside(aside, [head, content], isSynced).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        // Somebody removed the folder since the last write.
        await prepare(folder)
        await writeAside(aside, [head, content], isSynced)
      })
      await replaceFile(aside, file)
      if (isPrecious(key)) await syncFolder(folder)
    } catch (error) {
      await rm(aside, { force: true }).catch(() => {})
      throw toError('write', file, error)
    }
  }

  async function keys(base = ''): Promise<string[]> {
    const names = (await missing(folder, 'list', readdir(folder))) ?? []
    const found: (string | undefined)[] = []
    for (const name of names) found.push(isHashed(name) ? await keyInside(join(folder, name)) : fromFileName(name))
    return found.filter((key) => key !== undefined && key.startsWith(base)) as string[]
  }

  async function remove(key: string): Promise<void> {
    const file = toFile(key)
    try {
      await rm(file, { force: true, recursive: true })
      // What was taken back, a token or a deployment, must not come back with a power cut.
      if (isPrecious(key)) await missing(folder, 'sync', syncFolder(folder))
    } catch (error) {
      throw toError('remove', file, error)
    }
  }

  return {
    name: 'atomic-fs',
    hasItem: async (key) => (await read(key)) !== null,
    getItem: async (key) => (await read(key))?.toString('utf8') ?? null,
    getItemRaw: read,
    setItem: write,
    setItemRaw: write,
    removeItem: remove,
    async getMeta(key) {
      const file = toFile(key)
      const found = await missing(file, 'look at', stat(file))
      return found ? { mtime: found.mtime, size: found.size } : null
    },
    getKeys: keys,
    async clear(base) {
      for (const key of await keys(base)) await remove(key)
    },
  }
})

// --- internal ---

const header = /^pellet-1 ([0-9a-f]{64}) (".*")$/
const asidePrefix = '.writing-'
/** A file aside that is this old belongs to a writer that was killed. */
const abandonedMs = 10 * 60_000
const maxHeaderBytes = 64 * 1024

/** So much is hashed at a time (about a millisecond): the main process has other things to do meanwhile. */
const hashedAtOnceBytes = 1024 * 1024

function toHeader(key: string, sum: string): Buffer {
  return Buffer.from(`pellet-1 ${sum} ${JSON.stringify(key)}\n`)
}

async function sumOf(key: string, content: Uint8Array): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(key)).update('\n')
  for (let at = 0; at < content.length; at += hashedAtOnceBytes) {
    if (at > 0) await setImmediate()
    hash.update(content.subarray(at, at + hashedAtOnceBytes))
  }
  return hash.digest('hex')
}

function parse(bytes: Buffer): { key: string; sum: string; content: Buffer } | undefined {
  const end = bytes.indexOf(10)
  const [, sum, json] = header.exec(bytes.toString('utf8', 0, Math.max(end, 0))) ?? []
  if (sum === undefined || json === undefined) return undefined
  try {
    return { key: String(JSON.parse(json)), sum, content: bytes.subarray(end + 1) }
  } catch {
    return undefined
  }
}

/** The key in the header of a file whose name is only its hash. */
async function keyInside(file: string): Promise<string | undefined> {
  const handle = await missing(file, 'read', open(file, 'r'))
  if (handle === undefined) return undefined
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxHeaderBytes), 0, maxHeaderBytes, 0)
    return parse(buffer.subarray(0, bytesRead))?.key
  } finally {
    await handle.close()
  }
}

function toBytes(key: string, value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  throw new TypeError(`Storage key "${key}": expected text or bytes, found ${typeof value}. Use setItem for objects.`)
}

async function writeAside(file: string, parts: Uint8Array[], isSynced: boolean): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    for (const part of parts) await handle.writeFile(part)
    if (isSynced) await handle.datasync()
  } finally {
    await handle.close()
  }
}

async function prepare(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    const names = await readdir(folder)
    for (const name of names.filter((name) => name.startsWith(asidePrefix))) {
      const file = join(folder, name)
      const found = await stat(file).catch(() => undefined)
      if (found && Date.now() - found.mtimeMs > abandonedMs) await rm(file, { force: true })
    }
  } catch (error) {
    throw toError('make', folder, error)
  }
}

/** undefined where the file is not there; throws any other error with the path. */
async function missing<T>(path: string, doing: string, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw toError(doing, path, error)
  }
}

function toError(doing: string, path: string, error: unknown): StorageError {
  const { code, message } = error as NodeJS.ErrnoException
  const text = `Storage: cannot ${doing} ${path} (${message}). Check the folder, its permissions and the space left.`
  return Object.assign(new StorageError(text, { cause: error }), { code, path })
}

import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { Driver } from 'unstorage'
import type { BlobStore } from './blobs.ts'

/** A store of blobs as a mount of unstorage: a key is the sha256 of its value. */
export function blobDriver(blobs: BlobStore): Driver {
  const read = (key: string) => readFile(blobs.fileOf(key)).catch(absent)
  const write = async (key: string, value: unknown) => {
    const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value as Uint8Array)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    if (sha256 !== key) throw new Error(`Storage key "${key}": expected the sha256 of what is stored, ${sha256}.`)
    await blobs.receive({ sha256, sizeBytes: bytes.length }, 0, once(bytes))
  }
  return {
    name: 'blobs',
    hasItem: async (key) => (await stat(blobs.fileOf(key)).catch(absent)) !== null,
    getItem: async (key) => (await read(key))?.toString('utf8') ?? null,
    getItemRaw: read,
    setItem: write,
    setItemRaw: write,
    removeItem: (key) => blobs.remove(key),
    async getMeta(key) {
      const found = await stat(blobs.fileOf(key)).catch(absent)
      return found && { mtime: found.mtime, size: found.size }
    },
    getKeys: async () => (await blobs.list()).filter(({ isPart }) => !isPart).map(({ sha256 }) => sha256),
  }
}

// --- internal ---

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

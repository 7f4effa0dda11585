import { crc32 } from 'node:zlib'
import { Redis } from 'ioredis'
import { defineDriver } from 'unstorage'
import type { Damage } from './atomic-fs.ts'

export interface RedisOptions {
  /** Such as `redis://:password@host:6379/0`. */
  url: string
  onDamaged?: (damage: Damage) => void
}

/** Every key's beginning, so that a Redis may hold other things as well. */
const base = 'pellet:'
const connectTimeoutMs = 2000
/** A Redis that does not answer in this time is taken for away. */
const commandTimeoutMs = 1000

/**
 * A Redis driver for unstorage whose reads give the bytes that were written, or nothing. unstorage's own writes them as
 * base64 and waits without end for a Redis that is away (unstorage 1.17.6, drivers/redis.mjs); here every call fails at
 * once until the connection is there again. A value is a CRC-32 of key and bytes (4 bytes, big-endian) and then the bytes.
 */
export const redis = defineDriver(({ url, onDamaged }: RedisOptions) => {
  const client = new Redis(url, {
    connectTimeout: connectTimeoutMs,
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 200, 5000),
  })
  let reason = 'it is away'
  client.on('error', (error) => (reason = error.message))
  // The first connection is waited for, however it goes: what is asked at start should not fail for being early.
  const connected = new Promise<void>((resolve) => {
    for (const event of ['ready', 'error', 'close']) client.once(event, () => resolve())
  })

  async function asked<Value>(work: () => Promise<Value>): Promise<Value> {
    await connected
    if (client.status !== 'ready')
      throw new Error(`${nameOf(url)}: expected a Redis that answers, found none (${reason})`)
    try {
      return await work()
    } catch (error) {
      const { message } = error as Error
      // One that hangs would make every request wait. It is asked again once it says that it is ready.
      if (message === 'Command timed out') client.disconnect(true)
      throw new Error(`${nameOf(url)}: ${message}`, { cause: error })
    }
  }

  const read = (key: string) =>
    asked(async () => {
      const packed = await client.getBuffer(base + key)
      const bytes = packed && unpack(key, packed)
      // Of several who find it at the same time the one who removes it tells.
      if (packed && !bytes && (await client.unlink(base + key)) > 0)
        onDamaged?.({ file: nameOf(url), key, reason: 'its checksum does not match' })
      return bytes
    })
  const write = (key: string, value: string | Uint8Array, { ttl }: { ttl?: number } = {}) =>
    asked(async () => {
      const packed = pack(key, typeof value === 'string' ? Buffer.from(value) : value)
      await (ttl === undefined ? client.set(base + key, packed) : client.set(base + key, packed, 'EX', Math.ceil(ttl)))
    })
  const keys = (prefix: string) =>
    asked(async () => {
      const found = new Set<string>()
      let cursor = '0'
      do {
        const [next, some] = await client.scan(cursor, 'MATCH', `${escapeGlob(base + prefix)}*`, 'COUNT', 1000)
        for (const key of some) found.add(key.slice(base.length))
        cursor = next
      } while (cursor !== '0')
      return [...found]
    })

  return {
    name: 'redis-bytes',
    hasItem: async (key) => (await read(key)) !== null,
    getItem: async (key) => (await read(key))?.toString('utf8') ?? null,
    getItemRaw: read,
    setItem: write,
    setItemRaw: write,
    removeItem: (key) => asked(async () => void (await client.unlink(base + key))),
    /** `ttl`: seconds that are left. */
    getMeta: (key) =>
      asked(async () => {
        const [size, ttlMs] = await Promise.all([client.strlen(base + key), client.pttl(base + key)])
        return size === 0 ? null : { size: size - checksumBytes, ...(ttlMs >= 0 && { ttl: ttlMs / 1000 }) }
      }),
    getKeys: (prefix) => keys(prefix),
    clear: async (prefix) => {
      for (const key of await keys(prefix)) await asked(() => client.unlink(base + key))
    },
    dispose: () => client.disconnect(),
  }
})

// --- internal ---

const checksumBytes = 4

function pack(key: string, bytes: Uint8Array): Buffer {
  const packed = Buffer.allocUnsafe(checksumBytes + bytes.length)
  packed.writeUInt32BE(sumOf(key, bytes))
  packed.set(bytes, checksumBytes)
  return packed
}

/** Null where the bytes are not what was written. */
function unpack(key: string, packed: Buffer): Buffer | null {
  const bytes = packed.subarray(checksumBytes)
  return packed.length >= checksumBytes && packed.readUInt32BE() === sumOf(key, bytes) ? bytes : null
}

/** The key has a part in it: what lies in another's place is damaged too. */
function sumOf(key: string, bytes: Uint8Array): number {
  return crc32(bytes, crc32(key))
}

function escapeGlob(text: string): string {
  return text.replaceAll(/[\\*?[\]]/g, '\\$&')
}

/** Without user and password. */
function nameOf(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

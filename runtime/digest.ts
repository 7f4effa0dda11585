import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

/** Hex sha256 of a file. */
export async function sha256File(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** `read`, but a file that has not changed since this process read it last is not read again. */
export function oncePerFile<T>(read: (file: string) => Promise<T>): (file: string) => Promise<T> {
  const known = new Map<string, { identity: string; value: T }>()
  return async (file) => {
    const before = await identityOf(file)
    const last = known.get(file)
    if (last?.identity === before) return last.value
    const value = await read(file)
    if ((await identityOf(file)) === before) known.set(file, { identity: before, value })
    else known.delete(file)
    return value
  }
}

/** As `sha256File`, once per file. */
export const knownSha256 = oncePerFile(sha256File)

// --- internal ---

async function identityOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file)
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ')
}

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

/** Hex sha256 of a file. */
export async function sha256File(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** As `sha256File`, but a file that has not changed since this process read it last is not read again. */
export async function knownSha256(file: string): Promise<string> {
  const before = await identityOf(file)
  const known = digests.get(file)
  if (known?.identity === before) return known.digest
  const digest = await sha256File(file)
  if ((await identityOf(file)) === before) digests.set(file, { identity: before, digest })
  else digests.delete(file)
  return digest
}

// --- internal ---

const digests = new Map<string, { identity: string; digest: string }>()

async function identityOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file)
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ')
}

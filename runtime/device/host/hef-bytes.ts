import { readFile } from 'node:fs/promises'
import { webcrypto } from 'node:crypto'
import type { LoadRequest } from '../protocol.ts'
import { DeviceError } from './device-error.ts'

/**
 * The HEF of a load, hashed off this thread, which serves frames.
 * @throws DeviceError `load_failed` when it is not there, or another than was deployed
 */
export async function readHef({ name, file, sha256 }: LoadRequest): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new DeviceError(
      'load_failed',
      `${name}: its HEF cannot be read (${error.code}); put it back, or deploy it again`,
    )
  })
  const digest = Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex')
  if (digest === sha256) return bytes
  throw new DeviceError(
    'load_failed',
    `${name}: expected the HEF that was deployed (sha256 ${sha256.slice(0, 12)}...), found another (${digest.slice(0, 12)}...); put it back, or deploy it again`,
  )
}

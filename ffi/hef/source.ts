import type { FileHandle } from 'node:fs/promises'
import { HefError } from './hef-error.ts'

/** Bytes that are read where they are wanted, so that the weights of a HEF never lie in memory. */
export interface HefSource {
  readonly sizeBytes: number
  /** `end` lies within the source. @throws HefError where it has become shorter */
  read(start: number, end: number): Promise<Uint8Array>
}

export function sourceOfBytes(bytes: Uint8Array): HefSource {
  return { sizeBytes: bytes.length, read: async (start, end) => bytes.subarray(start, end) }
}

/** An open file, which stays the caller's. */
export function sourceOfFile(file: FileHandle, sizeBytes: number): HefSource {
  return {
    sizeBytes,
    async read(start, end) {
      const bytes = Buffer.allocUnsafe(end - start)
      for (let length = 0; length < bytes.length;) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, start + length)
        if (bytesRead === 0)
          throw new HefError(`expected ${sizeBytes} bytes, found ${start + length}: the file changes while it is read`)
        length += bytesRead
      }
      return bytes
    },
  }
}

import { readSync } from 'node:fs'
import { HefError } from './hef-error.ts'

/** Bytes that are read where they are wanted, so that the weights of a HEF never lie in memory. */
export interface HefSource {
  readonly sizeBytes: number
  /** `end` lies within the source. @throws HefError where it has become shorter */
  read(start: number, end: number): Uint8Array
}

export function sourceOfBytes(bytes: Uint8Array): HefSource {
  return { sizeBytes: bytes.length, read: (start, end) => bytes.subarray(start, end) }
}

/** An open file, which stays the caller's. */
export function sourceOfFile(fd: number, sizeBytes: number): HefSource {
  return {
    sizeBytes,
    read(start, end) {
      const bytes = Buffer.allocUnsafe(end - start)
      for (let length = 0; length < bytes.length;) {
        const read = readSync(fd, bytes, length, bytes.length - length, start + length)
        if (read === 0)
          throw new HefError(`expected ${sizeBytes} bytes, found ${start + length}: the file changes while it is read`)
        length += read
      }
      return bytes
    },
  }
}

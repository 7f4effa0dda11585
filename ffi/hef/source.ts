import { readSync } from 'node:fs'
import { HefError } from './hef-error.ts'

/** Bytes that are read where they are wanted, so that the weights of a HEF never lie in memory. */
export interface HefSource {
  readonly sizeBytes: number
  /** `end` lies within the source. The bytes hold until the next call. @throws HefError where it has become shorter */
  read(start: number, end: number): Uint8Array
}

export function sourceOfBytes(bytes: Uint8Array): HefSource {
  return { sizeBytes: bytes.length, read: (start, end) => bytes.subarray(start, end) }
}

/** An open file, which stays the caller's. */
export function sourceOfFile(fd: number, sizeBytes: number): HefSource {
  // Memory outside the heap is given back late: one chunk serves a whole file.
  const chunk = Buffer.allocUnsafe(chunkBytes)
  return {
    sizeBytes,
    read(start, end) {
      const bytes = end - start > chunkBytes ? Buffer.allocUnsafe(end - start) : chunk.subarray(0, end - start)
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

/** What is read at once where a file is read from end to end. */
export const chunkBytes = 1 << 18

import { isAscii } from 'node:buffer'
import { getHeapStatistics } from 'node:v8'
import { PelletError } from '../../errors.ts'
import { formatBytes } from '../../units.ts'
import { Turnstile } from './turnstile.ts'

/**
 * What bodies of text may become at a time, in bytes. A JavaScript heap that is full ends the whole process, with all other
 * requests in it: 30 MB of `[],` would be a gigabyte of empty lists. The rest of the heap is for what is made of them.
 */
export const heapRoomBytes = Math.floor(getHeapStatistics().heap_size_limit * 0.6)

/** What is smaller harms nobody, and is not looked at. */
export const smallBytes = 256 * 1024

/**
 * Waits until the heap has room for so much; what it gives returns that.
 * @throws PelletError `payload_too_large` for more than there ever is
 */
export async function takeHeap(bytes: number): Promise<() => void> {
  if (bytes > heapRoomBytes)
    throw new PelletError(
      'payload_too_large',
      `body: expected text that becomes at most ${formatBytes(heapRoomBytes)} in memory (limits.heap), found more; send less, or send pictures as files`,
    )
  await turn.enter(bytes)
  return () => turn.leave(bytes)
}

/** What a text takes while it is read: itself, and the parts that are copied out of it. */
export function textBytes(body: Buffer): number {
  // V8 keeps a text that has anything beyond Latin-1 with two bytes for each character.
  return body.length * (isAscii(body) ? 2 : 4)
}

// --- internal ---

const turn = new Turnstile(heapRoomBytes)

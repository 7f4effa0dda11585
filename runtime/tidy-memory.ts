import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { trimHeap } from '../ffi/libc.ts'

/** How long after the last isolate's end main gives its own memory back. */
const tidyAfterMs = 1000
/** How often it looks whether it may, where isolates stay. */
const lookEveryMs = 5000
/** Main is quiet when it had so little to do since the last look. */
const quietShare = 0.01
/** What it may hold beyond what it had at the start. */
const spareBytes = 10 * 2 ** 20
/** What is still there right after was in use: no use in trying again soon. */
const againAfterMs = 60_000

/** What is seen of a process, and done about it. */
export interface MemoryHands {
  now(): number
  residentBytes(): number
  /** Share of the time since it was asked last in which the process had something to do, 0 to 1. */
  busyShare(): number
  tidy(): void
}

/**
 * Gives memory back in quiet moments as well while isolates stay loaded: one that is kept for ever would else keep main at what its
 * busiest minute took.
 * @returns what to call again and again
 */
export function createMemoryWatch({ now, residentBytes, busyShare, tidy }: MemoryHands): () => void {
  const idleBytes = residentBytes()
  let notBefore = -Infinity
  return () => {
    // Asked in any case: it counts from the last time.
    const isQuiet = busyShare() < quietShare
    if (!isQuiet || now() < notBefore || residentBytes() < idleBytes + spareBytes) return
    notBefore = now() + againAfterMs
    tidy()
  }
}

/** Does so with this very process, until it ends. */
export function watchMemory(): void {
  let last = performance.eventLoopUtilization()
  const busyShare = () => {
    const before = last
    last = performance.eventLoopUtilization()
    return performance.eventLoopUtilization(last, before).utilization
  }
  const { rss } = process.memoryUsage
  const look = createMemoryWatch({
    now: () => performance.now(),
    residentBytes: () => rss(),
    busyShare,
    tidy: tidyMemory,
  })
  setInterval(look, lookEveryMs).unref()
}

/**
 * What to call when all has become quiet: soon, not at once, for the last answer may still be on its way, and the next
 * request too.
 * @param isQuiet whether it still is by then
 */
export function createTidier(isQuiet: () => boolean): () => void {
  let timer: NodeJS.Timeout | undefined
  return () => {
    clearTimeout(timer)
    timer = setTimeout(() => isQuiet() && tidyMemory(), tidyAfterMs).unref()
  }
}

// --- internal ---

/**
 * Gives what bodies left behind back to the system. V8 collects when it needs room, and glibc keeps freed blocks below
 * others; a main process that has nothing to do would hold 30 MB for hours after a busy minute with large pictures
 * (measured after 24 pictures of 1920x1080: 94 MB, 67 MB after this, 65 MB at the start). Takes about 20 ms: only for moments without requests.
 */
function tidyMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  trimHeap()
}

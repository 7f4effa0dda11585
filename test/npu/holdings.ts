import { readFileSync, readdirSync } from 'node:fs'
import { rssOf } from '../support/process.ts'

/** What a process holds. */
export interface Holdings {
  rssBytes: number
  /** Open files, sockets and pipes. */
  handles: number
  threads: number
}

/** Undefined for a process that is gone, or about to. */
export function holdingsOf(pid: number): Holdings | undefined {
  try {
    return {
      rssBytes: rssOf(pid),
      handles: readdirSync(`/proc/${pid}/fd`).length,
      threads: Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]),
    }
  } catch {
    return undefined
  }
}

/** What grew, and must not. */
export function grown(name: string, before: Holdings, after: Holdings): string[] {
  const isMore =
    after.rssBytes > before.rssBytes + mostBytes ||
    after.handles > before.handles + mostHandles ||
    after.threads > before.threads + mostThreads
  return isMore ? [`${name} grew: ${shown(before)}, then ${shown(after)}`] : []
}

/** The most of each at any time. */
export function most(all: Holdings[]): Holdings {
  const of = (key: keyof Holdings) => Math.max(...all.map((one) => one[key]))
  return { rssBytes: of('rssBytes'), handles: of('handles'), threads: of('threads') }
}

export function shown({ rssBytes, handles, threads }: Holdings): string {
  return `${(rssBytes / 2 ** 20).toFixed(0)} MB, ${handles} handles, ${threads} threads`
}

// --- internal ---

/** V8 takes what it needs for its garbage in steps of up to 15 MB; 2,000 loads after such a step nothing more had come. */
const mostBytes = 20 * 2 ** 20
/** Connections come and go. */
const mostHandles = 4
/** So does the thread of the simulated device. */
const mostThreads = 1

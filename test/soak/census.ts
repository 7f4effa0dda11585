import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { proportionalBytes } from '../../runtime/isolate/memory.ts'
import type { RunningPellet } from '../support/pellet.ts'
import { childrenOf, rssOf } from '../support/process.ts'

/** What there is at one moment. */
export interface Sample {
  /** Milliseconds since the first. */
  atMs: number
  mainBytes: number
  /** Proportional sizes of all isolates, together. */
  isolateBytes: number
  /** What Pellet believes that to be. */
  countedBytes: number
  /** Processes of isolates, those that are loading or on their way out too. */
  isolates: number
  /** Deployments that `pellet ps` calls ready. */
  ready: number
}

/** Looks again and again, until it is told to end. */
export function takeSamples(pellet: RunningPellet, everyMs: number): { samples: Sample[]; end(): Promise<void> } {
  const samples: Sample[] = []
  const startedAt = performance.now()
  const over = new AbortController()
  const taking = (async () => {
    while (!over.signal.aborted && !pellet.hasEnded()) {
      const atMs = performance.now() - startedAt
      const pids = isolatesOf(pellet.pid)
      const sizes = await Promise.all(pids.map(proportionalBytes))
      const rows = Object.values(await pellet.ps())
      samples.push({
        atMs,
        mainBytes: rssOf(pellet.pid),
        isolateBytes: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0),
        countedBytes: rows.reduce((sum, row) => sum + row.memory_bytes, 0),
        isolates: pids.length,
        ready: rows.filter(({ state }) => state === 'ready').length,
      })
      await pause(everyMs, undefined, { signal: over.signal }).catch(() => {})
    }
  })()
  return {
    samples,
    end() {
      over.abort()
      return taking
    },
  }
}

/** Process ids of the living isolates: main has other children too. */
export function isolatesOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => {
    try {
      return readFileSync(`/proc/${child}/cmdline`, 'latin1').includes('isolate/child/main')
    } catch {
      return false
    }
  })
}

/** Open files of a process, by what they are: sockets are only counted. */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((number) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${number}`).replace(/:\[\d+\]/, '')
    } catch {
      return []
    }
  })
}

import { readFile } from 'node:fs/promises'

/**
 * Resident size of a process in bytes, shared pages counted in full; cheap. Undefined where there is no /proc (macOS),
 * or no such process any more. Read as kilobytes: the page counts of statm would need the page size, which is 16 KB on a Pi 5.
 */
export function residentBytes(pid: number): Promise<number | undefined> {
  return kilobytesIn(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m)
}

/**
 * Proportional set size in bytes (shared pages divided among those who share them): what ending the process gives back.
 * The kernel walks all pages for it: about a millisecond for 100 MB.
 */
export function proportionalBytes(pid: number): Promise<number | undefined> {
  return kilobytesIn(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB$/m)
}

// --- internal ---

async function kilobytesIn(file: string, pattern: RegExp): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const kilobytes = pattern.exec(text)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface FoundProcess {
  pid: number
  command: string
}

export interface Search {
  /** Process group. */
  group: number
  /** A text of their environment that nothing else has: finds those that left the group (setsid). */
  marker: string
  /** How long processes that are being killed may take to vanish. */
  waitMs: number
}

/** Living processes of a test file, once they had `waitMs` to vanish. Zombies are dead. Without /proc: none is seen. */
export async function leftBehind({ group, marker, waitMs }: Search): Promise<FoundProcess[]> {
  const until = performance.now() + waitMs
  for (;;) {
    const found = find(group, marker)
    if (found.length === 0 || performance.now() >= until) return found
    await sleep(20)
  }
}

/** Is this process there, and more than a zombie? Needs /proc. */
export function isAlive(pid: number): boolean {
  const stat = readStat(pid)
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X'
}

// --- internal ---

function find(group: number, marker: string): FoundProcess[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  const found: FoundProcess[] = []
  for (const name of names) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const stat = readStat(pid)
    if (stat === undefined || stat.state === 'Z' || stat.state === 'X') continue
    if (stat.group !== group && !read(`/proc/${pid}/environ`).includes(marker)) continue
    found.push({ pid, command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() })
  }
  return found
}

/** proc(5): `pid (comm) state ppid pgrp ...`; comm may hold anything, so the fields begin behind the last bracket. */
function readStat(pid: number): { state: string; group: number } | undefined {
  const text = read(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] ? { state: fields[0], group: Number(fields[2]) } : undefined
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { childrenOf, rssOf } from '../support/process.ts'
import type { RunningPellet } from '../support/pellet.ts'

/** What a Pellet holds at a quiet moment. */
export interface Holdings {
  mainBytes: number
  /** Of all isolates together. */
  isolateBytes: number
  isolates: number
  /** Open files and sockets of main. */
  descriptors: number
  /** Files in its data folder, and of its sockets. */
  files: string[]
  crashes: number
}

export async function look(pellet: RunningPellet): Promise<Holdings> {
  const children = childrenOf(pellet.pid)
  const rows = Object.values(await pellet.ps())
  return {
    mainBytes: rssOf(pellet.pid),
    isolateBytes: children.reduce((sum, pid) => sum + rssOf(pid), 0),
    isolates: children.length,
    descriptors: readdirSync(`/proc/${pellet.pid}/fd`).length,
    // Kept results are there on purpose, and bounded.
    files: readdirSync(join(pellet.folder, '.pellet'), { recursive: true, encoding: 'utf8' })
      .filter((file) => !/(^|\/)(jobs|results)\b/.test(file))
      .sort(),
    crashes: rows.reduce((sum, { crashes }) => sum + crashes, 0),
  }
}

/** Unloads everything and waits until main has given back what it can. */
export async function settle(pellet: RunningPellet): Promise<void> {
  for (const [name, row] of Object.entries(await pellet.ps())) {
    await pellet.rowWhen(name, ({ in_flight, queued }) => in_flight + queued === 0)
    if (row.state !== 'cold') await pellet.admin('POST', `/api/deployments/${name}/unload`)
    await pellet.rowWhen(name, ({ state }) => state === 'cold')
  }
  // Main tidies a second after the last isolate's end, on a busy machine later, and kept results are swept.
  let least = Infinity
  for (let quiet = 0; quiet < 4; quiet++) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const bytes = rssOf(pellet.pid)
    if (bytes < least - 2 ** 20) quiet = 0
    least = Math.min(least, bytes)
  }
}

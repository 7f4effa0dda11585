import { readdir, readFile, readlink } from 'node:fs/promises'

/** Who listens on a TCP port. */
export interface PortHolder {
  pid: number
  /** Name of the program, e.g. `python3`. */
  program: string
  /** Its systemd unit, where it is a service, e.g. `hailo-scrfd.service`. */
  unit?: string
}

/** Finds out who listens on a port, as far as this user may see; undefined elsewhere than on Linux. Takes some milliseconds. */
export async function findHolder(port: number): Promise<PortHolder | undefined> {
  try {
    const tables = await Promise.all(
      ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
    )
    const sockets = new Set(tables.flatMap((table) => listeners(table, port)).map((inode) => `socket:[${inode}]`))
    const pids = sockets.size === 0 ? [] : (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
    for (const pid of pids) if (await holdsOne(pid, sockets)) return await describe(pid)
  } catch {
    // It may have ended meanwhile, or there is no /proc.
  }
  return undefined
}

// --- internal ---

/** Inodes of the sockets that listen on a port: columns are sl, local_address, rem_address, st (0A: listening), ..., inode. */
function listeners(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/))
  return rows.filter((row) => row[1]?.endsWith(suffix) && row[3] === '0A').map((row) => row[9]!)
}

async function holdsOne(pid: string, sockets: Set<string>): Promise<boolean> {
  // Other users' processes do not show their files.
  const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const links = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))
  return links.some((link) => sockets.has(link))
}

async function describe(pid: string): Promise<PortHolder> {
  const program = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim()
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')
  const unit = /\/([^/\n]+\.service)$/m.exec(groups)?.[1]
  return { pid: Number(pid), program, ...(unit !== undefined && { unit }) }
}

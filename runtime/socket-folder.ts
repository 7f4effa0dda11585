import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callsSocketName } from './isolate/calls.ts'

/** A socket's path may have 107 bytes; what is longer than this does not fit below a data folder that lies deep. */
const longestSocketFolder = 90

/** Where the sockets of a Pellet on this data folder lie, of isolates and of its own. */
export function socketFolderOf(dataFolder: string): string {
  const inside = join(dataFolder, 'run')
  if (Buffer.byteLength(inside) <= longestSocketFolder) return inside
  const digest = createHash('sha256').update(dataFolder).digest('hex').slice(0, 16)
  return join(tmpdir(), `pellet-${process.getuid?.() ?? 0}-${digest}`)
}

/**
 * Makes a folder that only this user can enter, empty: sockets that a crash left in it are removed.
 * @throws Error when somebody else's folder stands in its place
 */
export function createPrivateFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const stat = lstatSync(folder)
  if (!stat.isDirectory() || stat.uid !== (process.getuid?.() ?? stat.uid))
    throw new Error(`${folder}: expected a folder of our own, found something else; remove it`)
  chmodSync(folder, 0o700)
}

/** Whether a Pellet runs on this data folder, however busy it is. */
export function isInUse(dataFolder: string): Promise<boolean> {
  return isAnswered(join(socketFolderOf(dataFolder), callsSocketName))
}

/** Whether some process listens on a unix socket. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

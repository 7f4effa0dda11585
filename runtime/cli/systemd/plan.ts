import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { installedFiles, limitsPath, unitPath, type InstalledFile, type Limits, type Places } from './files.ts'

export interface Step {
  what: 'write' | 'keep' | 'remove' | 'run'
  /** A path below the root, or a command. */
  target: string
  why?: string
  content?: string
  command?: string[]
}

export interface PlanOptions {
  /** Of the tree: `/`, or the folder of an image. */
  root: string
  places: Places
  /** undefined: as installed, or those of a board. */
  limits?: Limits | undefined
}

/** What an installation does, in order. Nothing is done here. */
export function planInstall({ root, places, limits }: PlanOptions): Step[] {
  const found = (path: string) => contentOf(join(root, path))
  const files = installedFiles(places, limits ?? 'board')
  const writes = files.map((file) => toStep(file, found(file.path), limits === undefined))
  if (limits === 'none' && found(limitsPath) !== undefined) writes.push({ what: 'remove', target: limitsPath })
  const units = ['pellet.socket', 'pellet.service']
  if (root !== '/') return [...writes, run('systemctl', `--root=${root}`, 'enable', ...units)]
  const isNewSocket = writes.some(({ what, target }) => what === 'write' && target === unitPath('pellet.socket'))
  return [
    ...writes,
    run('systemd-sysusers', '/etc/sysusers.d/pellet.conf'),
    run('systemd-tmpfiles', '--create', '/etc/tmpfiles.d/pellet.conf'),
    ...reloadUdev(),
    run('systemctl', 'daemon-reload'),
    run('systemctl', 'enable', ...units),
    // While the socket is open, a service that restarts refuses nobody; a socket that is another must be closed first.
    ...(isNewSocket && found(unitPath('pellet.socket')) !== undefined ? [run('systemctl', 'stop', ...units)] : []),
    run('systemctl', 'start', 'pellet.socket'),
    run('systemctl', 'restart', 'pellet.service'),
  ]
}

/** What makes an installation undone. Configuration, data and the user stay. */
export function planUninstall({ root, places }: PlanOptions): Step[] {
  const units = ['pellet.service', 'pellet.socket']
  const files = installedFiles(places, 'board').filter(({ path }) => existsSync(join(root, path)))
  const ours = files.filter(({ isTheirs }) => !isTheirs)
  if (ours.length === 0) return []
  const kept = ['/etc/pellet', '/var/lib/pellet'].filter((path) => existsSync(join(root, path)))
  const isRoot = root === '/'
  const disable = run('systemctl', ...(isRoot ? ['disable', '--now'] : [`--root=${root}`, 'disable']), ...units)
  return [
    // It fails where none of them is there.
    ...(units.some((unit) => existsSync(join(root, unitPath(unit)))) ? [disable] : []),
    ...ours.map(({ path }): Step => ({ what: 'remove', target: path })),
    ...kept.map((path): Step => ({ what: 'keep', target: path, why: 'yours; so is the user pellet' })),
    ...(isRoot ? [...reloadUdev(), run('systemctl', 'daemon-reload')] : []),
  ]
}

/** What a file holds; undefined where there is none. */
export function contentOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

// --- internal ---

function toStep({ path, content, isTheirs }: InstalledFile, found: string | undefined, keepsLimits: boolean): Step {
  if (found === content) return { what: 'keep', target: path, why: 'unchanged' }
  const isKept = found !== undefined && (isTheirs || (keepsLimits && path === limitsPath))
  if (isKept) return { what: 'keep', target: path, why: isTheirs ? 'yours' : 'as chosen before; --limits chooses anew' }
  return { what: 'write', target: path, content, ...(found !== undefined && { why: 'another is there' }) }
}

function reloadUdev(): Step[] {
  if (!existsSync('/run/udev')) return []
  const classes = ['hailo_chardev', 'hailo1x'].map((name) => `--subsystem-match=${name}`)
  return [run('udevadm', 'control', '--reload'), run('udevadm', 'trigger', ...classes)]
}

function run(...command: string[]): Step {
  return { what: 'run', target: command.join(' '), command }
}

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Which of the drop-ins in systemd/pellet.service.d is used. */
export const limits = ['board', 'strict', 'none'] as const
export type Limits = (typeof limits)[number]

/** A file that an installation consists of. */
export interface InstalledFile {
  /** From the root of the tree, e.g. `/etc/systemd/system/pellet.service`. */
  path: string
  content: string
  /** What an administrator changes: it is written where there is none, and stays. */
  isTheirs?: true
}

export interface Places {
  /** The program that runs Pellet. */
  node: string
  /** Where Pellet itself is: the folder with its package.json. */
  pellet: string
}

/** Of the process that asks. */
export function ownPlaces(): Places {
  return { node: process.execPath, pellet: fileURLToPath(new URL('../../../../', import.meta.url)).replace(/\/$/, '') }
}

/** All files, with the paths of this installation in them. */
export function installedFiles(places: Places, chosen: Limits): InstalledFile[] {
  const file = (path: string, source: string): InstalledFile => ({ path, content: render(source, places) })
  return [
    file(unitPath('pellet.service'), 'pellet.service'),
    file(unitPath('pellet.socket'), 'pellet.socket'),
    ...(chosen === 'none' ? [] : [file(limitsPath, `pellet.service.d/${chosen}.conf`)]),
    file('/etc/sysusers.d/pellet.conf', 'sysusers.conf'),
    file('/etc/tmpfiles.d/pellet.conf', 'tmpfiles.conf'),
    // After 51-hailo-udev.rules, which Hailo's packages bring.
    file('/etc/udev/rules.d/60-pellet.rules', 'udev.rules'),
    { ...file('/etc/pellet/pellet.yaml', 'pellet.yaml'), isTheirs: true },
  ]
}

export function unitPath(unit: string): string {
  return `/etc/systemd/system/${unit}`
}

/** A drop-in of one's own goes beside it. */
export const limitsPath = unitPath('pellet.service.d/10-limits.conf')

// --- internal ---

function render(source: string, { node, pellet }: Places): string {
  const text = readFileSync(new URL(`../../../../systemd/${source}`, import.meta.url), 'utf8')
  // A per cent sign begins a specifier in units.
  const inUnit = (path: string) => path.replaceAll('%', '%%')
  return text.replaceAll('@NODE@', () => inUnit(node)).replaceAll('@PELLET@', () => inUnit(pellet))
}

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { installedFiles, limits, limitsPath, unitPath, type Limits, type Places } from './files.ts'
import { contentOf } from './plan.ts'

export interface FileRow {
  path: string
  /** `differs`: this version of Pellet would write another, or it was changed by hand. */
  state: 'as this version' | 'differs' | 'absent' | 'yours'
}

export interface UnitRow {
  unit: string
  /** As systemd has it: active, inactive, failed; `unknown` where no systemd answers. */
  active: string
  enabled: string
  /** What Pellet says of itself. */
  status: string
}

export interface InstallationStatus {
  files: FileRow[]
  limits: Limits | 'other'
  units: UnitRow[]
  /** What `systemd-analyze security` gives, 0 (best) to 10; null where it cannot be had. */
  exposure: number | null
  isWell: boolean
}

/** What is installed below a root, whether it is of this version, and whether it runs. */
export function readStatus(root: string, places: Places): InstallationStatus {
  const chosen = findLimits(root, places)
  const files = installedFiles(places, chosen === 'other' ? 'none' : chosen).map(
    ({ path, content, isTheirs }): FileRow => {
      const found = contentOf(join(root, path))
      if (found === undefined) return { path, state: 'absent' }
      if (isTheirs) return { path, state: 'yours' }
      return { path, state: found === content ? 'as this version' : 'differs' }
    },
  )
  const units = root === '/' ? ['pellet.socket', 'pellet.service'].map(readUnit) : []
  const isWhole = files.every(({ state }) => state === 'as this version' || state === 'yours')
  return {
    files,
    limits: chosen,
    units,
    exposure: readExposure(join(root, unitPath('pellet.service'))),
    isWell: isWhole && units.every(({ active }) => active === 'active'),
  }
}

// --- internal ---

function findLimits(root: string, places: Places): Limits | 'other' {
  const found = contentOf(join(root, limitsPath))
  if (found === undefined) return 'none'
  const isFound = (one: Limits) => installedFiles(places, one).some((file) => file.content === found)
  return limits.find((one) => one !== 'none' && isFound(one)) ?? 'other'
}

function readUnit(unit: string): UnitRow {
  const output = ask('systemctl', 'show', '--property=ActiveState,UnitFileState,StatusText', unit)
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(output)?.[1] ?? ''
  return {
    unit,
    active: value('ActiveState') || 'unknown',
    enabled: value('UnitFileState') || 'unknown',
    status: value('StatusText'),
  }
}

/** Of the unit with its drop-ins. */
function readExposure(path: string): number | null {
  if (!existsSync(path)) return null
  const output = ask('systemd-analyze', 'security', '--no-pager', '--offline=true', path)
  const level = /exposure level .*: ([\d.]+)/.exec(output)?.[1]
  return level === undefined ? null : Number(level)
}

/** What a command prints; nothing where it fails or is absent. */
function ask(name: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(name, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  return status === 0 ? stdout : ''
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Project folder of the Pellet that `pellet systemd install` makes. */
export const installedRoot = '/etc/pellet'

/** Whether flags or the environment say which project is meant. */
export function isProjectNamed(args: Record<string, unknown>, env = process.env): boolean {
  return ['root', 'config', 'data'].some((name) => args[name] !== undefined || env[`PELLET_${name.toUpperCase()}`])
}

/** Whether this machine has an installed Pellet that this user may ask about. */
export function isInstalled(root = installedRoot): boolean {
  return existsSync(join(root, 'pellet.yaml'))
}

/** Whether a folder is a project, be it an empty one that Pellet once ran in. */
export function isProject(folder: string): boolean {
  return ['pellet.yaml', 'functions', 'manifests', '.pellet'].some((name) => existsSync(join(folder, name)))
}

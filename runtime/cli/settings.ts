import { existsSync } from 'node:fs'
import { adminSocketPath, ConfigError, loadConfig, type Config } from '../config.ts'
import { CliError } from './cli-error.ts'
import { installedRoot, isInstalled, isProject, isProjectNamed } from './installed.ts'

/** Flags that say which project is meant; every command has them. */
export const projectArgs = {
  root: { type: 'string', description: 'Project folder (default: this folder)', valueHint: 'folder' },
  config: {
    type: 'string',
    description: 'Configuration file, relative to the project (default: pellet.yaml)',
    valueHint: 'file',
  },
  data: { type: 'string', description: 'Data folder (default: .pellet)', valueHint: 'folder' },
} as const

/** @throws CliError (2) when the configuration is wrong */
export async function readConfig(args: Record<string, unknown>): Promise<Config> {
  try {
    return await loadConfig(args)
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(error.message, 2)
    throw error
  }
}

/**
 * As `readConfig`, of the project that is meant: the one that flags name, else the current folder where that is a project,
 * else the installed Pellet's.
 */
export function readConfigOrInstalled(args: Record<string, unknown>, root = installedRoot): Promise<Config> {
  const isMeant = isProjectNamed(args) || isProject('.') || !isInstalled(root)
  return readConfig(isMeant ? args : { ...args, root })
}

/** The admin socket of the project, or of the installed Pellet where none runs in the current folder. */
export async function readSocketPath(args: Record<string, unknown>, root = installedRoot): Promise<string> {
  const path = adminSocketPath(await readConfig(args))
  if (isProjectNamed(args) || existsSync(path) || !isInstalled(root)) return path
  return adminSocketPath(await readConfig({ ...args, root }))
}

import { adminSocketPath, ConfigError, loadConfig, type Config } from '../config.ts'
import { CliError } from './cli-error.ts'

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

export async function readSocketPath(args: Record<string, unknown>): Promise<string> {
  return adminSocketPath(await readConfig(args))
}

import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { HailoChip } from '../ffi/hef/arch.ts'
import { settings } from './config-keys.ts'
import type { LogLevel } from './log.ts'

/** Where things are and how much of everything there may be. From `pellet.yaml`, `PELLET_*` and flags, in rising order. */
export interface Config {
  /** Folder that all other paths are relative to. */
  root: string
  host: string
  port: number
  /** Bind beyond loopback although every caller there may then use the functions. */
  public: boolean
  /** Ask for a token on loopback, too. */
  requireToken: boolean
  functionsFolder: string
  manifestsFolder: string
  modelsFolder: string
  /** What models were fetched, pinned by their sha256: `pellet.lock`. */
  lockFile: string
  /** Bundles, descriptions, the admin socket. */
  dataFolder: string
  /** Where the admin socket is; empty: in the data folder. */
  socketPath: string
  /** Memory for all loaded isolates together, in bytes. */
  memoryBytes: number
  /** The longest that `X-Keep-Alive` may ask for; -1: any. */
  maxKeepAliveMs: number
  /** Bytes of requests that may be under way at once, over all deployments. */
  maxBytesInFlight: number
  /** How long the results of jobs are kept; -1: until there is no room for them. */
  resultsTtlMs: number
  /** Bytes of results of jobs that are kept; beyond them the oldest goes. */
  resultsMaxBytes: number
  /** How long a stop waits for requests under way. */
  graceMs: number
  /** Hosts, host:port or networks (CIDR) that a picture URL may name; `*` for every public host. Empty: none. */
  allowUrls: string[]
  /** Where kept answers are: `fs` (in the data folder), `memory`, or the URL of a Redis. */
  cacheStore: string
  /** Kept answers of all deployments together, in bytes. */
  cacheMaxBytes: number
  /** Fetch models that are missing and whose licence was accepted, while Pellet serves. */
  fetch: boolean
  /** Licences that are accepted, by their names, without being shown. */
  acceptLicences: string[]
  /** Other places for files of models: what stands there for the beginning of a URL. */
  mirrors: Record<string, string[]>
  logLevel: LogLevel
  /** Which NPU: the machine's, none, or a simulated one. */
  hailort: HailortSetting
  /** The id of the NPU; empty: any. */
  deviceId: string
  /** HailoRT's group: programs of one share a device where HailoRT can; empty: HailoRT's version decides. */
  deviceGroup: string
  /** After so long a frame on the NPU is given up. */
  deviceFrameTimeoutMs: number
  /** Look at the project's files whenever they change, this configuration included. */
  watch: boolean
}

export type HailortSetting = 'auto' | 'off' | 'simulated' | `simulated:${HailoChip}`

/** A setting that is another now. */
export interface ConfigChange {
  key: string
  field: keyof Config
  from: unknown
  to: unknown
  /** It can be followed while Pellet runs. */
  isLive: boolean
}

export class ConfigError extends Error {}

/** @throws ConfigError that names the key, where it was set, what was expected and found */
export async function loadConfig(flags: Record<string, unknown>, env = process.env): Promise<Config> {
  const root = resolve(String(flags['root'] ?? env['PELLET_ROOT'] ?? '.'))
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory())
    throw new ConfigError(`${root}: expected a project folder, found ${existsSync(root) ? 'a file' : 'none'}`)
  const file = configFile(root, flags, env)
  const named = flags['config'] !== undefined || env['PELLET_CONFIG'] !== undefined
  if (named && !existsSync(file)) throw new ConfigError(`${file}: expected a configuration file, found none`)
  const written = existsSync(file) ? await readYaml(file) : {}
  for (const key of Object.keys(written)) {
    if (!Object.hasOwn(settings, key))
      throw new ConfigError(`${file}: ${key}: unknown key; known are ${Object.keys(settings).join(', ')}`)
  }
  const config = { root } as unknown as Record<string, unknown>
  for (const [key, { field, parse, expected, fallback }] of Object.entries(settings)) {
    const variable = `PELLET_${key.toUpperCase()}`
    const flag = key.replaceAll('_', '-')
    const [value, from] =
      flags[flag] !== undefined
        ? [flags[flag], `--${flag}`]
        : env[variable] !== undefined && env[variable] !== ''
          ? [env[variable], variable]
          : written[key] !== undefined
            ? [written[key], `${file}: ${key}`]
            : [fallback(), 'default']
    try {
      const parsed = parse(value)
      if (parsed === undefined) throw new TypeError('not what it should be')
      const isPath = /(?:Folder|File)$/.test(field) || (field === 'socketPath' && parsed !== '')
      config[field] = isPath ? resolve(root, String(parsed)) : parsed
    } catch {
      throw new ConfigError(`${from}: expected ${expected}, found ${formatSetting(value)}`)
    }
  }
  return config as unknown as Config
}

/** Where the configuration is written, or would be. */
export function configFile(root: string, flags: Record<string, unknown>, env = process.env): string {
  return resolve(root, String(flags['config'] ?? env['PELLET_CONFIG'] ?? 'pellet.yaml'))
}

/** What is another in `after`. */
export function compareConfigs(before: Config, after: Config): ConfigChange[] {
  return Object.entries(settings).flatMap(([key, { field, isLive = false }]) => {
    const [from, to] = [before[field], after[field]]
    return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ key, field, from, to, isLive }]
  })
}

/** A value for people, without the user and the password that a URL may have. */
export function formatSetting(value: unknown): string {
  return JSON.stringify(value).replace(/(?<=:\/\/)[^"/]*@/, '')
}

/** The admin socket: in a project under its data folder. */
export function adminSocketPath(config: Config): string {
  return config.socketPath || resolve(config.dataFolder, 'pellet.sock')
}

// --- internal ---

async function readYaml(file: string): Promise<Record<string, unknown>> {
  // The parser is loaded only where there is a file: most projects have none, and it costs 5 MB.
  const { parse } = await import('yaml')
  let value: unknown
  try {
    value = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new ConfigError(`${file}: expected YAML, found: ${(error as Error).message}`)
  }
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new ConfigError(`${file}: expected keys and values`)
  return value as Record<string, unknown>
}

import { existsSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { freemem, totalmem } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { logLevels, type LogLevel } from './log.ts'
import { parseBytes, parseDuration } from './units.ts'

/** Where things are and how much of everything there may be. From `pellet.yaml`, `PELLET_*` and flags, in rising order. */
export interface Config {
  /** Folder that all other paths are relative to. */
  root: string
  host: string
  port: number
  /** Bind beyond loopback although every caller there may then use the functions. */
  public: boolean
  functionsFolder: string
  manifestsFolder: string
  modelsFolder: string
  /** Bundles, descriptions, the admin socket. */
  dataFolder: string
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
  logLevel: LogLevel
  /** Look at the project's files whenever they change, this configuration included. */
  watch: boolean
}

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
      config[field] = field.endsWith('Folder') ? absolute(root, String(parsed)) : parsed
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
  return resolve(config.dataFolder, 'pellet.sock')
}

// --- internal ---

interface Setting {
  field: keyof Config
  expected: string
  parse: (value: unknown) => unknown
  fallback: () => unknown
  isLive?: true
}

const folder = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
const duration = (value: unknown) => parseDuration(value as string | number)
const bytes = (value: unknown) => parseBytes(value as string | number)

const settings: Record<string, Setting> = {
  host: { field: 'host', expected: 'an address or host name', parse: folder, fallback: () => '127.0.0.1' },
  port: { field: 'port', expected: 'a port from 0 to 65535', parse: toPort, fallback: () => 11500 },
  public: { field: 'public', expected: 'true or false', parse: toBoolean, fallback: () => false },
  functions: { field: 'functionsFolder', expected: 'a folder', parse: folder, fallback: () => 'functions' },
  manifests: { field: 'manifestsFolder', expected: 'a folder', parse: folder, fallback: () => 'manifests' },
  models: { field: 'modelsFolder', expected: 'a folder', parse: folder, fallback: () => 'models' },
  data: { field: 'dataFolder', expected: 'a folder', parse: folder, fallback: () => '.pellet' },
  memory: {
    field: 'memoryBytes',
    expected: 'a size such as 2GB',
    parse: bytes,
    fallback: defaultMemoryBytes,
    isLive: true,
  },
  max_keep_alive: {
    field: 'maxKeepAliveMs',
    expected: 'a duration such as 1h, or -1',
    parse: duration,
    fallback: () => -1,
    isLive: true,
  },
  max_bytes_in_flight: {
    field: 'maxBytesInFlight',
    expected: 'a size such as 128MB',
    parse: bytes,
    fallback: () => '128MB',
    isLive: true,
  },
  results_ttl: {
    field: 'resultsTtlMs',
    expected: 'a duration such as 1h, or -1',
    parse: duration,
    fallback: () => '1h',
    isLive: true,
  },
  results_max: {
    field: 'resultsMaxBytes',
    expected: 'a size such as 256MB',
    parse: bytes,
    fallback: () => '256MB',
    isLive: true,
  },
  grace: {
    field: 'graceMs',
    expected: 'a duration such as 10s',
    parse: (value) => (duration(value) === -1 ? undefined : duration(value)),
    fallback: () => '10s',
    isLive: true,
  },
  allow_urls: {
    field: 'allowUrls',
    expected: 'a list of hosts (cam.local, cam.local:8080), networks (192.168.1.0/24) or *',
    parse: toUrlRules,
    fallback: () => [],
    isLive: true,
  },
  cache: {
    field: 'cacheStore',
    expected: 'fs, memory, or the URL of a Redis such as redis://127.0.0.1:6379/0',
    parse: toCacheStore,
    fallback: () => 'fs',
  },
  cache_max: {
    field: 'cacheMaxBytes',
    expected: 'a size such as 256MB',
    parse: bytes,
    fallback: () => '256MB',
    isLive: true,
  },
  log_level: {
    field: 'logLevel',
    expected: `one of ${logLevels.join(', ')}`,
    parse: toLogLevel,
    fallback: () => 'info',
    isLive: true,
  },
  watch: { field: 'watch', expected: 'true or false', parse: toBoolean, fallback: () => false },
}

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

let memoryBytes: number | undefined

/** Half of what this machine (or its control group) has; models on a board share it with the system and the NPU driver. */
function defaultMemoryBytes(): number {
  // What is free changes from one reading to the next; the default may not.
  return (memoryBytes ??= measureMemoryBytes())
}

function measureMemoryBytes(): number {
  const constrained = process.constrainedMemory?.() ?? 0
  const total = constrained > 0 && constrained < totalmem() ? constrained : totalmem()
  return Math.max(Math.floor(total / 2), Math.min(freemem(), 256 * 1024 * 1024))
}

function toPort(value: unknown): number | undefined {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value.trim()))
  const port = isNumber ? Number(value) : Number.NaN
  return Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined
}

function toBoolean(value: unknown): boolean | undefined {
  if (value === true || value === 'true' || value === '1') return true
  if (value === false || value === 'false' || value === '0') return false
  return undefined
}

function toList(value: unknown): string[] | undefined {
  const list = typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value
  return Array.isArray(list) && list.every((item) => typeof item === 'string' && item !== '') ? list : undefined
}

/** A rule that could never match, such as a URL, would be found out by its absence only. */
function toUrlRules(value: unknown): string[] | undefined {
  const rules = value === '' ? [] : toList(value)
  const isRule = (rule: string) => {
    const [address = '', bits] = rule.split('/')
    if (bits !== undefined)
      return isIP(address) > 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128)
    return rule === '*' || (URL.canParse(`http://${rule}`) && new URL(`http://${rule}`).pathname === '/')
  }
  return rules?.every(isRule) ? rules.map((rule) => rule.toLowerCase()) : undefined
}

function toCacheStore(value: unknown): string | undefined {
  if (value === 'fs' || value === 'memory') return value
  const isRedis = typeof value === 'string' && URL.canParse(value) && /^rediss?:$/.test(new URL(value).protocol)
  return isRedis && new URL(value).hostname !== '' ? value : undefined
}

function toLogLevel(value: unknown): LogLevel | undefined {
  return logLevels.find((level) => level === value)
}

function absolute(root: string, path: string): string {
  return isAbsolute(path) ? path : resolve(root, path)
}

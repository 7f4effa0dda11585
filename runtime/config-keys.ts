import { isIP } from 'node:net'
import { totalmem } from 'node:os'
import { hailoChips } from '../ffi/hef/arch.ts'
import type { Config, HailortSetting } from './config.ts'
import { logLevels, type LogLevel } from './log.ts'
import { parseBytes, parseDuration } from './units.ts'

/** A key of `pellet.yaml`; `PELLET_KEY` and `--key` are the same. docs/configuration.md explains each. */
export interface Setting {
  field: keyof Config
  expected: string
  parse: (value: unknown) => unknown
  fallback: () => unknown
  /** It can be followed while Pellet runs: see reconfigure.ts. */
  isLive?: true
}

const path = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
const duration = (value: unknown) => parseDuration(value as string | number)
const bytes = (value: unknown) => parseBytes(value as string | number)

export const settings: Record<string, Setting> = {
  host: {
    field: 'host',
    expected: 'an address such as 0.0.0.0 or ::1, or a host name',
    parse: toHost,
    fallback: () => '127.0.0.1',
  },
  port: { field: 'port', expected: 'a port from 0 to 65535', parse: toPort, fallback: () => 11500 },
  public: { field: 'public', expected: 'true or false', parse: toBoolean, fallback: () => false },
  require_token: { field: 'requireToken', expected: 'true or false', parse: toBoolean, fallback: () => false },
  functions: { field: 'functionsFolder', expected: 'a folder', parse: path, fallback: () => 'functions' },
  manifests: { field: 'manifestsFolder', expected: 'a folder', parse: path, fallback: () => 'manifests' },
  models: { field: 'modelsFolder', expected: 'a folder', parse: path, fallback: () => 'models' },
  lock: { field: 'lockFile', expected: 'a file', parse: path, fallback: () => 'pellet.lock' },
  data: { field: 'dataFolder', expected: 'a folder', parse: path, fallback: () => '.pellet' },
  socket: {
    field: 'socketPath',
    expected: 'a path',
    parse: (value) => (typeof value === 'string' ? value : undefined),
    fallback: () => '',
  },
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
  fetch: { field: 'fetch', expected: 'true or false', parse: toBoolean, fallback: () => false },
  accept_licences: {
    field: 'acceptLicences',
    expected: 'a list of licences such as Apache-2.0',
    parse: (value) => (value === '' ? [] : toList(value)),
    fallback: () => [],
  },
  mirrors: {
    field: 'mirrors',
    expected: 'a mapping from the beginning of a URL to what stands in its place, or a list of those',
    parse: toMirrors,
    fallback: () => ({}),
  },
  hailort: {
    field: 'hailort',
    expected: `auto, off, simulated, or ${hailoChips.map((chip) => `simulated:${chip}`).join(', ')}`,
    parse: toHailort,
    fallback: () => 'auto',
  },
  device: {
    field: 'deviceId',
    expected: 'the id of a device such as 0000:01:00.0 (pellet doctor lists them)',
    // HailoRT 5 takes what looks like an address for one, and connects to it.
    parse: (value) => toMatching(value, /^$|^([\da-f]{4,8}:)?[\da-f]{2}:[\da-f]{2}\.[0-7]$/i),
    fallback: () => '',
  },
  device_group: {
    field: 'deviceGroup',
    expected: 'up to 64 letters, digits, - and _',
    parse: (value) => toMatching(value, /^[\w-]{0,64}$/),
    fallback: () => '',
  },
  device_frame_timeout: {
    field: 'deviceFrameTimeoutMs',
    expected: 'a duration such as 10s',
    parse: (value) => (duration(value) > 0 ? duration(value) : undefined),
    fallback: () => '10s',
  },
  watch: { field: 'watch', expected: 'true or false', parse: toBoolean, fallback: () => false },
}

// --- internal ---

let memoryBytes: number | undefined

/** Half of what this machine (or its control group) has; models on a board share it with the system and the NPU driver. */
function defaultMemoryBytes(): number {
  // What is free changes from one reading to the next; the default may not.
  return (memoryBytes ??= measureMemoryBytes())
}

function measureMemoryBytes(): number {
  const constrained = process.constrainedMemory?.() ?? 0
  const total = constrained > 0 && constrained < totalmem() ? constrained : totalmem()
  return Math.max(Math.floor(total / 2), Math.min(process.availableMemory(), 256 * 1024 * 1024))
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

/** Of others listhen makes localhost, which nobody has asked for. */
function toHost(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const isAddress = isIP(value) > 0 && !value.includes('%')
  return isAddress || /^(?!-)[A-Za-z\d.-]{1,63}(?<!-)$/.test(value) ? value : undefined
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

/** From the environment as JSON. */
function toMirrors(value: unknown): Record<string, string[]> | undefined {
  const written: unknown = typeof value === 'string' && value !== '' ? JSON.parse(value) : value === '' ? {} : value
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return undefined
  const isPlace = (text: unknown) => typeof text === 'string' && /^https?:\/\//.test(text) && URL.canParse(text)
  const mirrors = Object.entries(written).map(([prefix, places]) => [prefix, [places].flat() as string[]] as const)
  return mirrors.every(([prefix, places]) => isPlace(prefix) && places.every(isPlace))
    ? Object.fromEntries(mirrors)
    : undefined
}

function toCacheStore(value: unknown): string | undefined {
  if (value === 'fs' || value === 'memory') return value
  const isRedis = typeof value === 'string' && URL.canParse(value) && /^rediss?:$/.test(new URL(value).protocol)
  return isRedis && new URL(value).hostname !== '' ? value : undefined
}

function toHailort(value: unknown): HailortSetting | undefined {
  // YAML has a word of its own for off.
  if (value === false) return 'off'
  const words: HailortSetting[] = [
    'auto',
    'off',
    'simulated',
    ...hailoChips.map((chip) => `simulated:${chip}` as const),
  ]
  return words.find((word) => word === value)
}

function toMatching(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined
}

function toLogLevel(value: unknown): LogLevel | undefined {
  return logLevels.find((level) => level === value)
}

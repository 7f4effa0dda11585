/**
 * Durations, sizes and counts as people write them. Imports nothing: the main process, the CLI and isolates all use it.
 */

/** What `parseDuration` takes, for messages. */
export const durationForms = '"250ms", "30s", "5m", "1h30m", "1d" or a number of seconds'
/** What `parseBytes` takes, for messages. */
export const byteForms = '"512KB", "50MB", "1.5GB" (powers of 1024) or a number of bytes'
/** What `parseCount` takes, for messages. */
export const countForms = '"4k", "50M" (powers of 1000) or a plain number'

/** Units from days to milliseconds, each at most once, in that order; or a bare number of seconds; or -1. */
export const durationPattern =
  /^(?:-1|\d+(?:\.\d+)?|(?=\d)(?:\d+(?:\.\d+)?d)?(?:\d+(?:\.\d+)?h)?(?:\d+(?:\.\d+)?m)?(?:\d+(?:\.\d+)?s)?(?:\d+(?:\.\d+)?ms)?)$/
export const bytesPattern = /^\d+(?:\.\d+)? ?(?:[kKmMgGtT]?[bB]|[kKmMgGtT](?:i[bB])?)?$/
export const countPattern = /^\d+(?:\.\d+)?[kKmMgG]?$/

/** No duration is longer; -1 says "for ever". */
export const maxDurationMs = 36_525 * 86_400_000

/**
 * Milliseconds of `"5m"`, `"1h30m"`, `"250ms"`, `"1d"`, `300` or `"300"` (seconds). `-1` and `"-1"` (for ever) give -1.
 * Fractions are rounded to whole milliseconds; what is not nothing becomes 1 ms at least.
 * @throws RangeError on anything else, and above a hundred years
 */
export function parseDuration(value: string | number): number {
  const text = textOf(value)
  if (!durationPattern.test(text)) throw refused('a duration', `${durationForms}, or -1 for ever`, value)
  if (text === '-1') return -1
  let ms = 0
  if (/^[\d.]+$/.test(text)) ms = Number(text) * 1000
  else for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-z]+)/g)) ms += Number(amount) * unitMs[unit!]!
  if (ms > maxDurationMs) throw refused('a duration of at most a hundred years', 'or -1 for ever', value)
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0
}

/**
 * Bytes of `"50MB"`, `"1.5GB"`, `"64 KiB"`, `"256M"` or a plain number of bytes. A unit is a power of **1024**, with or
 * without the `i`; capitals do not matter.
 * @throws RangeError on anything else, negative numbers, and what a double cannot hold exactly
 */
export function parseBytes(value: string | number): number {
  return scaled(value, bytesPattern, 1024, 'a size', byteForms)
}

/**
 * The number that `"50M"` (50 million), `"4k"`, `"1.5M"`, `"2G"` or a plain number means. A unit is a power of **1000**.
 * @throws RangeError on anything else, negative numbers, and what a double cannot hold exactly
 */
export function parseCount(value: string | number): number {
  return scaled(value, countPattern, 1000, 'a count', countForms)
}

/** For listings: `250ms`, `1.5s`, `5m`, `1h30m`, `2d4h`: the two largest units. Negative: `for ever`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return 'for ever'
  if (ms < 999.5) return `${Math.round(ms)}ms`
  if (ms < 9950) return `${Math.round(ms / 100) / 10}s`
  let [large, small] = ['s', 'ms']
  if (ms >= 86_400_000 - 30_000) [large, small] = ['d', 'h']
  else if (ms >= 3_600_000 - 500) [large, small] = ['h', 'm']
  else if (ms >= 59_500) [large, small] = ['m', 's']
  else return `${Math.round(ms / 1000)}s`
  const rounded = Math.round(ms / unitMs[small]!) * unitMs[small]!
  const rest = (rounded % unitMs[large]!) / unitMs[small]!
  return `${Math.floor(rounded / unitMs[large]!)}${large}${rest ? `${rest}${small}` : ''}`
}

/** For listings: `512 B`, `12.4 KB`, `50 MB`, `1.5 GB`; powers of 1024, one decimal below 100. `parseBytes` reads it. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let amount = bytes
  let unit = 0
  while (unit < units.length - 1 && Math.abs(amount) >= (unit === 0 ? 1024 : 1023.95)) {
    amount /= 1024
    unit++
  }
  return `${Math.abs(amount) < 100 ? Math.round(amount * 10) / 10 : Math.round(amount)} ${units[unit]}`
}

// --- internal ---

const unitMs: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

function scaled(value: string | number, pattern: RegExp, base: number, what: string, forms: string): number {
  const text = textOf(value)
  if (!pattern.test(text)) throw refused(what, forms, value)
  const unit = /[kmgt]/i.exec(text)?.[0].toLowerCase() ?? ''
  const amount = parseFloat(text) * base ** ' kmgt'.indexOf(unit || ' ')
  const whole = Math.round(amount)
  if (!Number.isSafeInteger(whole)) throw refused(what, `at most ${Number.MAX_SAFE_INTEGER}`, value)
  // A fraction of a unit may round; a fraction of one is a mistake.
  if (unit === '' && whole !== amount) throw refused(`${what} that is whole`, forms, value)
  return whole
}

function textOf(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) && Math.abs(value) < 1e21 ? plain(value) : ''
  return typeof value === 'string' ? value.trim() : ''
}

/** Without an exponent, so that 1e-7 seconds are nonsense and not a hundred. */
function plain(value: number): string {
  return Object.is(value, -0) ? '0' : String(value)
}

function refused(what: string, forms: string, value: unknown): RangeError {
  return new RangeError(`expected ${what} (${forms}), found ${JSON.stringify(value) ?? String(value)}`)
}

/**
 * A value as text that is the same for equal values, whatever the order of their keys, and differs for all others: also for
 * what JSON takes for one (NaN and null, 0 and -0). Undefined for what is no plain data, and for more of it than is worth
 * the time.
 */
export function canonical(value: unknown): string | undefined {
  const parts: string[] = []
  return write(value, parts, 0) ? parts.join('') : undefined
}

// --- internal ---

const maxDepth = 64
/** About 20 ms, and 10 MB of heap. */
const maxParts = 200_000

function write(value: unknown, parts: string[], depth: number): boolean {
  if (typeof value === 'string') parts.push(JSON.stringify(value))
  else if (typeof value === 'number') parts.push(Object.is(value, -0) ? '-0' : String(value))
  else if (value === null || value === undefined || typeof value === 'boolean') parts.push(String(value))
  else if (typeof value === 'bigint') parts.push(`${value}n`)
  else if (depth === maxDepth || parts.length > maxParts) return false
  else if (Array.isArray(value)) return writeAll('[', value, ']', parts, depth)
  else if (isPlain(value)) {
    const keys = Object.keys(value).sort()
    const values = keys.map((key) => value[key])
    return writeAll('{', keys, ':', parts, depth) && writeAll('', values, '}', parts, depth)
  } else return false
  return true
}

function writeAll(open: string, items: unknown[], close: string, parts: string[], depth: number): boolean {
  if (parts.length + items.length > maxParts) return false
  parts.push(open)
  for (const item of items) {
    if (!write(item, parts, depth + 1)) return false
    parts.push(',')
  }
  parts.push(close)
  return true
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

import { formatPath, type ManifestPath } from '../../manifest/issues.ts'
import { readMapping, toleranceOf, type ExpectedMapping } from '../../manifest/expectation.ts'

/** Something in an answer that is not as expected. */
export interface Mismatch {
  /** Where in the answer. */
  path: ManifestPath
  expected: string
  found: string
}

/** Everything in an answer that is not as a probe expects it; the language is in expectation.ts. Pure. */
export function match(expected: unknown, found: unknown, path: ManifestPath = []): Mismatch[] {
  if (Array.isArray(expected)) return matchList(expected, found, path)
  if (typeof expected === 'object' && expected !== null) return matchMapping(readMapping(expected), found, path)
  return Object.is(expected, found) || expected === found
    ? []
    : [{ path, expected: show(expected), found: show(found) }]
}

/** `faces[0].score: expected a number from 0.7 on, found 0.2` */
export function formatMismatch({ path, expected, found }: Mismatch): string {
  const where = formatPath(path)
  return `${where === '' ? '' : `${where}: `}expected ${expected}, found ${found}`
}

// --- internal ---

function matchList(expected: unknown[], found: unknown, path: ManifestPath): Mismatch[] {
  if (!Array.isArray(found)) return [{ path, expected: `a list of ${expected.length}`, found: show(found) }]
  const inner = expected.slice(0, found.length).flatMap((item, index) => match(item, found[index], [...path, index]))
  if (found.length === expected.length) return inner
  return [{ path, expected: `a list of ${expected.length}`, found: show(found) }, ...inner]
}

function matchMapping({ checks, entries }: ExpectedMapping, found: unknown, path: ManifestPath): Mismatch[] {
  const mismatch = (expected: string): Mismatch => ({ path, expected, found: show(found) })
  if (checks.$exists === false) return found === undefined ? [] : [mismatch('nothing')]
  if (found === undefined && checks.$exists === true) return [mismatch('a value')]
  const mismatches: Mismatch[] = []
  if (checks.$near !== undefined) mismatches.push(...matchNear(checks.$near, checks.$within, found, path))
  const { $min, $max, $length } = checks
  if ($min !== undefined || $max !== undefined) {
    const isWithin =
      typeof found === 'number' && found >= Number($min ?? -Infinity) && found <= Number($max ?? Infinity)
    if (!isWithin) mismatches.push(mismatch(`a number ${range($min, $max)}`))
  }
  if ($length !== undefined && !hasLength($length, found)) mismatches.push(mismatch(lengthText($length)))
  if (entries.length === 0 && Object.keys(checks).length > 0) return mismatches
  if (typeof found !== 'object' || found === null)
    return [...mismatches, mismatch(`a mapping with ${entries.map(([key]) => key).join(', ') || 'any keys'}`)]
  const inner = entries.flatMap(([key, value]) => {
    const isIndex = Array.isArray(found) && /^\d+$/.test(key)
    const at = isIndex ? Number(key) : key
    const isThere = Object.hasOwn(found, key) && (isIndex || !Array.isArray(found))
    return match(value, isThere ? (found as Record<string, unknown>)[key] : undefined, [...path, at])
  })
  return [...mismatches, ...inner]
}

function matchNear(near: unknown, within: unknown, found: unknown, path: ManifestPath): Mismatch[] {
  const isNear = (expected: number, value: unknown) =>
    typeof value === 'number' &&
    // What is exactly so far off is within, whatever the binary fractions make of it.
    Math.abs(value - expected) <= toleranceOf(within, expected) + 4 * Number.EPSILON * Math.abs(expected)
  const around = `within ${String(within)}`
  if (!Array.isArray(near)) {
    if (isNear(near as number, found)) return []
    return [{ path, expected: `${String(near)} ${around}`, found: show(found) }]
  }
  const expected = near as number[]
  if (!Array.isArray(found) || found.length !== expected.length)
    return [{ path, expected: `a list of ${expected.length} numbers`, found: show(found) }]
  return expected.flatMap((value, index) => matchNear(value, within, found[index], [...path, index]))
}

function hasLength(length: unknown, found: unknown): boolean {
  if (typeof found !== 'string' && !Array.isArray(found)) return false
  if (typeof length === 'number') return found.length === length
  const { $min = 0, $max = Infinity } = length as { $min?: number; $max?: number }
  return found.length >= $min && found.length <= $max
}

function lengthText(length: unknown): string {
  if (typeof length === 'number') return `a list or text of length ${length}`
  const { $min, $max } = length as { $min?: number; $max?: number }
  return `a list or text with a length ${range($min, $max)}`
}

function range(min: unknown, max: unknown): string {
  if (max === undefined) return `of ${String(min)} or more`
  return min === undefined ? `of ${String(max)} or less` : `from ${String(min)} to ${String(max)}`
}

/** What is there, short; of a list or mapping its size. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value)
    return `a mapping with ${keys.slice(0, 5).join(', ') || 'no keys'}${keys.length > 5 ? `, and ${keys.length - 5} more` : ''}`
  }
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}..."` : text
}

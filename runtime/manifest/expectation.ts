import { didYouMean } from './closest.ts'
import { formatFound, type Finding, type ManifestPath } from './issues.ts'

/*
 * What a probe expects of a JSON answer. A mapping is matched by the keys that it names, others may be there; a list by all of
 * its items; all else must be equal. A mapping may also hold checks, whose names begin with $; a key of the answer that
 * begins with $ is written with two. Where the answer has a list, the keys of a mapping are its indices.
 */

/** The checks, each with what it takes. */
export const checks = {
  $near: 'a number, or a list of numbers',
  $within: 'a number of 0 or more, or a percentage such as "5%"',
  $min: 'a number',
  $max: 'a number',
  $length: 'a whole number, or a mapping with $min or $max',
  $exists: 'true or false',
} as const

export type CheckName = keyof typeof checks

/** A mapping of an expectation, taken apart. */
export interface ExpectedMapping {
  checks: Partial<Record<CheckName, unknown>>
  /** Keys of the answer, and what is expected there. */
  entries: [key: string, expected: unknown][]
}

export function readMapping(mapping: object): ExpectedMapping {
  const read: ExpectedMapping = { checks: {}, entries: [] }
  for (const [key, value] of Object.entries(mapping)) {
    if (isCheck(key)) read.checks[key] = value
    else read.entries.push([key.startsWith('$$') ? key.slice(1) : key, value])
  }
  return read
}

/** What `$within` allows around a number. */
export function toleranceOf(within: unknown, near: number): number {
  return typeof within === 'string' ? (Number.parseFloat(within) / 100) * Math.abs(near) : (within as number)
}

/** What is wrong with an expectation as written. */
export function expectationFindings(value: unknown, path: ManifestPath): Finding[] {
  // The schema tells of what is deeper.
  if (path.length > 20 || typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item, index) => expectationFindings(item, [...path, index]))
  const findings = Object.entries(value).flatMap(([key, inner]): Finding[] => {
    const at = [...path, key]
    if (isCheck(key)) return checkFindings(key, inner, at)
    if (!key.startsWith('$') || key.startsWith('$$')) return expectationFindings(inner, at)
    const names = Object.keys(checks)
    const hint = didYouMean(key, names) ?? 'write $$ for a key that begins with a dollar sign'
    return [{ path: at, expected: `one of ${names.join(', ')}`, found: JSON.stringify(key), hint, at: 'key' }]
  })
  for (const [name, other] of [
    ['$near', '$within'],
    ['$within', '$near'],
  ] as const)
    if (Object.hasOwn(value, name) && !Object.hasOwn(value, other))
      findings.push({
        path: [...path, name],
        expected: `${other} beside ${name}`,
        found: 'none',
        hint: 'write { $near: 12.5, $within: 0.1 }',
        at: 'key',
      })
  return findings
}

// --- internal ---

function isCheck(key: string): key is CheckName {
  return Object.hasOwn(checks, key)
}

function checkFindings(name: CheckName, value: unknown, path: ManifestPath): Finding[] {
  if (isFitting(name, value)) return []
  return [{ path, expected: checks[name], found: formatFound(value) }]
}

function isFitting(name: CheckName, value: unknown): boolean {
  if (name === '$exists') return typeof value === 'boolean'
  if (name === '$near') return [value].flat().every(Number.isFinite) && [value].flat().length > 0
  if (name === '$within')
    return typeof value === 'string'
      ? /^\d+(?:\.\d+)?\s*%$/.test(value)
      : Number.isFinite(value) && (value as number) >= 0
  if (name !== '$length' || typeof value === 'number')
    return name === '$length' ? Number.isInteger(value) && (value as number) >= 0 : Number.isFinite(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const bounds = Object.entries(value)
  return bounds.length > 0 && bounds.every(([key, bound]) => ['$min', '$max'].includes(key) && Number.isFinite(bound))
}

import type { z } from 'zod'
import { defaults } from './defaults.ts'
import { didYouMean } from './closest.ts'
import { formatFound, valueAt, type Finding, type ManifestPath } from './issues.ts'
import { probeFindings } from './probe.ts'
import { manifestSchema } from './schema.ts'
import { statusFindings } from './status-findings.ts'

/** What is wrong with a manifest as written (or merged); empty when it fits the schema. */
export function findingsOf(value: unknown): Finding[] {
  const result = manifestSchema.safeParse(value)
  const findings = result.success ? [] : translatedAll(result.error.issues, [], value)
  if (isMapping(value) && value.route !== undefined && value.routes !== undefined) {
    findings.push({ path: ['route'], expected: 'route or routes, not both', found: 'both', at: 'key' })
  }
  if (isMapping(value)) findings.push(...statusFindings(value), ...probeFindings(value))
  const seen = new Map(findings.map((finding) => [JSON.stringify(finding), finding]))
  return [...seen.values()]
}

// --- internal ---

type ZodIssue = z.core.$ZodIssue

/** Where an issue speaks for a whole value, what is wrong inside of it goes unsaid. */
function translatedAll(issues: readonly ZodIssue[], prefix: ManifestPath, root: unknown): Finding[] {
  const wholes = issues.filter((issue) => issue.code === 'custom' && issue.params?.whole === true)
  const told = issues.filter(
    ({ path }) =>
      !wholes.some((whole) => whole.path.length < path.length && whole.path.every((part, i) => part === path[i])),
  )
  return told.flatMap((issue) => translated(issue, prefix, root))
}

/**
 * Turns zod's issue into findings. The schema's messages are what was expected, and after "; " what to do (fields.ts);
 * a union speaks through the one branch whose type fits what was written, else for itself.
 */
function translated(issue: ZodIssue, prefix: ManifestPath, root: unknown): Finding[] {
  const path = [...prefix, ...(issue.path as ManifestPath)]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey(path, key, issue.message.split(' ')))
  if (issue.code === 'invalid_key') return issue.issues.slice(0, 1).map((inner) => badKey(path, inner.message))
  if (issue.code === 'invalid_union') {
    const fitting = issue.errors.filter(
      (branch) => !branch.some((i) => i.code === 'invalid_type' && i.path.length === 0),
    )
    if (fitting.length === 1) return translatedAll(fitting[0]!, path, root)
  }
  const found = valueAt(root, path)
  const [expected, ...hints] = issue.message.split('; ')
  if (issue.code === 'invalid_value' && typeof found === 'string') {
    const meant = didYouMean(found, issue.values.map(String))
    if (meant) hints.push(meant)
  }
  return [{ path, expected: expected!, found: formatFound(found), hint: hints.join('; ') || absentHint(found, path) }]
}

function unknownKey(path: ManifestPath, key: string, known: readonly string[]): Finding {
  const finding = { path: [...path, key], found: JSON.stringify(key), at: 'key' as const }
  return { ...finding, expected: `one of ${known.join(', ')}`, hint: didYouMean(key, known) ?? elsewhere(key, known) }
}

/** A key that is right, but at another place. */
function elsewhere(key: string, known: readonly string[]): string | undefined {
  if (Object.hasOwn(defaults.limits, key) && !known.includes('concurrency')) return `it belongs under limits`
  if ((key === 'onnx' || key === 'hef' || key === 'engine') && known.includes('model')) return `it belongs under model`
  return undefined
}

function badKey(path: ManifestPath, message: string): Finding {
  const [expected, hint] = message.split('; ')
  return { path, expected: expected!, found: JSON.stringify(path.at(-1)), hint, at: 'key' }
}

function absentHint(found: unknown, path: ManifestPath): string | undefined {
  if (path.length === 0 || (found !== null && found !== undefined)) return undefined
  return 'give it a value or leave the key out'
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

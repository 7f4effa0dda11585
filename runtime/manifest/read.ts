import type { Finding, IssuePlace, ManifestIssue } from './issues.ts'
import { findingsOf } from './findings.ts'
import { sortIssues, toIssue } from './issues.ts'
import { locateInSource } from './literal.ts'
import { readYaml } from './yaml.ts'

export { formatIssue } from './issues.ts'
export type { ManifestIssue } from './issues.ts'

/**
 * A manifest as it was written. Whoever finds more wrong with it (an unknown step, a route that is taken) places that
 * with `toIssue(source, { path, expected, found, hint })`, or, after a merge, with `toIssueIn({ written, inline }, ...)`.
 */
export interface ManifestSource extends IssuePlace {
  file: string
  /** Plain data as written: no shorthand resolved. A `ManifestInput` when there are no issues. */
  value: unknown
  /** All that is wrong with it, by position. */
  issues: ManifestIssue[]
  /**
   * Where a value, or its key, stands, from 1. For a path that is not there: the key of the nearest part that is.
   * Undefined for an inline manifest that is no literal.
   */
  locate(path: (string | number)[], part?: 'key' | 'value'): { line: number; column: number } | undefined
}

/**
 * Reads a manifest: YAML 1.2, of which JSON is a part. Never throws for what the text holds; all errors are in `issues`.
 * @param file as messages shall name it, e.g. `manifests/scrfd.yaml`
 */
export function readManifest(file: string, text: string): ManifestSource {
  const { value, findings, broken, locate } = readYaml(text)
  const place = { file, value, locate }
  return withIssues(place, broken ? findings : [...findings, ...findingsOf(value)])
}

/**
 * Checks a function file's own manifest: the same rules, with line numbers where it is a literal.
 * @param file the function file as messages shall name it, e.g. `functions/tags.ts`
 * @param text what is in it
 */
export function checkManifest(value: unknown, file: string, text = ''): ManifestSource {
  const findings = findingsOf(value)
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, 'function')) {
    const expected = 'no such key in a function file'
    findings.push({ path: ['function'], expected, found: '"function"', hint: 'leave it out, the file is the function' })
  }
  return withIssues({ file, value, locate: locateInSource(text, value) }, findings)
}

// --- internal ---

function withIssues(place: IssuePlace, findings: readonly Finding[]): ManifestSource {
  return { ...place, issues: sortIssues(findings.map((finding) => toIssue(place, finding))) }
}

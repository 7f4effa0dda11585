/** Where a value stands in what was written: `['limits', 'queue', 'depth']`, `['pre', 1, 'image.letterbox']`. */
export type ManifestPath = (string | number)[]

/** One thing that is wrong with a manifest. Plain data. */
export interface ManifestIssue {
  /** The manifest, or the function file for an inline manifest, as it was given. */
  file: string
  /** From 1; absent for an inline manifest that is no literal. */
  line?: number
  column?: number
  path: ManifestPath
  expected: string
  found: string
  /** `expected ..., found ...; what to do`. */
  message: string
}

/** Something that issues can be placed in: a manifest that was read, or an inline one. */
export interface IssuePlace {
  file: string
  value: unknown
  locate(path: ManifestPath, part?: 'key' | 'value'): { line: number; column: number } | undefined
}

/** The two places that a merged manifest may come from. */
export interface ManifestPlaces {
  written?: IssuePlace | undefined
  inline?: IssuePlace | undefined
}

/** What is wrong, before it has a place. `at` is `key` when the key itself is the trouble. */
export interface Finding {
  path: ManifestPath
  expected: string
  found: string
  hint?: string | undefined
  at?: 'key' | 'value'
  /** Where it is, for what has no path. @default by `path` */
  position?: { line: number; column: number }
}

/** Places a finding in one manifest. */
export function toIssue(place: IssuePlace, finding: Finding): ManifestIssue {
  const { path, expected, found, hint, at } = finding
  const position = finding.position ?? place.locate(path, at)
  const message = `expected ${expected}, found ${found}${hint ? `; ${hint}` : ''}`
  return { file: place.file, ...position, path, expected, found, message }
}

/** Places a finding in whichever of the two manifests has most of its path; in a tie, in the written one. */
export function toIssueIn(places: ManifestPlaces, finding: Finding): ManifestIssue {
  const { written, inline } = places
  const place =
    written && inline && depthOf(inline.value, finding.path) > depthOf(written.value, finding.path)
      ? inline
      : (written ?? inline)
  return toIssue(place ?? { file: 'manifest', value: undefined, locate: () => undefined }, finding)
}

/** `manifests/foo.yaml:12:3 limits.queue.depth: expected a whole number of 0 or more, found "many"` */
export function formatIssue(issue: ManifestIssue): string {
  const where = issue.line === undefined ? issue.file : `${issue.file}:${issue.line}:${issue.column ?? 1}`
  const path = formatPath(issue.path)
  return path === '' ? `${where}: ${issue.message}` : `${where} ${path}: ${issue.message}`
}

/** `limits.queue.depth`, `pre[1]["image.letterbox"].size`, `routes["POST /v1/detect"]`. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}

/** By file, then position, then as they came; each once. */
export function sortIssues(issues: readonly ManifestIssue[]): ManifestIssue[] {
  const seen = new Map(issues.map((issue) => [formatIssue(issue), issue]))
  return [...seen.values()].sort(
    (a, b) =>
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0),
  )
}

/** A value as a message shows it: short, and never more than its outline. */
export function formatFound(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') {
    const kind = value.constructor?.name
    if (typeof kind === 'string' && kind !== 'Object') return `a ${kind}`
    const keys = Object.keys(value)
    if (keys.length === 0) return 'an empty mapping'
    return `a mapping with ${keys.slice(0, 3).join(', ')}${keys.length > 3 ? ` and ${keys.length - 3} more` : ''}`
  }
  return typeof value === 'function' ? 'a function' : String(value)
}

/** The value at a path, or undefined. */
export function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return depthOf(value, path) === path.length ? path.reduce((at: any, part) => at[part], value) : undefined
}

// --- internal ---

/** How many parts of the path are there. */
function depthOf(value: unknown, path: readonly (string | number)[]): number {
  let at: unknown = value
  for (const [i, part] of path.entries()) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return i
    at = (at as Record<string | number, unknown>)[part]
  }
  return path.length
}

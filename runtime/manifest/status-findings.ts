import { didYouMean } from './closest.ts'
import type { Finding, ManifestPath } from './issues.ts'
import { statusVariables, toStatusParts } from './status-variables.ts'

/** What the schema cannot say of status routes: variables, the order of cases, and routes that would hide each other. */
export function statusFindings({ status, route, routes }: Record<string, unknown>): Finding[] {
  if (!isMapping(status)) return []
  const inference = new Set([route, ...(isMapping(routes) ? Object.keys(routes) : [])])
  return Object.entries(status).flatMap(([name, answer]) => {
    const path = ['status', name]
    const clash = { path, found: name, at: 'key' as const, hint: 'leave out one of them, or give it another path' }
    return [
      ...(inference.has(name) ? [{ ...clash, expected: 'a path other than those of the inference routes' }] : []),
      ...(Array.isArray(answer) ? caseFindings(answer, path) : variableFindings(answer, path)),
    ]
  })
}

// --- internal ---

function caseFindings(cases: unknown[], path: ManifestPath): Finding[] {
  const before = new Set<unknown>()
  return cases.flatMap((one, index): Finding[] => {
    if (!isMapping(one)) return []
    const at = [...path, index]
    const { when } = one
    const findings = variableFindings(one['body'], [...at, 'body'])
    const isLast = index === cases.length - 1
    const isHidden = before.has(when) || (before.has('not_ready') && (when === 'loading' || when === 'failed'))
    if (when !== undefined) before.add(when)
    const found = JSON.stringify(when)
    if (isLast && when !== undefined)
      findings.push({
        path: [...at, 'when'],
        expected: 'a last case without `when`',
        found,
        hint: 'it answers when no other does',
      })
    else if (!isLast && when === undefined)
      findings.push({
        path: at,
        expected: 'a `when` in every case but the last',
        found: 'none',
        hint: 'those below would never answer',
      })
    else if (isHidden)
      findings.push({
        path: [...at, 'when'],
        expected: 'a `when` that no case above has answered',
        found,
        hint: 'it would never answer',
      })
    return findings
  })
}

function variableFindings(value: unknown, path: ManifestPath): Finding[] {
  // The schema tells of what is deeper.
  if (path.length > 20) return []
  if (Array.isArray(value)) return value.flatMap((item, index) => variableFindings(item, [...path, index]))
  if (isMapping(value)) return Object.entries(value).flatMap(([name, item]) => variableFindings(item, [...path, name]))
  if (typeof value !== 'string') return []
  return toStatusParts(value).flatMap((part): Finding[] => {
    if (typeof part === 'string' || statusVariables.some((name) => name === part.variable)) return []
    const known = statusVariables.map((name) => `$${name}`)
    const meant = part.variable === '' ? undefined : didYouMean(`$${part.variable}`, known)
    const found = JSON.stringify(`$${part.variable}`)
    return [{ path, expected: `one of ${known.join(', ')}`, found, hint: meant ?? 'write $$ for a dollar sign' }]
  })
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

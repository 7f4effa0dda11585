import { parseBytes } from '../units.ts'
import { didYouMean } from './closest.ts'
import { defaults } from './defaults.ts'
import { expectationFindings } from './expectation.ts'
import type { Finding, ManifestPath } from './issues.ts'
import type { Method, Probe, Route } from './manifest.ts'
import type { ManifestInput, ProbeInput } from './schema.ts'
import { routeNames } from './paths.ts'

type Written = ManifestInput['probe']

/** What the schema cannot say of probes: their expectations. */
export function probeFindings({ probe }: Record<string, unknown>): Finding[] {
  return listed(probe).flatMap(({ one, path }) => {
    const expected = (one as { expect?: unknown } | null)?.expect
    return expectationFindings(expected, [...path, 'expect'])
  })
}

/** Probes of routes that the manifest does not have. */
export function routeFindings(probe: Written, routes: readonly Route[]): Finding[] {
  const names = routeNames(routes)
  return listed(probe).flatMap(({ one: { route }, path }): Finding[] => {
    if (route === undefined || names.includes(route)) return []
    const found = JSON.stringify(route)
    return [{ path: [...path, 'route'], expected: `one of ${names.join(', ')}`, found, hint: didYouMean(route, names) }]
  })
}

export function toProbes(probe: Written, routes: readonly Route[]): Probe[] {
  return listed(probe).map(({ one }) => toProbe(one, routes[0]!))
}

/** Where each of `manifest.probe` stands. */
export function probePaths(probe: Written): ManifestPath[] {
  return listed(probe).map(({ path }) => path)
}

// --- internal ---

function listed(probe: Written): { one: ProbeInput; path: ManifestPath }[]
function listed(probe: unknown): { one: unknown; path: ManifestPath }[]
function listed(probe: unknown): { one: unknown; path: ManifestPath }[] {
  if (probe === undefined) return []
  if (!Array.isArray(probe)) return [{ one: probe, path: ['probe'] }]
  return probe.map((one: unknown, index) => ({ one, path: ['probe', index] }))
}

function toProbe(
  { route, input, body, query, headers, status, type, min_size, expect }: ProbeInput,
  first: Route,
): Probe {
  const [method, path] = route === undefined ? [first.method, first.path] : (route.split(' ') as [Method, string])
  return {
    method,
    path,
    query: Object.fromEntries(Object.entries(query ?? {}).map(([name, value]) => [name, String(value)])),
    headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])),
    ...(input !== undefined && { input }),
    ...(body !== undefined && { body }),
    status: status ?? defaults.code,
    ...(type !== undefined && { type: type.toLowerCase() }),
    ...(min_size !== undefined && { minBytes: parseBytes(min_size) }),
    ...(expect !== undefined && { expect }),
  }
}

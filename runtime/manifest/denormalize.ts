import type { Manifest, Probe, Route, StepUse } from './manifest.ts'
import type { ManifestInput, ProbeInput } from './schema.ts'

/**
 * What people would have to write to get a normalised manifest. It is kept over versions of Pellet, and comes from other
 * machines: to normalise it again checks it whole, and gives keys that it does not know yet their defaults.
 */
export function toManifestInput(manifest: Manifest): ManifestInput {
  const { keepAliveMs, model, routes, status, limits, cache, probe = [], ...same } = manifest
  const { timeoutMs, bodyBytes, heapBytes, memoryBytes, ...others } = limits
  const { powerMode, ...models } = model
  return {
    ...same,
    model: { ...models, ...(powerMode && { power_mode: powerMode }) },
    keep_alive: toDuration(keepAliveMs),
    routes: Object.fromEntries(routes.map((route) => [`${route.method} ${route.path}`, toRoute(route)])),
    status: Object.fromEntries(status.map(({ path, cases }) => [`GET ${path}`, cases])) as Status,
    limits: { ...others, timeout: toDuration(timeoutMs), body: bodyBytes, heap: heapBytes, memory: memoryBytes },
    probe: probe.map(toProbe),
    ...(cache && { cache: { ttl: toDuration(cache.ttlMs), max: cache.maxBytes } }),
  }
}

// --- internal ---

type Status = NonNullable<ManifestInput['status']>

function toDuration(ms: number): string | number {
  return ms === -1 ? -1 : `${ms}ms`
}

function toRoute({ pre, post, input }: Route) {
  return { pre: pre.map(toStep), post: post.map(toStep), input }
}

function toProbe({ method, path, minBytes, ...same }: Probe): ProbeInput {
  return { ...same, route: `${method} ${path}`, ...(minBytes !== undefined && { min_size: minBytes }) }
}

function toStep({ step, options }: StepUse) {
  return { [step]: options }
}

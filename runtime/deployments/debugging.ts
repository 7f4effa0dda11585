import { isFailed, type DeploymentResult } from './deployment.ts'

/** Longer than anybody stands at a breakpoint, and no more than timers take. */
const patienceMs = 24 * 3_600_000

/** A deployment that somebody debugs: its requests have no deadline, all reach its code, and it stays loaded. */
export function forDebugging(result: DeploymentResult): DeploymentResult {
  if (isFailed(result)) return result
  const { cache: _, ...manifest } = result.manifest
  const limits = { ...manifest.limits, timeoutMs: patienceMs }
  return { ...result, manifest: { ...manifest, limits, keepAliveMs: -1, pin: true } }
}

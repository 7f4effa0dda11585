import type { Target } from '../http/route-table.ts'
import type { Need } from './scopes.ts'

const reading: Need = ['read']
const invoking: Need = ['invoke']
const changing: Need = ['deploy']
/** Whoever has a token at all. */
const knowing: Need = ['read', 'invoke']

/** Pellet's administration: never without a token over TCP. */
export function isApiPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/')
}

/**
 * What a request to the main port needs where tokens are asked for.
 * @param path without query, escapes that are not needed and a slash at its end: the one that it is served by
 */
export function needOf(method: string, path: string, target: Target | undefined): Need {
  if (isApiPath(path)) return method === 'GET' || method === 'HEAD' ? reading : changing
  // Probes of supervisors and load balancers have no tokens, and learn little here: yes, or what is waited for.
  if (path === '/health/live' || path === '/health/ready') return []
  if (path === '/metrics' || path === '/health' || path.startsWith('/health/')) return reading
  return targetNeed(path, target)
}

/** As `needOf`, for a deployment's own port. */
export function targetNeed(path: string, target: Target | undefined): Need {
  const isInvoking = target ? !('page' in target) : path.startsWith('/results/')
  return isInvoking ? invoking : knowing
}

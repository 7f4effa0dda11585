/**
 * What a token may do. `read`: look (GET of /api, /metrics, /health). `invoke`: call functions and fetch their results.
 * `deploy`: all that changes something under /api, and with it all else: whoever may replace a function can have it read
 * and call what he likes.
 */
export type Scope = 'read' | 'invoke' | 'deploy'

/** Any one of these scopes will do; none of them: anybody may. */
export type Need = readonly Scope[]

export const scopes: readonly Scope[] = ['read', 'invoke', 'deploy']

/** Whether a token of these scopes may do what needs one of those. */
export function allows(granted: readonly Scope[], need: Need): boolean {
  return need.length === 0 || granted.includes('deploy') || need.some((scope) => granted.includes(scope))
}

/**
 * Scopes of a list, in their own order and each once.
 * @throws RangeError for what is none, and for an empty list
 */
export function parseScopes(list: unknown): Scope[] {
  const names: unknown[] = Array.isArray(list) ? list : []
  const wrong = names.find((name) => !scopes.includes(name as Scope))
  if (wrong !== undefined || names.length === 0)
    throw new RangeError(
      `expected some of ${scopes.join(', ')}, found ${wrong === undefined ? 'none' : JSON.stringify(wrong)}`,
    )
  return scopes.filter((scope) => names.includes(scope))
}

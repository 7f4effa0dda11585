/** What a manifest means where it says nothing, as people would write it. The schema, the docs and `normalize` share it. */
export const defaults = {
  engine: 'auto',
  keep_alive: '5m',
  preload: false,
  pin: false,
  priority: 16,
  errors: 'pellet',
  limits: {
    concurrency: 4,
    queue: { depth: 32, drop: 'newest' },
    timeout: '30s',
    body: '50MB',
    pixels: '50M',
    heap: '256MB',
    memory: '512MB',
    threads: 1,
  },
} as const

/** Keys of the design that this version does not have, and what to do instead. Refused by name. */
export const notYet: Record<string, string> = {
  listen: 'ports of a deployment’s own are not there yet; leave it out, its routes answer on the main port',
  cache: 'keeping results is not there yet; leave it out, every request is computed',
  probe: 'trying a revision before it goes live is not there yet; leave it out, call the route after deploying',
  status: 'status routes of a deployment’s own are not there yet; leave it out, /health answers for all',
}

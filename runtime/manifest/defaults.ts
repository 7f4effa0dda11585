/** What a manifest means where it says nothing, as people would write it. The schema, the docs and `normalize` share it. */
export const defaults = {
  engine: 'auto',
  batch: 0,
  power_mode: 'performance',
  keep_alive: '5m',
  preload: false,
  pin: false,
  priority: 16,
  errors: 'pellet',
  code: 200,
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
  cache: { ttl: '10m', max: '64MB' },
} as const

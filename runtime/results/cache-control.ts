/** What a request's `Cache-Control` asks (RFC 9111, 5.2.1), as far as it is heard here. */
export type CacheWish = 'any' | 'fresh' | 'none'

/** `no-store`: none, neither read nor written. `no-cache`, or `max-age=0` as browsers reload: computed anew, and kept. */
export function readCacheControl(header: string | undefined): CacheWish {
  if (header === undefined) return 'any'
  const directives = header.split(',').map((directive) => directive.trim().toLowerCase())
  if (directives.includes('no-store')) return 'none'
  return directives.some((directive) => directive === 'no-cache' || directive === 'max-age=0') ? 'fresh' : 'any'
}

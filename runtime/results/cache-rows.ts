import type { CacheTerms } from '../manifest/manifest.ts'
import type { KeptItem } from './kept-index.ts'
import { partsOf } from './key.ts'

/** What `X-Cache` says. */
export type Outcome = 'hit' | 'miss' | 'bypass'

/** For metrics. */
export interface CacheCount {
  name: string
  bytes: number
  outcomes: Readonly<Record<Outcome, number>>
}

/** What became of a deployment's requests since Pellet started, and what is kept of them. Times in seconds. */
export interface CacheRow {
  name: string
  entries: number
  bytes: number
  max_bytes: number
  ttl_s: number
  hits: number
  misses: number
  bypassed: number
  hit_rate: number | null
  oldest_s: number | null
}

export interface Removal {
  entries: number
  bytes: number
}

/** @param now milliseconds since 1970 */
export function toCacheRow(
  name: string,
  { ttlMs, maxBytes }: CacheTerms,
  { hit, miss, bypass }: CacheCount['outcomes'],
  { items, sizeBytes }: { items: KeptItem[]; sizeBytes: number },
  now: number,
): CacheRow {
  const answers = items.filter(isAnswer)
  const oldestAt = Math.min(...answers.map(({ createdAt }) => createdAt))
  return {
    name,
    entries: answers.length,
    bytes: sizeBytes,
    max_bytes: maxBytes,
    ttl_s: ttlMs / 1000,
    hits: hit,
    misses: miss,
    bypassed: bypass,
    hit_rate: hit + miss === 0 ? null : hit / (hit + miss),
    oldest_s: answers.length === 0 ? null : Math.max(0, Math.round((now - oldestAt) / 1000)),
  }
}

/** @param items some of them perhaps twice */
export function toRemoval(items: KeptItem[]): Removal {
  const removed = [...new Map(items.map((item) => [item.key, item])).values()]
  return {
    entries: removed.filter(isAnswer).length,
    bytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  }
}

// --- internal ---

function isAnswer({ key }: KeptItem): boolean {
  return partsOf(key)?.kind === 'answer'
}

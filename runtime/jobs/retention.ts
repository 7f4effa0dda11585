/** A result that is kept. */
export interface Kept {
  id: string
  sizeBytes: number
  /** In milliseconds since 1970. */
  finishedAt: number
}

export interface RetentionLimits {
  /** How long a result is kept; -1: until there is no room for it. */
  ttlMs: number
  maxBytes: number
  maxCount: number
}

export function isExpired({ finishedAt }: Kept, now: number, { ttlMs }: RetentionLimits): boolean {
  return ttlMs !== -1 && now >= finishedAt + ttlMs
}

/**
 * Which results go: those that are too old, and then the oldest until the others fit. The newest stays in any case.
 * @param kept in the order in which they were finished
 */
export function toDrop(kept: Kept[], now: number, limits: RetentionLimits): Kept[] {
  let bytes = 0
  let count = 0
  return [...kept].reverse().filter((one, index) => {
    if (isExpired(one, now, limits)) return true
    bytes += one.sizeBytes
    count++
    return index > 0 && (bytes > limits.maxBytes || count > limits.maxCount)
  })
}

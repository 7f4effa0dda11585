/** What a caller prefers (RFC 7240) of what is known here. */
export interface Preference {
  respondAsync: boolean
  /** How long it would wait for the answer itself; undefined: it does not say. */
  waitMs?: number
}

/** Beyond it a timer would fire at once. */
const longestWaitMs = 86_400_000

/** Reads `Prefer: respond-async, wait=10`. What is not understood is no preference; of two that are alike the first counts. */
export function parsePrefer(header: string | string[] | undefined): Preference {
  const preference: Preference = { respondAsync: false }
  for (const [, name = '', quoted, bare = ''] of String(header ?? '').matchAll(token)) {
    const value = quoted ?? bare
    if (name.toLowerCase() === 'respond-async') preference.respondAsync = true
    else if (name.toLowerCase() === 'wait' && /^\d+$/.test(value))
      preference.waitMs ??= Math.min(Number(value) * 1000, longestWaitMs)
  }
  return preference
}

// --- internal ---

/** A preference with its value; parameters behind a semicolon are skipped with it. */
const token = /([^\s=,;"]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,;"]*)))?(?:\s*;(?:"[^"]*"|[^,"])*)?\s*(?:,|$)/g

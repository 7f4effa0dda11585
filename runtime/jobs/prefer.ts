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
  for (const element of splitOutsideQuotes(String(header ?? ''), ',')) {
    // What stands behind a semicolon are parameters of the preference.
    const [first = ''] = splitOutsideQuotes(element, ';')
    const equals = first.indexOf('=')
    const name = (equals === -1 ? first : first.slice(0, equals)).trim().toLowerCase()
    const value = equals === -1 ? '' : first.slice(equals + 1).trim()
    if (name === 'respond-async') preference.respondAsync = true
    else if (name === 'wait') {
      const [, seconds] = /^"?(\d+)"?$/.exec(value) ?? []
      if (seconds !== undefined) preference.waitMs ??= Math.min(Number(seconds) * 1000, longestWaitMs)
    }
  }
  return preference
}

// --- internal ---

/** One pass, whatever is in it: a pattern for all of it would begin anew at each of 16,000 letters, and this is main. */
function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let isQuoted = false
  let from = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted
    else if (text[at] === separator && !isQuoted) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  return [...parts, text.slice(from)]
}

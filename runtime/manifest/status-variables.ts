/* What the bodies of status routes may ask for. Without zod, so that main may ask. */

/** Names that stand for something in a status body, written `$name`. docs/manifest.md says what each is. */
export const statusVariables = [
  'name',
  'model',
  'engine',
  'device',
  'version',
  'revision',
  'digest',
  'digest_short',
  'loaded',
  'ready',
  'state',
  'uptime_s',
  'inferences',
  'errors',
  'last_error',
  'latency_ms',
] as const

export type StatusVariable = (typeof statusVariables)[number]

/** A piece of a string in a status body: text as it stands, or a variable; '' where a `$` is followed by no name. */
export type StatusPart = string | { variable: string }

/**
 * Takes a string of a status body apart: `up for $uptime_s s` is text, variable, text; `$$` is a dollar sign in the text.
 * A name goes as far as letters, digits and `_` do, so `$loaded_at` is not `$loaded`.
 */
export function toStatusParts(text: string): StatusPart[] {
  const parts: StatusPart[] = []
  for (const [piece, name] of text.matchAll(/\$\$|\$([A-Za-z_][A-Za-z0-9_]*)?|[^$]+/g)) {
    const last = parts.at(-1)
    if (piece.startsWith('$') && piece !== '$$') parts.push({ variable: name ?? '' })
    else {
      const plain = piece === '$$' ? '$' : piece
      if (typeof last === 'string') parts[parts.length - 1] = last + plain
      else parts.push(plain)
    }
  }
  return parts
}

/** A result that can leave in several types; see `withFormats`. */
export class Formats {
  readonly types: Record<string, () => unknown>

  constructor(types: Record<string, () => unknown>) {
    this.types = types
  }
}

/**
 * A result in several types, by media type; `Accept` chooses, the first is what `*\/*` gets. Only the chosen one is made.
 * `application/json` gives a value to be written as JSON, all others give bytes.
 *
 * @example withFormats({ 'application/json': () => ({ width }), 'image/png': () => encodePng(map) })
 */
export function withFormats(types: Record<string, () => unknown>): Formats {
  if (Object.keys(types).length === 0) throw new TypeError('withFormats: expected at least one media type, found none')
  return new Formats(types)
}

import { PelletError } from '../../errors.ts'

/**
 * Bytes of base64 (RFC 4648, plain or URL-safe, line breaks allowed) or of a `data:...;base64,` URI.
 * @throws PelletError `missing_input` when empty, `invalid_request` when it is something else
 */
export function fromBase64(text: string, field: string): Uint8Array {
  const isUri = /^data:/i.test(text)
  const comma = isUri ? text.indexOf(',') : -1
  if (isUri && (comma === -1 || !/;base64$/i.test(text.slice(0, comma))))
    throw new PelletError(
      'invalid_request',
      `${field}: expected a data URI of the form data:image/png;base64,..., found ${JSON.stringify(text.slice(0, 40))}`,
    )
  const encoded = text.slice(comma + 1)
  const bytes = Buffer.from(encoded, 'base64')
  // Buffer.from passes over what is no base64: fewer bytes than the length promises give that away without a scan.
  if (bytes.length !== lengthOf(encoded, 0) && bytes.length !== lengthOf(encoded, blanksIn(encoded)))
    throw new PelletError(
      'invalid_request',
      `${field}: expected base64 or a data URI, found other characters in it, or an early end`,
    )
  if (bytes.length === 0) throw new PelletError('missing_input', `${field}: expected a picture, found an empty value`)
  return bytes
}

// --- internal ---

/** Undefined for a length that base64 never has: its last group has 2, 3 or 4 characters. */
function lengthOf(encoded: string, blanks: number): number | undefined {
  const length = encoded.length - blanks - paddingOf(encoded)
  return length % 4 === 1 ? undefined : Math.floor((length * 3) / 4)
}

/** At most 2; a line may have been broken between them. */
function paddingOf(encoded: string): number {
  let padding = 0
  for (let at = encoded.length - 1; at >= 0 && padding < 2; at--) {
    if (encoded[at] === '=') padding++
    else if (encoded.charCodeAt(at) > 32) break
  }
  return padding
}

/** Counted, not replaced: a text with a blank behind each letter would be taken apart into millions. */
function blanksIn(text: string): number {
  let count = 0
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) <= 32) count++
  return count
}

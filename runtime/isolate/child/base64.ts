import { PelletError } from '../../errors.ts'

/**
 * Bytes of base64 (RFC 4648, plain or URL-safe, line breaks allowed) or of a `data:...;base64,` URI.
 * @throws PelletError `missing_input` when empty, `invalid_request` when it is something else
 */
export function fromBase64(text: string, field: string): Uint8Array {
  const comma = text.startsWith('data:') ? text.indexOf(',') : -1
  if (text.startsWith('data:') && (comma === -1 || !/;base64$/i.test(text.slice(0, comma))))
    throw new PelletError(
      'invalid_request',
      `${field}: expected a data URI of the form data:image/png;base64,..., found ${JSON.stringify(text.slice(0, 40))}`,
    )
  const encoded = text.slice(comma + 1)
  const bytes = Buffer.from(encoded, 'base64')
  // Buffer.from passes over what is no base64: fewer bytes than the length promises give that away without a scan.
  if (bytes.length !== expectedLength(encoded)) {
    const packed = encoded.replaceAll(/\s+/g, '')
    if (bytes.length !== expectedLength(packed))
      throw new PelletError('invalid_request', `${field}: expected base64 or a data URI, found other characters in it`)
  }
  if (bytes.length === 0) throw new PelletError('missing_input', `${field}: expected a picture, found an empty value`)
  return bytes
}

// --- internal ---

function expectedLength(encoded: string): number {
  const padding = encoded.endsWith('==') ? 2 : encoded.endsWith('=') ? 1 : 0
  return Math.floor(((encoded.length - padding) * 3) / 4)
}

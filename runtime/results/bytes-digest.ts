import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** The headers, beside those of options, that have a part in what an isolate makes of a request. */
const telling = new Set(['content-type', 'content-encoding', 'accept'])
const optionPrefix = 'x-pellet-option-'

/**
 * sha256 of what an isolate sees of a request: its route, query, headers and body.
 * @param route of the manifest, whichever of its paths was called
 */
export function bytesDigest(req: IncomingMessage, route: string): { add(chunk: Uint8Array): void; hex(): string } {
  const { headers, url = '' } = req
  const names = Object.keys(headers).filter((name) => telling.has(name) || name.startsWith(optionPrefix))
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
  const head = [route, query, ...names.sort().map((name) => [name, headers[name]])]
  const hash = createHash('sha256').update(`${JSON.stringify(head)}\n`)
  return { add: (chunk) => void hash.update(chunk), hex: () => hash.digest('hex') }
}

/** Whether equal requests have equal bytes: of multipart bodies the boundary differs each time. */
export function repeatsToTheByte({ headers }: IncomingMessage): boolean {
  return !/^\s*multipart\//i.test(headers['content-type'] ?? '')
}

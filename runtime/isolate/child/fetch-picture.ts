import type { IncomingMessage } from 'node:http'
import { checkedAddress, requestTo, toHttpUrl, UrlRefused, type CheckedAddress } from '../../allowed-urls.ts'
import { messageOf, PelletError } from '../../errors.ts'

const maxRedirects = 3
const timeoutMs = 10_000

/**
 * Fetches a picture by URL under the rules of `allow_urls`: named hosts and networks, or `*` for every public host.
 * Addresses are checked after the name is resolved and the connection goes to the address that was checked; redirects
 * are checked again. Private addresses need an entry that names them; link-local ones (cloud metadata) are never fetched.
 * @throws PelletError `url_input_disabled`, `url_input_refused`, `payload_too_large`
 */
export async function fetchPicture(text: string, allowed: string[], maxBytes: number): Promise<Uint8Array> {
  if (allowed.length === 0)
    throw new PelletError(
      'url_input_disabled',
      'image_url: URLs as input are off here; send the picture itself, or set allow_urls in pellet.yaml',
    )
  try {
    return await fetchAllowed(text, allowed, maxBytes)
  } catch (error) {
    throw error instanceof UrlRefused ? refused(error.message) : error
  }
}

// --- internal ---

async function fetchAllowed(text: string, allowed: string[], maxBytes: number): Promise<Uint8Array> {
  let url = toHttpUrl(text)
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const response = await open(url, await checkedAddress(url, allowed))
    const status = response.statusCode ?? 0
    const location = response.headers.location
    if (status >= 300 && status < 400 && location) {
      response.destroy()
      url = toHttpUrl(location, url.href)
      continue
    }
    if (status !== 200) {
      response.destroy()
      throw refused(`expected ${url.host} to answer 200, found ${status}`)
    }
    return readBounded(response, maxBytes)
  }
  throw refused(`expected at most ${maxRedirects} redirects, found more`)
}

function open(url: URL, address: CheckedAddress): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    requestTo(url, address, {
      signal: AbortSignal.timeout(timeoutMs),
      // Some servers refuse callers who do not say what they are.
      headers: { 'user-agent': 'pellet', accept: 'image/*' },
    })
      .on('response', resolve)
      .on('error', (error) => reject(refused(`could not fetch ${url.host}: ${reasonOf(error)}`)))
      .end()
  })
}

async function readBounded(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response) {
      length += (chunk as Buffer).length
      if (length > maxBytes) {
        response.destroy()
        throw new PelletError(
          'payload_too_large',
          `image_url: expected at most ${maxBytes} bytes (limits.body), found more`,
        )
      }
      chunks.push(chunk as Buffer)
    }
  } catch (error) {
    throw error instanceof PelletError ? error : refused(`the transfer broke off: ${reasonOf(error)}`)
  }
  return Buffer.concat(chunks)
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  const isLate = [error, cause].some((one) => one instanceof Error && one.name === 'TimeoutError')
  return isLate ? `expected it to be done within ${timeoutMs / 1000} s` : messageOf(error)
}

function refused(reason: string): PelletError {
  return new PelletError('url_input_refused', `image_url: ${reason}`)
}

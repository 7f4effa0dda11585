import { lookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import ipaddr from 'ipaddr.js'
import { messageOf, PelletError } from '../../errors.ts'

const maxRedirects = 3
const timeoutMs = 10_000
/** Where clouds answer with credentials beside the link-local addresses: AWS (IPv6), Azure, Alibaba. */
const metadataAddresses = new Set(['fd00:ec2::254', '168.63.129.16', '100.100.100.200'])

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
  let url = toUrl(text)
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const address = await checkedAddress(url, allowed)
    const response = await open(url, address)
    const status = response.statusCode ?? 0
    const location = response.headers.location
    if (status >= 300 && status < 400 && location) {
      response.destroy()
      url = toUrl(new URL(location, url).href)
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

/** Whether `allow_urls` lets this host at this address be fetched; a sentence when not. */
export function refusal(url: URL, address: string, allowed: string[]): string | undefined {
  const ip = ipaddr.process(address)
  const range = ip.range()
  if (range === 'linkLocal' || metadataAddresses.has(ip.toString()))
    return `${url.host} leads to ${address}, a link-local or metadata address, which is never fetched`
  const named = allowed.some((entry) => entry === url.hostname || entry === url.host || isInNetwork(ip, entry))
  if (named) return undefined
  if (range !== 'unicast')
    return `${url.host} leads to ${address} (${range}); name the host or its network in allow_urls to allow it`
  return allowed.includes('*') ? undefined : `${url.host} is not in allow_urls`
}

// --- internal ---

function toUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw refused(`expected an http or https URL, found ${JSON.stringify(text.slice(0, 200))}`)
  return url
}

async function checkedAddress(url: URL, allowed: string[]): Promise<{ address: string; family: number }> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await lookup(host, { all: true }).catch(() => [])
  if (addresses.length === 0) throw refused(`expected a host that resolves, found ${host}`)
  for (const { address } of addresses) {
    const reason = refusal(url, address, allowed)
    if (reason) throw refused(reason)
  }
  return addresses[0]!
}

function isInNetwork(ip: ipaddr.IPv4 | ipaddr.IPv6, entry: string): boolean {
  if (!ipaddr.isValidCIDR(entry)) return false
  const [network, bits] = ipaddr.parseCIDR(entry)
  return network.kind() === ip.kind() && ip.match(network as never, bits)
}

function open(url: URL, { address, family }: { address: string; family: number }): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const options = {
      // The checked address, whatever the name resolves to by now.
      lookup: (_host: string, options: { all?: boolean }, done: (...result: unknown[]) => void) =>
        options.all ? done(null, [{ address, family }]) : done(null, address, family),
      signal: AbortSignal.timeout(timeoutMs),
      agent: false as const,
      // Some servers refuse callers who do not say what they are.
      headers: { 'user-agent': 'pellet', accept: 'image/*' },
    }
    request(url, options as never, resolve)
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

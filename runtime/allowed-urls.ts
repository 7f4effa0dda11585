import { lookup } from 'node:dns/promises'
import { request as httpRequest, type ClientRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import ipaddr from 'ipaddr.js'

/** Where clouds answer with credentials beside the link-local addresses: AWS (IPv6), Azure, Alibaba. */
const metadataAddresses = new Set(['fd00:ec2::254', '168.63.129.16', '100.100.100.200'])

/** A URL that a request names and that is not called; the message says why, without saying where it stood. */
export class UrlRefused extends Error {}

/** The address that a name led to when it was checked. */
export interface CheckedAddress {
  address: string
  family: number
}

/**
 * @param base of what may be relative, as a redirect
 * @throws UrlRefused for what is no http or https URL
 */
export function toHttpUrl(text: string, base?: string): URL {
  const url = URL.canParse(text, base) ? new URL(text, base) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new UrlRefused(`expected an http or https URL, found ${JSON.stringify(text.slice(0, 200))}`)
  return url
}

/**
 * The address behind a URL, under the rules of `allow_urls`: named hosts and networks, or `*` for every public host. Private
 * addresses need an entry that names them; link-local ones (cloud metadata) are never called.
 * @throws UrlRefused
 */
export async function checkedAddress(url: URL, allowed: string[]): Promise<CheckedAddress> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await lookup(host, { all: true }).catch(() => [])
  if (addresses.length === 0) throw new UrlRefused(`expected a host that resolves, found ${host}`)
  for (const { address } of addresses) {
    const reason = refusal(url, address, allowed)
    if (reason) throw new UrlRefused(reason)
  }
  return addresses[0]!
}

/** Whether `allow_urls` lets this host at this address be called; a sentence when not. */
export function refusal(url: URL, address: string, allowed: string[]): string | undefined {
  const ip = ipaddr.process(address)
  const range = ip.range()
  if (range === 'linkLocal' || metadataAddresses.has(ip.toString()))
    return `${url.host} leads to ${address}, a link-local or metadata address, which is never called`
  const named = allowed.some((entry) => entry === url.hostname || entry === url.host || isInNetwork(ip, entry))
  if (named) return undefined
  if (range !== 'unicast')
    return `${url.host} leads to ${address} (${range}); name the host or its network in allow_urls to allow it`
  return allowed.includes('*') ? undefined : `${url.host} is not in allow_urls`
}

/** A request to the address that was checked, whatever the name resolves to by now. */
export function requestTo(url: URL, { address, family }: CheckedAddress, options: RequestOptions): ClientRequest {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest
  return request(url, {
    ...options,
    lookup: (_host: string, { all }: { all?: boolean }, done: (...result: unknown[]) => void) =>
      all ? done(null, [{ address, family }]) : done(null, address, family),
    agent: false,
  } as never)
}

// --- internal ---

function isInNetwork(ip: ipaddr.IPv4 | ipaddr.IPv6, entry: string): boolean {
  if (!ipaddr.isValidCIDR(entry)) return false
  const [network, bits] = ipaddr.parseCIDR(entry)
  return network.kind() === ip.kind() && ip.match(network as never, bits)
}

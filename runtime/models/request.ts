import { PassThrough } from 'node:stream'
import type { Dispatcher } from 'undici'
import { readVersion } from '../version.ts'
import { FetchError, publicUrl } from './fetch-error.ts'

export interface Answer {
  status: number
  headers: Record<string, string | undefined>
  /** Where it came from in the end. */
  url: string
  /** Where it breaks off, it gives all that came before. */
  bytes: AsyncIterable<Uint8Array>
  close(): void
}

export interface ConnectionOptions {
  /** Longest silence of a server: until it answers, and between two pieces of its answer. */
  stallMs: number
}

/** Of `createConnections`, where nobody is in a hurry. */
export const stallMs = 30_000

const maxRedirects = 10
const connectMs = 15_000

/** Connections, through the proxies that the usual variables name (`https_proxy`, `http_proxy`, `no_proxy`). */
export async function createConnections({ stallMs }: ConnectionOptions): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await import('undici')
  return new EnvHttpProxyAgent({
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
    connect: { timeout: Math.min(connectMs, stallMs) },
    // Bodies are files: nobody waits for them to be gathered.
    maxResponseSize: -1,
  })
}

/**
 * GET, redirects followed: at most ten, never from https to http.
 * @throws FetchError
 */
export async function get(
  url: string,
  headers: Record<string, string>,
  { connections, signal }: { connections: Dispatcher; signal: AbortSignal },
): Promise<Answer> {
  const { request } = await import('undici')
  let at = url
  for (let redirects = 0; ; redirects++) {
    const { username, password, origin } = new URL(at)
    const isFirst = origin === new URL(url).origin
    const answer = await request(publicUrl(at), {
      dispatcher: connections,
      signal,
      headers: {
        'user-agent': `pellet/${readVersion()}`,
        'accept-encoding': 'identity',
        ...(isFirst && username !== '' && { authorization: basic(username, password) }),
        ...headers,
      },
    }).catch((error: unknown) => {
      throw toNetworkError(at, error, signal)
    })
    const { statusCode: status, body } = answer
    const plain = Object.fromEntries(Object.entries(answer.headers).map(([key, value]) => [key, [value].flat()[0]]))
    const location = plain['location']
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
      return { status, headers: plain, url: at, ...toBytes(body) }
    body.on('error', () => {}).destroy()
    if (redirects === maxRedirects)
      throw new FetchError('elsewhere', `${publicUrl(url)}: expected a file, found more than ${maxRedirects} redirects`)
    at = follow(at, location)
  }
}

/** Of what undici or the system throws. */
export function toNetworkError(url: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof FetchError) return error
  const { code = '', message } = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException
  const remedy = lasting.test(code) ? 'elsewhere' : 'retry'
  const why = reasons[code] ?? (message || code)
  return new FetchError(remedy, `${publicUrl(url)}: ${why}`, { cause: error })
}

// --- internal ---

/** undici throws away what was not read yet when a connection breaks off, so it is read as it comes. */
function toBytes(body: Dispatcher.ResponseData['body']): Pick<Answer, 'bytes' | 'close'> {
  const came = new PassThrough({ highWaterMark: 1 << 20 })
  let broken: Error | undefined
  body.on('error', (error) => {
    broken = error
    came.end()
  })
  body.pipe(came)
  async function* read() {
    yield* came as AsyncIterable<Uint8Array>
    if (broken) throw broken
  }
  return { bytes: read(), close: () => body.destroy() }
}

/** What the next moment does not mend. */
const lasting = /^(?:ENOTFOUND|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/

const reasons: Record<string, string> = {
  UND_ERR_HEADERS_TIMEOUT: 'the server does not answer',
  UND_ERR_BODY_TIMEOUT: 'the server stopped sending',
  UND_ERR_CONNECT_TIMEOUT: 'the server cannot be reached in time',
  UND_ERR_SOCKET: 'the connection broke off',
  ECONNRESET: 'the connection broke off',
  ECONNREFUSED: 'the server refuses connections',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up; is there a network?',
}

function follow(from: string, location: string): string {
  const shown = publicUrl(from)
  if (!URL.canParse(location, from))
    throw new FetchError('elsewhere', `${shown}: expected a redirect to a URL, found ${JSON.stringify(location)}`)
  const to = new URL(location, from)
  const isDown = new URL(from).protocol === 'https:' && to.protocol !== 'https:'
  if (isDown || !/^https?:$/.test(to.protocol))
    throw new FetchError('elsewhere', `${shown}: refuses to follow a redirect from https to ${publicUrl(to.href)}`)
  return to.href
}

function basic(username: string, password: string): string {
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

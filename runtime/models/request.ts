import { PassThrough } from 'node:stream'
import type { Dispatcher } from 'undici'
import { readVersion } from '../version.ts'
import { within } from '../within.ts'
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

/** What requests go through. */
export interface Connections {
  dispatcher: Dispatcher
  /** Longest silence of a server: until it answers, and between two pieces of its answer. */
  stallMs: number
  destroy(): Promise<void>
}

/** Where nobody is in a hurry. */
const patientMs = 30_000
/** Less than this in the time of a silence is no better than silence. */
export const fewBytes = 1024
const maxRedirects = 10
const destroyMs = 500

/** Connections, through the proxies that the usual variables name (`https_proxy`, `http_proxy`, `no_proxy`). */
export async function createConnections(stallMs = patientMs): Promise<Connections> {
  const { EnvHttpProxyAgent } = await import('undici')
  const dispatcher = new EnvHttpProxyAgent({ bodyTimeout: stallMs, connect: { timeout: stallMs } })
  return { dispatcher, stallMs, destroy: () => within(dispatcher.destroy(), destroyMs) }
}

/**
 * GET, redirects followed: at most ten, never from https to http.
 * @throws FetchError
 */
export async function get(
  url: string,
  headers: Record<string, string>,
  { connections, signal }: { connections: Connections; signal: AbortSignal },
): Promise<Answer> {
  let at = url
  for (let redirects = 0; ; redirects++) {
    const { username, password, origin } = new URL(at)
    const isFirst = origin === new URL(url).origin
    const own = isFirst && username !== '' ? { authorization: basic(username, password) } : {}
    const { statusCode: status, headers: all, body } = await ask(at, { ...own, ...headers }, connections, signal)
    const plain = Object.fromEntries(Object.entries(all).map(([key, value]) => [key, [value].flat()[0]]))
    const location = plain['location']
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
      return { status, headers: plain, url: at, ...toBytes(body, connections.stallMs) }
    body.on('error', () => {}).destroy()
    if (redirects === maxRedirects)
      throw new FetchError('elsewhere', `${publicUrl(url)}: expected a file, found more than ${maxRedirects} redirects`)
    at = redirectOf(at, location)
  }
}

/** Where a redirect leads. @throws FetchError where it is not followed */
export function redirectOf(from: string, location: string): string {
  const shown = publicUrl(from)
  if (!URL.canParse(location, from))
    throw new FetchError('elsewhere', `${shown}: expected a redirect to a URL, found ${JSON.stringify(location)}`)
  const to = new URL(location, from)
  const isDown = new URL(from).protocol === 'https:' && to.protocol !== 'https:'
  if (isDown || !/^https?:$/.test(to.protocol))
    throw new FetchError('elsewhere', `${shown}: expected a redirect to https, found one to ${publicUrl(to.href)}`)
  return to.href
}

/** Of what undici or the system throws. */
export function toNetworkError(url: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof FetchError) return error
  const { code = '', message } = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException
  const remedy = lasting.test(code) ? 'elsewhere' : 'retry'
  const why = reasons[code] ?? (message.trim() || code)
  return new FetchError(remedy, `${publicUrl(url)}: ${why}`, { cause: error })
}

// --- internal ---

/** undici throws away what was not read yet when a connection breaks off, so it is read as it comes. */
function toBytes(body: Dispatcher.ResponseData['body'], stallMs: number): Pick<Answer, 'bytes' | 'close'> {
  const came = new PassThrough({ highWaterMark: 1 << 20 })
  let broken: Error | undefined
  let newBytes = 0
  body.on('data', (chunk: Buffer) => (newBytes += chunk.length))
  const timer = setInterval(() => {
    // Where the disk is slow it is not the server.
    if (newBytes < fewBytes && !came.writableNeedDrain)
      body.destroy(Object.assign(new Error(), { code: 'UND_ERR_BODY_TIMEOUT' }))
    newBytes = 0
  }, stallMs)
  body.once('close', () => clearInterval(timer))
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
const lasting =
  /^(?:ENOTFOUND|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|UND_ERR_HEADERS_OVERFLOW|CERT_|ERR_SSL|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/

const reasons: Record<string, string> = {
  UND_ERR_BODY_TIMEOUT: 'the server stopped sending',
  UND_ERR_CONNECT_TIMEOUT: 'the server cannot be reached in time',
  UND_ERR_SOCKET: 'the connection broke off',
  UND_ERR_HEADERS_OVERFLOW: 'the head of its answer is too long',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS; is it http?',
  ECONNRESET: 'the connection broke off',
  ECONNREFUSED: 'the server refuses connections',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up; is there a network?',
}

async function ask(
  url: string,
  headers: Record<string, string>,
  { dispatcher, stallMs }: Connections,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const { request } = await import('undici')
  // undici's own limits begin with a connection, and behind a broken proxy it tries to get one for ever.
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), stallMs)
  const ended = AbortSignal.any([signal, silence.signal])
  let onEnd = () => {}
  const end = new Promise<never>((_, reject) => {
    onEnd = () => reject(ended.reason as Error)
    ended.addEventListener('abort', onEnd, { once: true })
  })
  try {
    const asked = request(publicUrl(url), {
      dispatcher,
      signal: ended,
      headers: { 'user-agent': `pellet/${readVersion()}`, 'accept-encoding': 'identity', ...headers },
    })
    asked.catch(() => {})
    // Nor does it hear of the signal before it has one.
    return await Promise.race([asked, end])
  } catch (error) {
    if (!silence.signal.aborted) throw toNetworkError(url, error, signal)
    throw new FetchError('retry', `${publicUrl(url)}: the server does not answer`)
  } finally {
    clearTimeout(timer)
    ended.removeEventListener('abort', onEnd)
  }
}

function basic(username: string, password: string): string {
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

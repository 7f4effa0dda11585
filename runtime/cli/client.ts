import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { messageIn } from '../error-body.ts'
import { notPellet, toConnectionError, toRefusal } from './client-errors.ts'
import type { Target } from './target.ts'

export interface Reply {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

export interface CallOptions {
  headers?: Record<string, string>
  /** Of a stream the headers must have the length. */
  body?: Uint8Array | string | Readable
  /** How long the answer may take to begin; 0: as long as it takes. Default: 30 s for what only asks, else 0. */
  answerMs?: number
  signal?: AbortSignal
}

/** One request to a running Pellet. @throws ConnectionError when no answer comes */
export async function call(target: Target, method: string, path: string, options: CallOptions = {}): Promise<Reply> {
  const res = await open(target, method, path, options)
  return { status: res.statusCode!, headers: res.headers, body: await bodyOf(target, res) }
}

/** As `call`, for JSON. @throws RefusalError with the server's own message when it says no */
export async function callJson<Value>(target: Target, method: string, path: string, value?: unknown): Promise<Value> {
  const json = value !== undefined && { headers: jsonType, body: JSON.stringify(value) }
  const { status, headers, body } = await call(target, method, path, json || {})
  if (status < 200 || status >= 300) throw toRefusal(target, status, headers, String(body))
  try {
    return JSON.parse(String(body)) as Value
  } catch {
    throw notPellet(target, `an answer of ${headers['content-type'] ?? 'no type'} that is no JSON`)
  }
}

/** An answer that is read as it comes. @throws RefusalError with the server's own message when it says no */
export async function openStream(
  target: Target,
  method: string,
  path: string,
  value?: unknown,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const json = value !== undefined && { headers: jsonType, body: JSON.stringify(value) }
  // A log that is followed may have nothing to tell for long.
  const res = await open(target, method, path, { ...json, answerMs: 0, ...(signal && { signal }) })
  const { statusCode = 0, headers } = res
  if (statusCode !== 200) throw toRefusal(target, statusCode, headers, String(await bodyOf(target, res)))
  if (headers['content-type']?.startsWith('application/x-ndjson')) return res
  res.destroy()
  throw notPellet(target, `an answer of ${headers['content-type'] ?? 'no type'}`)
}

/** The message of an error answer, whatever its shape. */
export function toMessage({ status, body }: Reply): string {
  return messageIn(String(body)) ?? `expected an answer, found status ${status}`
}

// --- internal ---

const jsonType = { 'content-type': 'application/json' }
const connectMs = 10_000
/** How long the answer to a question may take. */
const askMs = 30_000

/** Resolves when the answer begins, also where that is before the body was sent in full. */
function open(target: Target, method: string, path: string, options: CallOptions): Promise<IncomingMessage> {
  const { headers, body, signal } = options
  const isText = typeof body === 'string' || body instanceof Uint8Array
  const req = toRequest(target, {
    method,
    path,
    headers: {
      ...(target.url && target.token !== undefined && { authorization: `Bearer ${target.token}` }),
      ...headers,
      ...(isText && { 'content-length': Buffer.byteLength(body) }),
    },
    ...(signal && { signal }),
  })
  const stopWaiting = limitTime(req, options.answerMs ?? (method === 'GET' ? askMs : 0))
  return new Promise((resolve, reject) => {
    req.on('response', (res) => {
      stopWaiting()
      resolve(res)
    })
    req.on('error', (error) => {
      stopWaiting()
      reject(Object.assign(toConnectionError(target, error), { cause: error }))
    })
    if (body === undefined || isText) return req.end(body)
    body.on('error', (error) => req.destroy(error))
    body.pipe(req)
    req.once('close', () => body.destroy())
  })
}

/** Gives a request up that finds nobody in time, or no answer. Returns what ends the watch. */
function limitTime(req: ClientRequest, answerMs: number): () => void {
  const giveUpAfter = (ms: number, what: string) =>
    setTimeout(() => req.destroy(Object.assign(new Error(`${what} in ${ms / 1000} s`), { code: 'ETIMEDOUT' })), ms)
  const connecting = giveUpAfter(connectMs, 'no connection')
  const answering = answerMs === 0 ? undefined : giveUpAfter(answerMs, 'no answer')
  req.on('socket', (socket) => {
    if (socket.connecting) socket.once('connect', () => clearTimeout(connecting))
    else clearTimeout(connecting)
  })
  return () => {
    clearTimeout(connecting)
    clearTimeout(answering)
  }
}

function toRequest({ url, socketPath }: Target, options: RequestOptions): ClientRequest {
  if (!url) return requestHttp({ ...options, socketPath: socketPath! })
  const there = new URL(`.${options.path!}`, url)
  return (there.protocol === 'https:' ? requestHttps : requestHttp)(there, {
    ...options,
    path: there.pathname + there.search,
  })
}

async function bodyOf(target: Target, res: IncomingMessage): Promise<Buffer> {
  return buffer(res).catch((error: Error) => {
    throw toConnectionError(target, error)
  })
}

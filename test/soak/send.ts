import { request as httpRequest, type Agent, type IncomingHttpHeaders } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { PlannedRequest } from './plan.ts'
import { toWire, type Wire } from './wire.ts'

/** How one request ended. Times in milliseconds on `performance.now()`. */
export interface Outcome {
  sentAt: number
  endedAt: number
  /** 0: the caller left before there was an answer. */
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** Why the connection broke, where it was not the caller who closed it; with a status: in the middle of the answer. */
  broken?: string
  /** Its connection had carried another request before. */
  isReused?: boolean
}

/** Sends it, reads all of the answer, leaves in the middle where that is planned. Never rejects. */
export async function send(url: string, agent: Agent, planned: PlannedRequest): Promise<Outcome> {
  const { leave, later } = planned
  const wire = toWire(planned)
  if (!later) return exchange(url, agent, wire, { leave })
  wire.headers['prefer'] = 'respond-async'
  const accepted = await exchange(url, agent, wire)
  const path = accepted.headers.location
  if (accepted.status !== 202 || path === undefined) return accepted
  const ask = (method: string) =>
    exchange(url, agent, { method, path, headers: { prefer: 'wait=10' }, body: Buffer.alloc(0) })
  let found = later === 'cancelled' ? await ask('DELETE') : await ask('GET')
  while (found.status === 202 && found.headers['x-pellet-job'] !== 'done') {
    if (performance.now() - accepted.sentAt > patienceMs) return { ...found, broken: 'its result never came' }
    found = await ask('GET')
  }
  return { ...found, sentAt: accepted.sentAt }
}

/** What callers do beside sending all at once and reading all that comes. */
export interface Manner {
  leave?: PlannedRequest['leave']
  /** Sends `Expect: 100-continue`, and the body once it was asked for. */
  isAsking?: boolean
  /** A pause in the middle of the body. */
  sendPauseMs?: number
  /** A pause after each part of the answer that was read. */
  readPauseMs?: number
}

/** One request as it is, and all of its answer. Never rejects. */
export function exchange(
  url: string,
  agent: Agent | false,
  wire: Wire,
  { leave, isAsking, sendPauseMs, readPauseMs }: Manner = {},
): Promise<Outcome> {
  const { method, path, headers, body } = wire
  const sentAt = performance.now()
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const end = (status: number, answer: IncomingHttpHeaders, broken?: string) => {
      const outcome = { sentAt, endedAt: performance.now(), status, headers: answer, body: Buffer.concat(chunks) }
      resolve({ ...outcome, ...(broken !== undefined && { broken, isReused: req.reusedSocket }) })
    }
    let hasLeft = false
    const own = { ...headers, 'content-length': body.length, ...(isAsking && { expect: '100-continue' }) }
    const req = httpRequest(url + path, { method, agent, headers: own })
    const timer = setTimeout(() => req.destroy(new Error(`no answer for ${patienceMs / 1000} s`)), patienceMs)
    req.on('close', () => clearTimeout(timer))
    req.on('error', (error: NodeJS.ErrnoException) => end(0, {}, hasLeft ? undefined : (error.code ?? error.message)))
    req.on('response', (res) => {
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (readPauseMs === undefined) return
        res.pause()
        void pause(readPauseMs).then(() => res.resume())
      })
      res.on('end', () => end(res.statusCode!, res.headers))
      res.on('error', (error) => (hasLeft ? end(0, {}) : end(res.statusCode!, res.headers, error.message)))
    })
    if (leave) {
      if (leave.inBody) req.write(body.subarray(0, body.length / 2))
      else req.end(body)
      void pause(leave.afterMs).then(() => {
        hasLeft = true
        req.destroy()
      })
    } else if (isAsking) {
      req.once('continue', () => req.end(body))
      req.flushHeaders()
    } else if (sendPauseMs !== undefined) {
      req.write(body.subarray(0, body.length / 2))
      void pause(sendPauseMs).then(() => req.end(body.subarray(body.length / 2)))
    } else req.end(body)
  })
}

// --- internal ---

/** Longer than anything may take: who gets no answer until then gets none. */
const patienceMs = 330_000

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { toErrorAnswer } from '../error-body.ts'
import type { AnswerWriter } from '../jobs/job-store.ts'
import type { JobOrder, LiveJob } from '../jobs/jobs.ts'
import type { OwnRequest } from '../jobs/own-requests.ts'
import type { Preference } from '../jobs/prefer.ts'
import type { Pellet } from '../pellet.ts'
import { acceptedTarget } from './accepted.ts'
import { CallerLeft, gatherBody } from './gather.ts'
import { stopping } from './proxy.ts'
import { sendRefusal } from './refusal.ts'
import { toRequestId } from './request-id.ts'
import { isOverIn, jobPath, retryAfterS, sendResult } from './results.ts'
import type { RouteTarget } from './route-table.ts'

/**
 * `Prefer: respond-async`: takes the request, answers where its result will be, and makes it when there is a place. What can
 * be refused at once is refused at once.
 */
export async function respondAsync(
  pellet: Pellet,
  { deployment, path }: RouteTarget,
  req: IncomingMessage,
  res: ServerResponse,
  preference: Preference,
): Promise<void> {
  const { name, manifest } = deployment
  const requestId = toRequestId(req)
  let held = 0
  const take = (bytes: number) => {
    pellet.desk.room.take(bytes)
    held += bytes
  }
  const release = () => {
    pellet.desk.room.giveBack(held)
    held = 0
  }
  try {
    const { callback, query } = await pellet.desk.callbacks.takeFrom(queryOf(req.url!))
    if (pellet.isRefusing()) throw stopping()
    pellet.desk.jobs.expectPlace()
    const { bodyBytes: maxBytes, timeoutMs } = manifest.limits
    const body = await gatherBody(req, res, { name, maxBytes, timeoutMs, take })
    if (pellet.isRefusing()) throw stopping()
    const headers = toOwnHeaders(req.headers, requestId)
    const request = {
      deployment: name,
      method: req.method!,
      url: `/f/${name}${path}${query}`,
      headers,
      body,
    }
    const route = `${req.method} ${path}`
    const run = (job: LiveJob, answer: AnswerWriter) => copyAnswer(pellet, request, job, answer)
    const order: JobOrder = {
      deployment: name,
      route,
      requestId,
      shape: manifest.errors,
      run,
      ...(callback && { callback }),
    }
    const job = await pellet.desk.jobs.accept(order)
    void job.over.then(release)
    await answerAccepted(pellet, job, res, req, preference)
  } catch (error) {
    release()
    if (error instanceof CallerLeft || res.headersSent) return void res.destroy()
    sendRefusal(req, res, toErrorAnswer(error, manifest.errors, requestId))
  }
}

/** Headers of a request that main makes to itself, from those of the caller's. */
export function toOwnHeaders(headers: IncomingHttpHeaders, requestId: string): Record<string, string> {
  const own = Object.entries(headers).filter(([name, value]) => value !== undefined && !notPassedOn.has(name))
  return { ...Object.fromEntries(own.map(([name, value]) => [name, String(value)])), 'x-request-id': requestId }
}

export function queryOf(url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? '' : url.slice(at)
}

/** 202 with the place of the result; or the result itself, where the caller waits for it and it comes in time. */
export async function answerAccepted(
  pellet: Pellet,
  job: LiveJob,
  res: ServerResponse,
  req: IncomingMessage,
  { waitMs }: Preference,
): Promise<void> {
  if (waitMs !== undefined && (await isOverIn(job, waitMs, res))) {
    res.setHeader('preference-applied', `wait=${waitMs / 1000}`)
    const isSent = await sendResult(pellet, req, res, job.id)
    // Who has the answer has no use for its place; who is called back may have.
    if (isSent) return job.callback ? undefined : pellet.desk.jobs.forget(job.id)
  }
  // Nobody else knows of it.
  if (res.destroyed) return pellet.desk.jobs.forget(job.id)
  const body = JSON.stringify({ id: job.id, state: job.state, result: jobPath(job.id) })
  res.writeHead(202, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    location: jobPath(job.id),
    'retry-after': String(retryAfterS(0)),
    'preference-applied': 'respond-async',
    'x-request-id': job.requestId,
  })
  res.end(body)
}

// --- internal ---

/** What belongs to the caller's connection, to its framing, or to how it wants to be answered. */
const notPassedOn = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'content-length',
  'prefer',
  'host',
  'authorization',
])

function copyAnswer(pellet: Pellet, request: OwnRequest, job: LiveJob, writer: AnswerWriter): Promise<void> {
  return pellet.desk.ownRequests.make(
    request,
    job.signal,
    async (answer) => {
      for await (const part of answer) await writer.write(part as Buffer)
      await writer.end(answer.statusCode!, toKeptHeaders(answer.headers))
    },
    () => {
      // Told as the deployment's clients know it: later nobody knows how that is.
      acceptedTarget(pellet, request.method, request.url)
      job.state = 'running'
    },
  )
}

/** Those that say something about the answer itself. */
function toKeptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(([name, value]) => value !== undefined && !ofConnection.has(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]))
}

const ofConnection = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date'])

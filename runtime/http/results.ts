import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf, PelletError } from '../errors.ts'
import { toErrorAnswer } from '../error-body.ts'
import type { LiveJob } from '../jobs/jobs.ts'
import { parsePrefer } from '../jobs/prefer.ts'
import type { ErrorShape } from '../manifest/manifest.ts'
import type { Pellet } from '../pellet.ts'
import { toTellable } from '../storage/tellable.ts'
import { methodNotAllowed, withoutQuery } from './answer.ts'
import { sendRefusal } from './refusal.ts'
import { toRequestId } from './request-id.ts'

/** Where a job's result is. */
export function jobPath(id: string): string {
  return `/results/${id}`
}

export function isResultPath(path: string): boolean {
  return path.startsWith('/results/')
}

export interface ResultsOf {
  /** Of errors that are not the job's own. */
  shape: ErrorShape
  /** Only of this deployment; undefined: of all. */
  deployment?: string
}

/** `/results/{id}`: GET says how a job stands, and gives its answer once there is one; DELETE cancels or forgets it. */
export async function serveResult(
  pellet: Pellet,
  req: IncomingMessage,
  res: ServerResponse,
  { shape, deployment }: ResultsOf,
): Promise<void> {
  const path = withoutQuery(req.url!)
  const id = path.slice('/results/'.length).replace(/\/$/, '')
  try {
    if (!methods.includes(req.method!)) throw methodNotAllowed(req.method!, path, methods)
    const live = pellet.desk.jobs.live(id)
    const { waitMs } = parsePrefer(req.headers['prefer'])
    if (live && waitMs !== undefined && req.method === 'GET') await isOverIn(live, waitMs, res)
    const found = pellet.desk.jobs.live(id) ?? (await pellet.desk.jobs.find(id))
    if (!found || (deployment !== undefined && found.deployment !== deployment)) throw unknown(path)
    if (req.method === 'DELETE') {
      await pellet.desk.jobs.forget(id)
      res.writeHead(204, { 'x-request-id': found.requestId }).end()
    } else if ('state' in found) sendProgress(res, found)
    else if (!(await sendResult(pellet, req, res, id))) throw unknown(path)
  } catch (error) {
    if (res.headersSent) res.destroy()
    else if (!res.destroyed) sendRefusal(req, res, toErrorAnswer(toldBy(pellet, error), shape, toRequestId(req)))
  }
}

/** When to ask again after so long a time: soon at first. */
export function retryAfterS(elapsedMs: number): number {
  return Math.min(30, Math.max(1, Math.floor(elapsedMs / 10_000)))
}

/**
 * Answers with what a job was answered with.
 * @returns false when there is no such job that is over
 */
export async function sendResult(
  { desk: { jobs } }: Pellet,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
): Promise<boolean> {
  const found = await jobs.find(id)
  if (!found || res.destroyed) return false
  const { status, headers, sizeBytes, pieces, body } = found.answer
  // Where its first piece was damaged or dropped it is gone; later ones can only be missed in the middle of the answer.
  const first = pieces > 0 ? await jobs.piece(id, 0) : undefined
  if (first === null) {
    await jobs.forget(id)
    return false
  }
  res.writeHead(status, {
    ...headers,
    'content-length': sizeBytes,
    'cache-control': 'no-store',
    [stateHeader]: 'done',
  })
  if (req.method === 'HEAD') res.end()
  else if (body !== undefined) res.end(body)
  else {
    for (let index = 0; index < pieces; index++) {
      const piece = index === 0 ? first! : await jobs.piece(id, index)
      if (piece === null) {
        // Who asks again is not to be given half of it again.
        await jobs.forget(id)
        throw new Error(`piece ${index} of ${id} is gone`)
      }
      if (res.destroyed) return true
      if (!res.write(piece)) await drained(res)
    }
    res.end()
  }
  return true
}

/** Whether a job is over within `ms`; false too when the caller leaves meanwhile. */
export function isOverIn(job: LiveJob, ms: number, res: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isOver: boolean) => {
      clearTimeout(timer)
      res.off('close', left)
      resolve(isOver)
    }
    const left = () => settle(false)
    const timer = setTimeout(left, ms)
    res.on('close', left)
    void job.over.then(() => settle(true))
  })
}

// --- internal ---

const methods = ['GET', 'HEAD', 'DELETE']
/** Tells an answer about a job from the answer of a job: both may be a 404 or a 503. */
const stateHeader = 'x-pellet-job'

function unknown(path: string): PelletError {
  const expected = 'expected the result of a job that is under way or was done lately'
  return new PelletError('not_found', `${path}: ${expected}, found none (results_ttl, results_max)`)
}

/** What broke in the store is the operator's to know: it names files. */
function toldBy({ log }: Pellet, error: unknown): unknown {
  if (error instanceof PelletError) return error
  log.error(messageOf(error))
  return toTellable(error, 'the result could not be looked at')
}

function sendProgress(res: ServerResponse, { id, deployment, route, state, acceptedAt, items, requestId }: LiveJob) {
  const elapsedMs = Date.now() - acceptedAt
  const progress = {
    id,
    deployment,
    route,
    state,
    elapsed_s: Math.round(elapsedMs / 100) / 10,
    ...(items && { items }),
  }
  const body = JSON.stringify(progress)
  res.writeHead(202, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'retry-after': String(retryAfterS(elapsedMs)),
    'x-request-id': requestId,
    [stateHeader]: state,
  })
  res.end(body)
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done).off('close', done)
      resolve()
    }
    res.on('drain', done).on('close', done)
  })
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { messageOf, PelletError } from '../../errors.ts'
import { toErrorAnswer } from '../../error-body.ts'
import { callHeader, exchangeHeader, innerHeaders, resultHeader } from '../calls.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { answerCall } from './answer-call.ts'
import { CalleeError } from './call-client.ts'
import { firstFrames } from './function.ts'
import { parseRequest, release, type FetchPicture, type ParsedRequest } from './parse.ts'
import type { Pipeline } from './pipeline.ts'
import { toAnswer, type Answer } from './respond.ts'
import { toResultDigest } from './result-digest.ts'
import { runPipeline, type Loaded, type Phases, type RequestScope } from './run.ts'

export interface IsolateServer {
  server: Server
  /** The exchanges whose steps are still running, answered or not. */
  active: Set<string>
}

/**
 * The deployment's routes as an ordinary HTTP server; `curl --unix-socket` can call it. Plain node:http: the routes are
 * literal paths, and a framework would cost every isolate 9 MB and 50 ms to load.
 */
export function createIsolateServer(
  manifest: Manifest,
  loaded: Loaded,
  pipelines: Pipeline[],
  fetchPicture: FetchPicture,
): IsolateServer {
  const active = new Set<string>()
  const routes = new Map(pipelines.map((pipeline) => [`${pipeline.route.method} ${pipeline.route.path}`, pipeline]))

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const requestId = String(req.headers['x-request-id'] ?? '')
    const left = new AbortController()
    res.once('close', () => {
      if (!res.writableFinished) left.abort()
    })
    // Main's own number: callers may give many requests one id.
    const exchange = String(req.headers[exchangeHeader] ?? requestId)
    const call = req.headers[callHeader] as string | undefined
    const phases: Phases = { receive: 0, pre: 0, wait: 0, infer: 0, post: 0 }
    active.add(exchange)
    try {
      // It waited for its turn before it came here: that part only main knows, which ends it then.
      const deadlineAt = performance.now() + manifest.limits.timeoutMs
      const scope = { exchange, phases, signal: left.signal, deadlineAt }
      const answered = await (call === undefined ? answer(req, scope) : answerCallOf(call, req, scope))
      if (answered === 'kept') {
        res.writeHead(204, { 'server-timing': toServerTiming(phases), [resultHeader]: 'kept' }).end()
        return
      }
      const { type, body } = answered
      res.writeHead(200, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'server-timing': toServerTiming(phases),
      })
      res.end(body)
    } catch (error) {
      // Nobody reads the answer of a caller who left; whatever broke then is its leaving.
      if (left.signal.aborted) return
      const shape = call === undefined ? manifest.errors : 'pellet'
      const { status, headers, body } = toErrorAnswer(error, shape, requestId)
      // What broke in another deployment is in the log already, with its stack.
      const cause = causeOf(error)
      if (status >= 500 && !(cause instanceof CalleeError))
        console.error(
          `request ${requestId}: ${messageOf(error)}${[error, cause].some(isOfDevice) ? '' : `\n${firstFrames(cause)}`}`,
        )
      res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
      res.end(body)
    } finally {
      active.delete(exchange)
    }
  }

  async function answer(req: IncomingMessage, scope: RequestScope): Promise<Answer | 'kept'> {
    const { phases } = scope
    const pipeline = find(`${req.method} ${req.url!.split('?', 1)[0]!}`)
    const startedAt = performance.now()
    const request = await parseRequest(req, fetchPicture)
    phases.receive = performance.now() - startedAt
    try {
      if (req.headers[resultHeader] && (await isKept(pipeline, request, req.headers.accept, scope))) return 'kept'
      const result = await runPipeline(loaded, pipeline, request, scope)
      const encodedAt = performance.now()
      const encoded = await toAnswer(result, req.headers.accept)
      phases.post += performance.now() - encodedAt
      return encoded
    } finally {
      release(request)
    }
  }

  /** Whether main has the answer; what it depends on beside the picture or the fields makes it none to keep. */
  async function isKept(
    pipeline: Pipeline,
    request: ParsedRequest,
    accept: string | undefined,
    scope: RequestScope,
  ): Promise<boolean> {
    const startedAt = performance.now()
    const found = await toResultDigest(pipeline, request, accept, loaded.options)
    const isThere = found !== undefined && (await loaded.askForResult(found.digest, found.isFetched, scope))
    scope.phases.cache = performance.now() - startedAt
    return isThere
  }

  async function answerCallOf(route: string, req: IncomingMessage, scope: RequestScope): Promise<Answer> {
    const { name, limits } = manifest
    return answerCall(req, loaded, find(route), scope, { name, concurrency: limits.concurrency, fetchPicture })
  }

  function find(route: string): Pipeline {
    const pipeline = routes.get(route)
    if (pipeline) return pipeline
    throw new PelletError('not_found', `expected one of ${[...routes.keys()].join(', ')}, found ${route}`)
  }

  const server = createServer(
    {
      // Main is the only caller and keeps its connections; an idle one closed from here would race with a request.
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
      noDelay: true,
      maxHeaderSize: innerHeaders.maxHeaderSize,
    },
    (req, res) => void serve(req, res),
  )
  server.maxHeadersCount = innerHeaders.maxHeadersCount
  return { server, active }
}

// --- internal ---

/** It is of no use where in the code somebody learnt that the NPU failed. */
function isOfDevice(error: unknown): boolean {
  return error instanceof PelletError && error.code.startsWith('device_')
}

function causeOf(error: unknown): unknown {
  return error instanceof PelletError && error.cause !== undefined ? error.cause : error
}

function toServerTiming(phases: Phases): string {
  let text = ''
  for (const name in phases) text += `${text && ', '}${name};dur=${phases[name as keyof Phases]!.toFixed(2)}`
  return text
}

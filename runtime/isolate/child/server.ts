import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { H3, HTTPResponse, toNodeHandler, type H3Event } from 'h3/node'
import { messageOf, PelletError } from '../../errors.ts'
import { toErrorAnswer } from '../../http/error-body.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { firstFrames } from './function.ts'
import { parseRequest, type FetchPicture } from './parse.ts'
import type { Pipeline } from './pipeline.ts'
import { toAnswer } from './respond.ts'
import { runPipeline, type Loaded, type Phases } from './run.ts'

export interface IsolateServer {
  server: Server
  /** Ids of the requests whose steps are still running, answered or not. */
  active: Set<string>
}

/** The deployment's routes as an ordinary HTTP server; `curl --unix-socket` can call it. */
export function createIsolateServer(
  manifest: Manifest,
  loaded: Loaded,
  pipelines: Pipeline[],
  fetchPicture: FetchPicture,
): IsolateServer {
  const app = new H3({ silent: true })
  const active = new Set<string>()

  async function serve(pipeline: Pipeline, req: IncomingMessage, res: ServerResponse): Promise<HTTPResponse> {
    const requestId = String(req.headers['x-request-id'] ?? '')
    const phases: Phases = { receive: 0, pre: 0, wait: 0, infer: 0, post: 0 }
    const left = new AbortController()
    res.once('close', () => {
      if (!res.writableFinished) left.abort()
    })
    active.add(requestId)
    try {
      const startedAt = performance.now()
      const request = await parseRequest(req, fetchPicture)
      phases.receive = performance.now() - startedAt
      const result = await runPipeline(loaded, pipeline, request, phases, left.signal)
      const encodedAt = performance.now()
      const { type, body } = await toAnswer(result, req.headers.accept)
      phases.post += performance.now() - encodedAt
      return new HTTPResponse(body as ConstructorParameters<typeof HTTPResponse>[0], {
        headers: {
          'content-type': type,
          'server-timing': toServerTiming(phases),
          'x-pellet-engine': loaded.model.engine,
        },
      })
    } catch (error) {
      return toErrorResponse(error, left.signal, requestId)
    } finally {
      active.delete(requestId)
    }
  }

  function toErrorResponse(error: unknown, signal: AbortSignal, requestId: string): HTTPResponse {
    // Nobody reads the answer of a caller who left; whatever broke then is its leaving.
    if (!signal.aborted && !(error instanceof PelletError && error.status < 500))
      console.error(`${messageOf(error)}\n${firstFrames(causeOf(error))}`)
    const { status, headers, body } = toErrorAnswer(error, manifest.errors, requestId)
    return new HTTPResponse(body, { status, headers })
  }

  for (const pipeline of pipelines) {
    const { method, path } = pipeline.route
    app.on(method, path, (event: H3Event) => {
      const { req, res } = event.runtime!.node!
      return serve(pipeline, req as IncomingMessage, res as ServerResponse)
    })
  }
  // Main is the only caller and keeps its connections; an idle one that is closed from here would race with a request.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, toNodeHandler(app))
  return { server, active }
}

// --- internal ---

function causeOf(error: unknown): unknown {
  return error instanceof PelletError && error.cause !== undefined ? error.cause : error
}

function toServerTiming(phases: Phases): string {
  return Object.entries(phases)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ')
}

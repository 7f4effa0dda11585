import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { callSteps } from '../deployments/calls.ts'
import type { Deployment } from '../deployments/deployment.ts'
import { PelletError } from '../errors.ts'
import { exchangeHeader } from '../isolate/calls.ts'
import { toErrorAnswer } from '../error-body.ts'
import type { Proxy } from './proxy.ts'
import { answerResultQuestion } from './kept-answers.ts'
import type { RouteTable, RouteTarget } from './route-table.ts'

export interface CallSources {
  proxy: Proxy
  /** The live ones, at this moment. */
  routes(): RouteTable
}

/**
 * The listener on which isolates call other deployments: `POST /arcface?route=POST%20/v1/embed`, in the name of a request
 * that they work on, and ask for kept answers. Its socket lies in the private folder of the isolates' own.
 */
export async function listenForCalls(path: string, sources: CallSources): Promise<Server> {
  // Isolates keep their connections; an idle one closed from here would race with a call.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, noDelay: true }, answerCalls(sources))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  return server
}

// --- internal ---

function answerCalls({ proxy, routes }: CallSources): RequestListener {
  return (req, res) => {
    const parent = proxy.find(String(req.headers[exchangeHeader]))
    if (req.method === 'GET') return answerResultQuestion(parent?.session, req, res)
    try {
      if (!parent) throw new PelletError('function_failed', 'call: expected a request that is under way, found none')
      const { target, route } = findCallee(parent.target.deployment, routes(), req)
      proxy.serve(target, req, res, { parent, route })
    } catch (error) {
      const { status, headers, body } = toErrorAnswer(error, 'pellet', parent?.requestId ?? '')
      req.resume()
      res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
    }
  }
}

/** @throws PelletError `function_failed` for what the caller's manifest does not say, `not_ready` for what is not there any more */
function findCallee(
  caller: Deployment,
  routes: RouteTable,
  req: IncomingMessage,
): { target: RouteTarget; route: string } {
  const url = new URL(req.url!, 'http://main')
  const name = decodeURIComponent(url.pathname.slice(1))
  const wanted = url.searchParams.get('route')
  const deployment = routes.deployments.get(name)
  const found = deployment?.manifest.routes.find(({ method, path }) => [null, `${method} ${path}`].includes(wanted))
  if (!found && isInManifest(caller, name, wanted)) {
    const callee = deployment
      ? `${wanted} of ${name}, a route that is not there any more`
      : `${name}, which is not deployed`
    throw new PelletError('not_ready', `${caller.name}: it calls ${callee}`)
  }
  const declared = caller.calls.map((call) => `${call.deployment} ${call.method} ${call.path}`)
  if (!deployment || !found || !declared.includes(`${name} ${found.method} ${found.path}`)) {
    const expected = declared.join(', ') || 'none'
    const message = `${caller.name}: expected a call that its manifest declares (${expected}), found ${name} ${wanted ?? ''}`
    throw new PelletError('function_failed', message.trimEnd())
  }
  return { target: { deployment, path: found.path }, route: `${found.method} ${found.path}` }
}

function isInManifest({ manifest }: Deployment, name: string, wanted: string | null): boolean {
  const isMeant = ({ deployment, route }: Record<string, unknown>) => deployment === name && (route ?? null) === wanted
  return callSteps(manifest).some(({ options }) => isMeant(options))
}

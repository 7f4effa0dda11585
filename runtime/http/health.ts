import { getRouterParam, type H3, type H3Event } from 'h3/node'
import type { FailedSource } from '../deployments/deployment.ts'
import { whyNotDeployed } from '../deployments/missing-model.ts'
import { PelletError } from '../errors.ts'
import type { Pellet } from '../pellet.ts'
import { docsPage, jsonPage, metricsPage, openApiPage, originOf, toResponse, type PageAnswer } from './page.ts'
import { checkDeploymentReady, checkReady, whyNotReady } from './readiness.ts'
import { routeNames } from '../manifest/paths.ts'

/** Pellet's own pages on the main port: answered by main from what it knows. GET, and HEAD with it. */
export const ownPaths = ['/', '/health', '/health/live', '/health/ready', '/docs', '/openapi.json', '/metrics']

export function registerHealth(app: H3, pellet: Pellet): void {
  const page = (path: string, answer: (event: H3Event) => PageAnswer | Promise<PageAnswer>) => {
    app.get(path, async (event) => toResponse(await answer(event)))
    app.head(path, async (event) => toResponse(await answer(event), true))
  }
  const get = (path: string, answer: () => unknown) => page(path, () => jsonPage(answer()))

  const parts = () =>
    [...pellet.routes.deployments.values()].map((deployment) => ({ deployment, statusPrefix: `/f/${deployment.name}` }))
  page('/metrics', () => metricsPage(pellet))
  page('/openapi.json', () => openApiPage(pellet, 'Pellet', parts()))
  page('/docs', ({ runtime }) => {
    const failures = absent(pellet)
    return docsPage(pellet, { title: 'Pellet', parts: parts(), origin: originOf(runtime!.node!.req), failures })
  })

  get('/', () => ({
    name: 'pellet',
    version: pellet.version,
    functions: [...pellet.routes.deployments.values()].map(({ name, manifest }) => ({
      name,
      routes: routeNames(manifest.routes),
    })),
    not_deployed: absent(pellet).map((failure) => ({
      name: failure.name,
      reason: whyNotDeployed(failure),
      routes: routeNames(failure.routes ?? []),
    })),
  }))

  get('/health', () => ({
    status: pellet.isReady() ? 'ok' : 'starting',
    version: pellet.version,
    uptime_s: Math.round(process.uptime()),
    deployments: pellet.dispatcher.snapshot().map((row) => ({
      name: row.name,
      state: row.state,
      ready: !pellet.isStopping() && whyNotReady(pellet, row.name, row) === undefined,
      ...(row.lastError && { last_error: row.lastError }),
      ...toPorts(pellet, row.name),
    })),
    // A model that is yet to be fetched is nothing broken; `pellet list` tells of it.
    failures: pellet.routes.failures
      .filter(({ missing }) => !missing)
      .map(({ name, problems }) => ({ name, problems: problems.length })),
  }))

  // That this is answered shows that the loop turns.
  get('/health/live', () => {
    const problem = pellet.vitals.problem()
    if (problem !== undefined) throw new PelletError('stalled', problem)
    return { live: true }
  })

  get('/health/ready', () => {
    checkReady(pellet)
    return { ready: true }
  })

  page('/health/ready/:name', (event) => {
    checkDeploymentReady(pellet, getRouterParam(event, 'name', { decode: true }) ?? '')
    return jsonPage({ ready: true })
  })
}

// --- internal ---

/** What is not there at all: of others an older revision serves. */
function absent(pellet: Pellet): FailedSource[] {
  return pellet.routes.failures.filter(({ serves }) => !serves)
}

/** A deployment's own ports, where it has any; a problem where one is not open. */
function toPorts(pellet: Pellet, name: string) {
  const listen = pellet.ports.rows(name).map(({ port, problem }) => ({ port, ...(problem !== null && { problem }) }))
  return listen.length > 0 ? { listen } : {}
}

import type { Deployment, FailedSource } from '../deployments/deployment.ts'
import type { Route } from '../manifest/manifest.ts'
import { builtInPages, type Page } from './page.ts'
import { toStatusPage } from './status.ts'

/** A way to a deployment's isolate: which one, and the path there. */
export interface RouteTarget {
  deployment: Deployment
  path: string
  /** Under which the dispatcher gives places, where that is another name: of what is staged. Such a request is a trial: it is counted nowhere. */
  place?: string
}

/** What main answers itself for a deployment, from data. GET, and HEAD with it. */
export interface PageTarget {
  deployment: Deployment
  page: Page
}

/** Many requests to a route in one. */
export interface BatchTarget {
  deployment: Deployment
  batch: Pick<Route, 'method' | 'path'>
}

export type Target = RouteTarget | PageTarget | BatchTarget

/** What a path leads to: a target for each method. */
export type PathEntry = ReadonlyMap<string, Target>

/** Paths and what they lead to. */
export class Paths {
  readonly #entries = new Map<string, Map<string, Target>>()

  /** The first to claim a method of a path keeps it. */
  add(path: string, method: string, target: Target): void {
    const entry = this.#entries.get(path)
    if (!entry) this.#entries.set(path, new Map([[method, target]]))
    else if (!entry.has(method)) entry.set(method, target)
  }

  /** @param path without query; a trailing slash and escapes that are not needed mean the same */
  find(path: string): PathEntry | undefined {
    return this.#find(path) ?? (path.includes('%') ? this.#find(withoutEscapes(path)) : undefined)
  }

  /** Every route, e.g. `POST /v1/detect`. */
  list(): string[] {
    return [...this.#entries].flatMap(([path, entry]) => [...entry.keys()].map((method) => `${method} ${path}`))
  }

  #find(path: string): PathEntry | undefined {
    const entry = this.#entries.get(path)
    return entry ?? (path.length > 1 && path.endsWith('/') ? this.#entries.get(path.slice(0, -1)) : undefined)
  }
}

/** The live deployments and their routes. Replaced as a whole, so a request sees one state of the world. */
export class RouteTable {
  readonly deployments: ReadonlyMap<string, Deployment>
  readonly failures: readonly FailedSource[]
  /** By name: what stands on a deployment's own ports, where it is alone. */
  readonly alone: ReadonlyMap<string, Paths>
  readonly #main = new Paths()

  constructor(deployments: Deployment[], failures: FailedSource[]) {
    this.deployments = new Map(deployments.map((deployment) => [deployment.name, deployment]))
    this.failures = failures
    this.alone = new Map(deployments.map((deployment) => [deployment.name, toOwnPaths(deployment)]))
    for (const deployment of deployments) {
      const { name, manifest } = deployment
      for (const { method, path } of manifest.routes) {
        this.#main.add(path, method, { deployment, path })
        this.#main.add(`/f/${name}${path}`, method, { deployment, path })
      }
      // The first route also stands under the name alone: callers need not know its path.
      const first = manifest.routes[0]
      if (first) this.#main.add(`/f/${name}`, first.method, { deployment, path: first.path })
      for (const route of manifest.status) {
        const path = route.path === '/' ? '' : route.path
        this.#main.add(`/f/${name}${path}`, 'GET', { deployment, page: toStatusPage(deployment, route) })
      }
    }
    for (const deployment of deployments)
      for (const { path, batch } of batchesOf(deployment)) this.#main.add(path, 'POST', { deployment, batch })
  }

  /** What a path of the main port leads to. */
  find(path: string): PathEntry | undefined {
    return this.#main.find(path)
  }

  /** Whose path it would be, were it deployed. */
  findFailure(path: string): FailedSource | undefined {
    const plain = withoutEscapes(path).replace(/(?<=.)\/$/, '')
    return this.failures.find(
      ({ name, routes = [] }) =>
        routes.some((route) => route.path === plain) ||
        (!this.deployments.has(name) && `${plain}/`.startsWith(`/f/${name}/`)),
    )
  }
}

/** Where the batches of a deployment's routes stand on the main port, unless a manifest has a route there. */
export function batchesOf({ name, manifest }: Deployment): { path: string; batch: Route }[] {
  return manifest.routes
    .filter(({ method }) => method !== 'GET' && method !== 'DELETE')
    .flatMap((batch) => {
      const path = `/f/${name}${batch.path === '/' ? '' : batch.path}/batch`
      return batch === manifest.routes[0]
        ? [
            { path: `/f/${name}/batch`, batch },
            { path, batch },
          ]
        : [{ path, batch }]
    })
}

/** HEAD is answered where main answers GET; an isolate's routes are those of its manifest alone. */
export function targetOf(entry: PathEntry, method: string): Target | undefined {
  const target = entry.get(method)
  if (target || method !== 'HEAD') return target
  const get = entry.get('GET')
  return get && 'page' in get ? get : undefined
}

/** The methods that a path has. */
export function methodsOf(entry: PathEntry): string[] {
  return [...entry].flatMap(([method, target]) => ('page' in target ? [method, 'HEAD'] : [method]))
}

/** `/v1/%65cho` is `/v1/echo` (RFC 3986, 6.2.2.2); an escaped slash stays one. */
export function withoutEscapes(path: string): string {
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

// --- internal ---

function toOwnPaths(deployment: Deployment): Paths {
  const paths = new Paths()
  for (const { method, path } of deployment.manifest.routes) paths.add(path, method, { deployment, path })
  for (const route of deployment.manifest.status)
    paths.add(route.path, 'GET', { deployment, page: toStatusPage(deployment, route) })
  for (const [path, page] of Object.entries(builtInPages(deployment, paths)))
    paths.add(path, 'GET', { deployment, page })
  return paths
}

import type { Deployment } from '../deployments/deployment.ts'
import type { FailedSource } from '../deployments/deployment.ts'

/** A way to a deployment: which one, and the path on its isolate. */
export interface RouteTarget {
  deployment: Deployment
  path: string
}

/** What a path leads to: a target for each method. */
export type PathEntry = Map<string, RouteTarget>

/** The live deployments and their routes. Replaced as a whole, so a request sees one state of the world. */
export class RouteTable {
  readonly deployments: ReadonlyMap<string, Deployment>
  readonly failures: readonly FailedSource[]
  readonly #paths = new Map<string, PathEntry>()

  constructor(deployments: Deployment[], failures: FailedSource[]) {
    this.deployments = new Map(deployments.map((deployment) => [deployment.name, deployment]))
    this.failures = failures
    for (const deployment of deployments) {
      const { name, manifest } = deployment
      for (const { method, path } of manifest.routes) {
        this.#add(path, method, { deployment, path })
        this.#add(`/f/${name}${path}`, method, { deployment, path })
      }
      // The first route also stands under the name alone: callers need not know its path.
      const first = manifest.routes[0]
      if (first) this.#add(`/f/${name}`, first.method, { deployment, path: first.path })
    }
  }

  /** @param path without query; a trailing slash means the same */
  find(path: string): PathEntry | undefined {
    return (
      this.#paths.get(path) ?? (path.length > 1 && path.endsWith('/') ? this.#paths.get(path.slice(0, -1)) : undefined)
    )
  }

  #add(path: string, method: string, target: RouteTarget): void {
    const entry = this.#paths.get(path)
    if (entry) entry.set(method, target)
    else this.#paths.set(path, new Map([[method, target]]))
  }
}

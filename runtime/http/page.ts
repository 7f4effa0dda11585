import { usedEntry, type Deployment } from '../deployments/deployment.ts'
import { metricsType } from '../metrics/instruments.ts'
import type { Pellet } from '../pellet.ts'
import type { Paths } from './route-table.ts'

/** An answer of main's own. */
export interface PageAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** What pages see of a request. */
export interface PageRequest {
  requestId: string
}

/** Makes an answer from what main knows: cheap, and without an isolate. */
export type Page = (pellet: Pellet, request: PageRequest) => PageAnswer | Promise<PageAnswer>

export function jsonPage(value: unknown, status = 200): PageAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

/** Metrics in Prometheus' text format: of all deployments, or of one. */
export async function metricsPage({ meter }: Pellet, name?: string): Promise<PageAnswer> {
  return { status: 200, headers: { 'content-type': metricsType }, body: await meter.text(name) }
}

/** What stands on each own port of a deployment, unless a status route of its own has the path. */
export function builtInPages(deployment: Deployment, paths: Paths): Record<string, Page> {
  const { name } = deployment
  const model = usedEntry(deployment)?.name ?? null
  return {
    '/': ({ version }) => jsonPage({ name, model, version, routes: paths.list() }),
    '/metrics': (pellet) => metricsPage(pellet, name),
  }
}

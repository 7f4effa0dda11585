import { HTTPResponse } from 'h3/node'
import { STATUS_CODES, type IncomingMessage } from 'node:http'
import { modelNameOf, type Deployment } from '../deployments/deployment.ts'
import { metricsType } from '../metrics/families.ts'
import type { Pellet } from '../pellet.ts'
import { docsHeaders, toDocsPage, type DocsOptions } from './docs-page.ts'
import { toOpenApi, type ApiPart } from './openapi.ts'
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
  /** Where the caller reached Pellet, e.g. `http://pi.local:5001`. */
  origin: string
}

/** Makes an answer from what main knows: cheap, and without an isolate. */
export type Page = (pellet: Pellet, request: PageRequest) => PageAnswer | Promise<PageAnswer>

export function jsonPage(value: unknown, status = 200): PageAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

/** For h3, which leaves out the reason phrase that node adds; some clients show it to people. */
export function toResponse({ status, headers, body }: PageAnswer, isHead = false): HTTPResponse {
  return new HTTPResponse(isHead ? null : body, { status, statusText: STATUS_CODES[status] ?? '', headers })
}

/** Metrics in Prometheus' text format: of all deployments, or of one. */
export async function metricsPage({ meter }: Pellet, name?: string): Promise<PageAnswer> {
  return { status: 200, headers: { 'content-type': metricsType }, body: await meter.text(name) }
}

/** The OpenAPI document of a set of deployments. */
export function openApiPage({ version }: Pellet, title: string, parts: ApiPart[]): PageAnswer {
  return jsonPage(toOpenApi(title, version, parts))
}

/** The routes of a set of deployments, for people. */
export function docsPage({ version }: Pellet, options: Omit<DocsOptions, 'version'>): PageAnswer {
  return { status: 200, headers: docsHeaders, body: toDocsPage({ ...options, version }) }
}

/** Where a caller reached Pellet: what it wrote as Host, where that is one; else the address that it is connected to. */
export function originOf({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string {
  const { host } = headers
  if (host !== undefined && /^[\w.:[\]-]+$/.test(host)) return `http://${host}`
  const { localAddress = 'localhost', localPort } = socket
  return `http://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`
}

/** What stands on each own port of a deployment, unless a status route of its own has the path. */
export function builtInPages(deployment: Deployment, paths: Paths): Record<string, Page> {
  const { name } = deployment
  const model = modelNameOf(deployment)
  const parts = [{ deployment, statusPrefix: '' }]
  return {
    '/': ({ version }) => jsonPage({ name, model, version, routes: paths.list() }),
    '/docs': (pellet, { origin }) => docsPage(pellet, { title: name, parts, origin }),
    '/openapi.json': (pellet) => openApiPage(pellet, name, parts),
    '/metrics': (pellet) => metricsPage(pellet, name),
  }
}

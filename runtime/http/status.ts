import { modelNameOf, shownEngine, type Deployment } from '../deployments/deployment.ts'
import type { Readiness } from '../deployments/preloads.ts'
import type { StatusBody, StatusCase, StatusRoute } from '../manifest/manifest.ts'
import { toStatusParts, type StatusPart, type StatusVariable } from '../manifest/status-variables.ts'
import type { Pellet } from '../pellet.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'
import { toErrorAnswer } from '../error-body.ts'
import { jsonPage, type Page } from './page.ts'
import { stopping } from './proxy.ts'

/** A status route as an answer from data: its templates are compiled here, once. */
export function toStatusPage(deployment: Deployment, { cases }: StatusRoute): Page {
  const { errors } = deployment.manifest
  const bodies = cases.map(({ body }) => compileBody(body))
  return (pellet, { requestId }) => {
    const facts = factsOf(pellet, deployment)
    const { readiness } = facts
    const index = cases.findIndex(({ when }) => holds(when, readiness, pellet.isStopping()))
    if (pellet.isStopping() && saysReady(cases, index)) return toErrorAnswer(stopping(), errors, requestId)
    const { code } = cases[index]!
    const answer = jsonPage(bodies[index]!(facts), code)
    if (code === 503) answer.headers['retry-after'] = String(retryAfterS(pellet, facts))
    return answer
  }
}

// --- internal ---

/** What status bodies may speak of. */
interface Facts {
  deployment: Deployment
  pellet: Pellet
  row: DeploymentSnapshot | undefined
  readiness: Readiness
}

function factsOf(pellet: Pellet, deployment: Deployment): Facts {
  const row = pellet.dispatcher.snapshot().find(({ name }) => name === deployment.name)
  return { deployment, pellet, row, readiness: pellet.preloads.readinessOf(deployment.name, row) }
}

/** Values of `$name` and the like; docs/manifest.md explains each. */
const variables: Record<StatusVariable, (facts: Facts) => unknown> = {
  name: ({ deployment }) => deployment.name,
  model: ({ deployment }) => modelNameOf(deployment),
  engine: ({ deployment }) => shownEngine(deployment),
  device: ({ deployment }) => deployment.chip ?? 'cpu',
  version: ({ pellet }) => pellet.version,
  revision: ({ deployment }) => deployment.revision.slice(0, 12),
  digest: ({ deployment }) => deployment.model.sha256,
  digest_short: ({ deployment }) => deployment.model.sha256.slice(0, 16),
  loaded: ({ row }) => row?.state === 'ready',
  ready: ({ readiness, pellet }) => readiness === 'ready' && !pellet.isStopping(),
  state: ({ row }) => row?.state,
  uptime_s: () => Math.round(process.uptime() * 10) / 10,
  inferences: ({ pellet, deployment }) => pellet.meter.tallyOf(deployment.name).inferences,
  errors: ({ pellet, deployment }) => pellet.meter.tallyOf(deployment.name).errors,
  last_error: ({ pellet, deployment, row, readiness }) => {
    const { lastError } = pellet.meter.tallyOf(deployment.name)
    // Why it cannot be loaded, not what the last caller was told about it.
    return readiness === 'failed' ? (row?.lastError ?? lastError) : (lastError ?? row?.lastError)
  },
  latency_ms: ({ pellet, deployment }) => pellet.meter.tallyOf(deployment.name).latencyMs,
}

/** Probes must get an answer whatever state Pellet is in: what cannot be told is null. */
function valueOf(name: string, facts: Facts): unknown {
  try {
    return variables[name as StatusVariable](facts) ?? null
  } catch {
    return null
  }
}

/** A body as a function of the facts: a variable alone becomes its value, inside text its text. */
function compileBody(body: StatusBody): (facts: Facts) => unknown {
  if (typeof body === 'string') {
    const parts = toStatusParts(body)
    const [first] = parts
    if (parts.length === 1 && typeof first === 'object') return (facts) => valueOf(first.variable, facts)
    const toText = (facts: Facts) => (part: StatusPart) =>
      typeof part === 'string' ? part : String(valueOf(part.variable, facts))
    return (facts) => parts.map(toText(facts)).join('')
  }
  if (Array.isArray(body)) {
    const items = body.map(compileBody)
    return (facts) => items.map((item) => item(facts))
  }
  if (typeof body === 'object' && body !== null) {
    const members = Object.entries(body).map(([key, value]) => [key, compileBody(value)] as const)
    return (facts) => Object.fromEntries(members.map(([key, value]) => [key, value(facts)]))
  }
  return () => body
}

function holds(when: StatusCase['when'], readiness: Readiness, isStopping: boolean): boolean {
  if (when === undefined) return true
  if (when === 'ready') return readiness === 'ready' && !isStopping
  if (when === 'not_ready') return readiness !== 'ready' || isStopping
  return when === readiness
}

/** Whether a case tells of being ready: in a list that names only what stands against it, the last does. */
function saysReady(cases: StatusCase[], index: number): boolean {
  return cases.length > 1 && cases[index]!.when === undefined && cases.every(({ when }) => when !== 'ready')
}

/** While a load backs off, when it is tried again; else soon. */
function retryAfterS({ clock }: Pellet, { row }: Facts): number {
  return row?.retryAt === undefined ? 1 : Math.max(1, Math.ceil((row.retryAt - clock.now()) / 1000))
}

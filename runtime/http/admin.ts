import { getRouterParam, type H3, type H3Event } from 'h3/node'
import { modelNameOf, shownEngine, type FailedSource, type Origin } from '../deployments/deployment.ts'
import { keysFor } from '../deployments/engine-choice.ts'
import { formatFetch, type MissingModel } from '../deployments/missing-model.ts'
import type { DeviceHost } from '../device/device-host.ts'
import type { NpuStatus } from '../device/npu.ts'
import type { HostState } from '../device/protocol.ts'
import type { EngineName } from '../engines/engine.ts'
import { PelletError } from '../errors.ts'
import type { HailoArch } from '../manifest/manifest.ts'
import type { Pellet } from '../pellet.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'
import { registerDeploys } from './deploys.ts'
import { logsPage } from './logs.ts'
import type { PortRow } from './own-ports.ts'
import { routeNames } from '../manifest/paths.ts'

/** The running Pellet itself. */
export interface About {
  version: string
  /** Where the main listener is, e.g. `http://127.0.0.1:11500`. */
  address: string
  /** When its process was started, in ms since 1970. */
  started_at_ms: number
  /** What models may run on here, and the chips that a HEF may be for: who deploys sends no others. */
  engines: EngineName[]
  chips: HailoArch[]
  npu: AboutNpu
  /** The process that has the NPU open; null while no model needs it. */
  device: DeviceAbout | null
}

export interface DeviceAbout {
  pid: number | null
  state: HostState['device']
  /** On the NPU, by the names of their deployments. */
  models: string[]
  temperature_celsius: number | null
}

/** The NPU; `reason`: why there is none that can be used. */
export type AboutNpu =
  | { is_usable: true; kind: 'hailort' | 'simulated'; chip: HailoArch; library: string; firmware: string | null }
  | { is_usable: false; reason: string }

/** One row of `pellet ps`. Sizes in bytes, times in seconds. */
export interface PsRow {
  name: string
  state: string
  /** As `X-Pellet-Engine`. */
  engine: string
  /** Why it runs on the CPU, although it has a HEF. */
  fallback: string | null
  model: string
  revision: string
  pid: number | null
  memory_bytes: number
  in_flight: number
  queued: number
  loads: number
  evictions: number
  crashes: number
  /** Ago. */
  last_used_s: number | null
  /** From now. */
  expires_in_s: number | null
  last_error: string | null
  /** Its model on the NPU; null where it has none there. */
  device: DeviceModelRow | null
  listen: PortRow[]
}

/** Frames of a model since it was loaded. */
export interface DeviceModelRow {
  flying: number
  waiting: number
  frames: number
  timeouts: number
}

/** One row of `pellet list`. */
export interface ListRow {
  name: string
  state: string
  revision: string | null
  routes: string[]
  model: string | null
  engine: string | null
  /** Why it runs on the CPU, although it has a HEF. */
  fallback: string | null
  keep_alive_s: number | null
  listen: PortRow[]
  /** `deployed`: by `pellet deploy`; `dropped`: its files lie in the project. */
  source: 'deployed' | 'dropped'
  /** The files that it was made from; of one that was deployed, where it was deployed from. */
  origin: { manifest?: string; function?: string }
  /** Files of the project that do not serve, since something is deployed under their name. */
  shadows: { manifest?: string; function?: string } | null
  /** How long ago its revision went live, in seconds; null where none serves. */
  age_s: number | null
  problems: string[]
  /** The problems are of newer files: the revision that is listed keeps serving until they are mended. */
  is_outdated: boolean
}

/** `/api`: what the CLI asks. Registered on the unix socket only. */
export function registerAdmin(app: H3, pellet: Pellet): void {
  app.get('/api/about', () => toAbout(pellet))
  app.get('/api/ps', () => toPsRows(pellet))
  app.get('/api/logs', (event: H3Event) => logsPage(pellet, event))
  app.get('/api/deployments', () => toListRows(pellet))
  app.post('/api/deployments/:name/load', async (event: H3Event) => {
    const name = known(pellet, event)
    await pellet.preloads.load(name)
    return toPsRows(pellet).find((row) => row.name === name)
  })
  app.post('/api/deployments/:name/unload', (event: H3Event) => {
    const name = known(pellet, event)
    pellet.dispatcher.unload(name)
    return toPsRows(pellet).find((row) => row.name === name)
  })
  registerDeploys(app, pellet)
  app.get('/api/cache', () => pellet.results.stats())
  app.get('/api/cache/:name', async (event: H3Event) => {
    const name = keeping(pellet, event)
    return (await pellet.results.stats()).filter((row) => row.name === name)
  })
  app.delete('/api/cache', () => pellet.results.clear())
  app.delete('/api/cache/:name', (event: H3Event) => pellet.results.clear(keeping(pellet, event)))
}

// --- internal ---

function toAbout({ version, address, npu, device }: Pellet): About {
  return {
    version,
    address,
    started_at_ms: Math.round(performance.timeOrigin),
    engines: npu.isUsable ? ['onnxruntime', 'hailort'] : ['onnxruntime'],
    chips: npu.isUsable ? keysFor(npu.chip) : [],
    npu: toAboutNpu(npu),
    device: toAboutDevice(device),
  }
}

function toAboutNpu(npu: NpuStatus): AboutNpu {
  if (!npu.isUsable) return { is_usable: false, reason: npu.reason }
  const { kind, chip, library, firmware = null } = npu
  return { is_usable: true, kind, chip, library, firmware }
}

function toAboutDevice({ row }: DeviceHost): DeviceAbout | null {
  if (!row) return null
  const { pid, device: state, models, temperature = null } = row
  return { pid, state, models: models.map(({ name }) => name), temperature_celsius: temperature }
}

function toDeviceModel({ row }: DeviceHost, name: string): DeviceModelRow | null {
  const found = row?.models.find((model) => model.name === name)
  if (!found) return null
  const { flying, waiting, frames, timeouts } = found
  return { flying, waiting, frames, timeouts }
}

function known(pellet: Pellet, event: H3Event): string {
  const name = getRouterParam(event, 'name', { decode: true }) ?? ''
  if (pellet.routes.deployments.has(name)) return name
  const names = [...pellet.routes.deployments.keys()].join(', ') || 'none'
  throw new PelletError('not_found', `deployment: expected one of ${names}, found ${JSON.stringify(name)}`)
}

/** @throws PelletError `not_found` for a deployment that keeps nothing */
function keeping(pellet: Pellet, event: H3Event): string {
  const name = known(pellet, event)
  if (pellet.routes.deployments.get(name)!.manifest.cache) return name
  throw new PelletError(
    'not_found',
    `${name}: expected a deployment that keeps its answers, found none; write cache: { ttl: 10m } into its manifest`,
  )
}

function toPsRows(pellet: Pellet): PsRow[] {
  const now = pellet.clock.now()
  const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms / 100) / 10)
  return pellet.dispatcher.snapshot().map((row) => ({
    name: row.name,
    state: row.state,
    ...modelOf(pellet, row),
    revision: row.revision.slice(0, 12),
    pid: row.pid ?? null,
    memory_bytes: row.sizeBytes,
    in_flight: row.inFlight,
    queued: row.queued,
    loads: row.loads,
    evictions: row.evictions,
    crashes: row.crashes,
    last_used_s: seconds(row.lastUsedAt && now - row.lastUsedAt),
    expires_in_s: seconds(row.expiresAt && row.expiresAt - now),
    last_error: row.lastError ?? null,
    device: toDeviceModel(pellet.device, row.name),
    listen: pellet.ports.rows(row.name),
  }))
}

/** The model has no name where its deployment was removed and its isolate still ends. */
function modelOf(pellet: Pellet, { name, engine }: DeploymentSnapshot): Pick<PsRow, 'engine' | 'fallback' | 'model'> {
  const deployment = pellet.routes.deployments.get(name)
  if (!deployment) return { engine, fallback: null, model: '' }
  return { engine: shownEngine(deployment), fallback: deployment.fallback ?? null, model: modelNameOf(deployment) }
}

function toListRows(pellet: Pellet): ListRow[] {
  const states = new Map(pellet.dispatcher.snapshot().map(({ name, state }) => [name, state]))
  const { failures } = pellet.routes
  const live = [...pellet.routes.deployments.values()].map((deployment): ListRow => {
    const { name, revision, manifest, origin } = deployment
    return {
      name,
      state: states.get(name) ?? 'cold',
      revision: revision.slice(0, 12),
      routes: routeNames(manifest.routes),
      model: modelNameOf(deployment),
      engine: shownEngine(deployment),
      fallback: deployment.fallback ?? null,
      keep_alive_s: manifest.keepAliveMs === -1 ? -1 : manifest.keepAliveMs / 1000,
      listen: pellet.ports.rows(name),
      ...sourceOf(pellet, name, origin),
      age_s: ageOf(pellet, name),
      ...problemsOf(failures.filter(({ serves }) => serves?.name === name)),
    }
  })
  const absent = failures.filter(({ serves }) => !serves)
  const refused = absent.map(({ name, origin, problems, missing }): ListRow => ({
    name,
    state: !missing ? 'refused' : missing.fetch?.receivedBytes === undefined ? 'no model' : 'fetching',
    revision: null,
    routes: [],
    model: null,
    engine: null,
    fallback: null,
    keep_alive_s: null,
    listen: [],
    ...sourceOf(pellet, name, origin),
    age_s: null,
    problems: [...problems, ...fetchLines(missing)],
    is_outdated: false,
  }))
  return [...live, ...refused]
}

/** What becomes of a model that is missing, where Pellet fetches it by itself. */
function fetchLines(missing: MissingModel | undefined): string[] {
  const { fetch, files = [] } = missing ?? {}
  if (!fetch || fetch.isDone) return []
  const now = fetch.receivedBytes === undefined ? [] : [`${files[0]!.file}: ${formatFetch(fetch)}`]
  return [...now, ...(fetch.problem === undefined ? [] : [`${fetch.problem}; it is tried again`])]
}

function problemsOf(failures: FailedSource[]): Pick<ListRow, 'problems' | 'is_outdated'> {
  return { problems: failures.flatMap(({ problems }) => problems), is_outdated: failures.length > 0 }
}

function sourceOf(
  { live }: Pellet,
  name: string,
  { deployed, ...origin }: Origin,
): Pick<ListRow, 'source' | 'origin' | 'shadows'> {
  if (!deployed) return { source: 'dropped', origin, shadows: null }
  return { source: 'deployed', origin, shadows: live.droppedAs(name) ?? null }
}

function ageOf({ live }: Pellet, name: string): number | null {
  const since = live.since(name)
  // The clock of a small board may have gone back.
  return since === undefined ? null : Math.max(0, Math.round((Date.now() - since) / 1000))
}

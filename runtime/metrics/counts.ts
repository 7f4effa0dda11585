import type { KillReason } from '../scheduler/types.ts'
import { Times } from './times.ts'

/** Of requests, in seconds; those that the TCN sidecar had, so that its dashboards go on. */
const requestBounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Phases are a part of a request, some of them well below a millisecond. */
const phaseBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10]
const loadBounds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** From a second, before which nothing is evicted, to a day. */
const ageBounds = [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400]

/** As `Server-Timing` calls them; `respond` is from the isolate's first byte of the answer to main's last. */
export const phases = ['queue', 'load', 'receive', 'pre', 'wait', 'infer', 'post', 'call', 'cache', 'respond'] as const
export type Phase = (typeof phases)[number]

/** Those that alerts ask for are there from the start: a rate needs a first value. */
const firstStatuses = [200, 500, 503]
const firstErrors = [
  'function_failed',
  'internal_error',
  'isolate_crashed',
  'load_failed',
  'out_of_memory',
  'queue_full',
  'deadline_exceeded',
]

/** `crashed`: its process ended by itself. */
export type UnloadReason = Exclude<KillReason, 'failed'> | 'crashed'
const unloadReasons: readonly UnloadReason[] = [
  'keep_alive',
  'evicted',
  'unloaded',
  'replaced',
  'discarded',
  'removed',
  'memory',
  'hung',
  'stopping',
  'crashed',
]

/** What became of the requests of one route. */
export class RouteCounts {
  readonly statuses = new Map(firstStatuses.map((status) => [status, 0]))
  readonly errors = new Map(firstErrors.map((code) => [code, 0]))
  readonly durations = new Times(requestBounds)
  readonly #phases = new Map<string, Times>()

  /** The phases that ever were. */
  phases(): Iterable<[string, Times]> {
    return this.#phases
  }

  addPhase(phase: Phase, ms: number): void {
    let times = this.#phases.get(phase)
    if (!times) this.#phases.set(phase, (times = new Times(phaseBounds)))
    times.addMs(ms)
  }
}

/** What became of the requests that a model had a part in. */
export class ModelCounts {
  succeeded = 0
  failed = 0
  readonly errors = new Map<string, number>()
  readonly durations = new Times(requestBounds)
}

/** What was counted of a deployment, whatever its revision, since Pellet started. */
export class DeploymentCounts {
  /** By route, e.g. `POST /v1/detect`. */
  readonly routes = new Map<string, RouteCounts>()
  /** By name: another revision may have another one. */
  readonly models = new Map<string, ModelCounts>()
  loads = 0
  loadFailures = 0
  readonly loadTimes = new Times(loadBounds)
  readonly unloads = new Map(unloadReasons.map((reason) => [reason, 0]))
  /** Of those that were evicted: time since they became ready, and since they were used last. */
  readonly evictionAges = new Times(ageBounds)
  readonly evictionIdleTimes = new Times(ageBounds)
  crashes = 0
  restarts = 0
  /** Its last isolate went against its will: the next one is a restart. */
  hasFallen = false

  routeOf(route: string): RouteCounts {
    let counts = this.routes.get(route)
    if (!counts) this.routes.set(route, (counts = new RouteCounts()))
    return counts
  }

  modelOf(model: string): ModelCounts {
    let counts = this.models.get(model)
    if (!counts) this.models.set(model, (counts = new ModelCounts()))
    return counts
  }
}

/** What became of a deployment's inference requests since it was deployed first. */
export interface Tally {
  /** Answered well. */
  inferences: number
  /** Answered with a 5xx. */
  errors: number
  /** What the last 5xx said. */
  lastError?: string
  /** How long the last one that was answered well took, from its headers to the end of its answer. */
  latencyMs?: number
}

/** Adds to one of these. */
export function increment<Key>(counts: Map<Key, number>, key: Key, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}

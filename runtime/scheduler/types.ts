import type { ErrorCode } from '../errors.ts'

/**
 * Life of an isolate: `draining` takes no new requests and ends with its last one, or is being killed. `failed` is a
 * deployment's: its last load failed, or it crashed too often, and it backs off.
 */
export type IsolateState = 'loading' | 'ready' | 'draining'
export type DeploymentState = 'cold' | 'loading' | 'ready' | 'draining' | 'failed'

/** What the scheduler needs to know of one deployment. All times in milliseconds, all sizes in bytes. */
export interface Terms {
  name: string
  revision: string
  /** What runs the model. All share the memory; where an engine has bounds of its own, its own isolates go. */
  engine: string
  /** From the last release. -1: for ever. 0: at once. */
  keepAliveMs: number
  pin: boolean
  /** 0 to 31, higher first. */
  priority: number
  concurrency: number
  queue: { depth: number; drop: 'newest' | 'oldest' }
  /** limits.memory: recycled when idle above it, killed at twice that. */
  memoryBytes: number
  /** Predicted size of a loaded isolate; replaced by what `loaded` and `measured` report. */
  sizeBytes: number
  /** Loaded and tried beside what serves: see staging.ts. Set by `Scheduler.stage` alone. */
  isStaged?: boolean
}

export interface RequestTerms {
  /** Unique for the life of the process. */
  id: number
  name: string
  /** On the scheduler's clock. */
  deadlineAt: number
  /** From X-Keep-Alive: counts for this request's release only. -1 and 0 as in a manifest. */
  keepAliveMs?: number
  /** The granted request, by id, that this one is called for. */
  parent?: number
}

/** What the owner must do now, in order. Isolates are named by number, requests by id. */
export type Effect =
  | { type: 'load'; isolate: number; name: string; revision: string }
  | { type: 'grant'; request: number; isolate: number }
  | { type: 'refuse'; request: number; code: ErrorCode; message: string; retryAfterMs?: number }
  /**
   * End the isolate's process; the owner reports `exited` when it is gone, also where it was gone already. Requests
   * that it still holds (reasons memory, hung, stopping) are the owner's to answer: the scheduler has forgotten them.
   * `idleMs`: since its last release, or since it became ready.
   */
  | { type: 'kill'; isolate: number; reason: KillReason; message: string; idleMs: number }
  /** For the log and the metrics; no action. */
  | { type: 'note'; name: string; what: NoteKind; message: string }

/**
 * `oversized`: predicted larger than the whole budget and tried all the same. `no_room`: will never fit beside what is
 * pinned; a load by the operator ends with it. `retrying`: the engine was full, so one more of
 * its isolates goes and the load is repeated.
 */
export type NoteKind = 'evicted' | 'starving' | 'backing_off' | 'oversized' | 'no_room' | 'retrying'

/** `failed`: its load failed, so whatever is left of the process must go. */
export type KillReason =
  | 'keep_alive'
  | 'evicted'
  | 'unloaded'
  | 'replaced'
  | 'discarded'
  | 'removed'
  | 'memory'
  | 'stopping'
  | 'hung'
  | 'failed'

/** What the owner reports when an isolate did not become ready. */
export interface LoadFailure {
  message: string
  /** What waiting requests are refused with. @default 'load_failed', or 'out_of_memory' where that is set */
  code?: ErrorCode
  /** The engine had no room left, whatever the budget says: others of it go, one by one, and the load is tried again. */
  outOfMemory?: boolean
}

export interface SchedulerOptions {
  /** Memory for all loaded isolates together. Infinity: no bound. */
  budgetBytes: number
  /** An isolate that became ready less than this ago is not evicted. @default 1000 */
  minResidencyMs?: number
  /** A request that waits longer than this for a model that is not resident closes the isolates in its way. @default 2000 */
  starvingAfterMs?: number
  /** Waiting this long counts as one step of priority. @default 500 */
  ageingMs?: number
  /** First back-off after a failed load; doubles up to `maxBackOffMs`. @default 1000 */
  backOffMs?: number
  /** @default 60000 */
  maxBackOffMs?: number
}

/** One row of `pellet ps`. Times on the scheduler's clock. */
export interface DeploymentSnapshot {
  name: string
  revision: string
  engine: string
  state: DeploymentState
  /** Number of the current isolate. */
  isolate?: number
  /** Measured, else predicted, of all its living isolates; 0 when cold. */
  sizeBytes: number
  inFlight: number
  queued: number
  /** The operator's load waits for room. */
  isLoadWanted: boolean
  loads: number
  evictions: number
  crashes: number
  lastUsedAt?: number
  /** Absent: not idle, or kept for ever. */
  expiresAt?: number
  /** While failed: when the next request may try again. */
  retryAt?: number
  lastError?: string
  /** A revision that is tried beside what serves; `name` is no deployment's. */
  isStaged?: true
}

import type { ErrorCode } from '../errors.ts'
import { Queue } from './queue.ts'
import type { Link } from './queue.ts'
import type { IsolateState, KillReason, Terms } from './types.ts'

/** An accepted request: waiting in its deployment's queue, or granted a place in an isolate. */
export interface Request extends Link<Request> {
  readonly id: number
  readonly deployment: Deployment
  readonly keepAliveMs: number | undefined
  /** The granted request that this one is called for. */
  readonly parent: Request | undefined
  readonly arrivedAt: number
  /** Set when granted. */
  isolate: Isolate | undefined
  grantedAt: number
}

/** Why an isolate goes once it is idle. `for`: the starving deployment that it makes room for; it may yet stay. */
export interface Departure {
  reason: KillReason
  message: string
  for?: Deployment
}

export interface Isolate {
  readonly number: number
  /** Another one when it is promoted, and only then. */
  deployment: Deployment
  readonly engine: string
  readonly revision: string
  readonly memoryBytes: number
  /** Since when its deployment had been waiting as it was loaded. */
  readonly wantedSince: number
  /** Loaded once more after its engine was full, with no more than so many others of it; Infinity: the first try. */
  readonly beside: number
  isByOperator: boolean
  state: IsolateState
  isKilled: boolean
  departure: Departure | undefined
  /** Places taken. */
  leases: number
  /** It has served other deployments, whose requests may call it again. */
  isCalled: boolean
  /** Checks under way whether it still works; no grants meanwhile. */
  suspensions: number
  sizeBytes: number
  loadMs: number
  readyAt: number
  idleSince: number
  /** Infinity: busy, or kept for ever. */
  expiresAt: number
}

export interface Deployment {
  terms: Terms
  readonly queue: Queue<Request>
  /** Loading or ready, and open to requests. */
  current: Isolate | undefined
  /** Of the next isolate, predicted: what the last one of this revision measured, else what its terms say. */
  sizeBytes: number
  loadMs: number
  /** The last place was given to a chained request. */
  wasChained: boolean
  /** Moving average of a request's time in the isolate. */
  serviceMs: number
  isRemoved: boolean
  isLoadWanted: boolean
  isWanting: boolean
  wantedSince: number
  /** Order in which room was promised; 0: not at all. */
  claim: number
  /** Its engine was full: loaded again with no more than so many others of that engine; Infinity: it was not. */
  beside: number
  /** Its engine was full of nothing but this one: nobody goes for it before that time. */
  tooLargeUntil: number
  failures: number
  crashesInRow: number
  retryAt: number
  failure: { code: ErrorCode; message: string } | undefined
  loads: number
  evictions: number
  crashes: number
  lastUsedAt: number | undefined
  lastError: string | undefined
}

export function createDeployment(terms: Terms): Deployment {
  return {
    terms,
    queue: new Queue<Request>(),
    current: undefined,
    sizeBytes: terms.sizeBytes,
    loadMs: 0,
    wasChained: false,
    serviceMs: 0,
    isRemoved: false,
    isLoadWanted: false,
    isWanting: false,
    wantedSince: 0,
    claim: 0,
    beside: Infinity,
    tooLargeUntil: 0,
    failures: 0,
    crashesInRow: 0,
    retryAt: 0,
    failure: undefined,
    loads: 0,
    evictions: 0,
    crashes: 0,
    lastUsedAt: undefined,
    lastError: undefined,
  }
}

/** Whether a request that comes now gets a place at once. */
export function hasPlace(isolate: Isolate, { concurrency }: Terms): boolean {
  return isolate.state === 'ready' && isolate.leases < concurrency && isolate.suspensions === 0
}

/** Open, ready, and nobody in it. */
export function isIdle(isolate: Isolate): boolean {
  return isolate.state === 'ready' && isolate.leases === 0
}

/** Those that count where the engine of `isolate` is full: the others that it has, save pinned ones, which stay. */
export function rivalsOf(isolate: Isolate, all: Iterable<Isolate>): Isolate[] {
  return [...all].filter((other) => other !== isolate && other.engine === isolate.engine && !isPinned(other))
}

/** It stays whoever needs its room. */
export function isPinned({ deployment, state }: Isolate): boolean {
  return deployment.terms.pin && state !== 'draining'
}

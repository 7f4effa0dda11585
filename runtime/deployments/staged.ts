import type { Clock } from '../clock.ts'
import { PelletError } from '../errors.ts'
import { stagedName } from '../scheduler/staging.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'
import { formatBytes } from '../units.ts'
import type { Deployment } from './deployment.ts'
import type { AcquireOptions, Lease, LeaseReceiver } from './lease.ts'

/** A revision beside the one that serves: loaded, tried, and then promoted or discarded. */
export interface StagedRevision {
  readonly deployment: Deployment
  /** The name under which the dispatcher gives places in it. */
  readonly place: string
  /**
   * Loads it beside what is loaded; idle isolates go for it where there is no room, busy and pinned ones do not.
   * @throws PelletError `load_failed`, `out_of_memory` (also when no room comes within 30 s), `stopping`; `not_found` when it
   * is discarded meanwhile
   */
  load(): Promise<void>
  /** A place in it, for what is no request. @throws PelletError as `load` */
  acquire(timeoutMs: number): Promise<Lease>
  /**
   * It serves from now on, warm: those who wait get it, requests in flight finish on the old revision. Its keep_alive counts
   * as after a load.
   * @param deployment the same revision, where something that is no part of it has changed meanwhile
   */
  promote(deployment?: Deployment): void
  /** It ends, whatever it does. Nothing where it was promoted or discarded before. */
  discard(): void
}

/** What a staged revision needs of its dispatcher. */
export interface StagingHost {
  clock: Clock
  acquire(name: string, options: AcquireOptions, receiver: LeaseReceiver): () => void
  /** Of all that is deployed or staged. */
  rows(): DeploymentSnapshot[]
  /** What it is expected to need. */
  sizeBytes: number
}

/** What the dispatcher does when a revision is no longer staged. */
interface Outcome {
  promote(deployment: Deployment): void
  discard(): void
}

/** How long a revision waits for memory before its deploy fails. Its load has a bound of its own. */
const roomTimeoutMs = 30_000

export function createStaged(host: StagingHost, deployment: Deployment, outcome: Outcome): StagedRevision {
  const { name } = deployment
  const place = stagedName(name)
  let isOver = false
  const acquire = (timeoutMs: number, onWait?: (leave: () => void, reject: (error: PelletError) => void) => void) =>
    new Promise<Lease>((resolve, reject) => {
      const leave = host.acquire(place, { timeoutMs }, { grant: resolve, refuse: reject })
      onWait?.(leave, reject)
    })
  return {
    deployment,
    place,
    async load() {
      let stopWaiting: (() => void) | undefined
      const lease = await acquire(Infinity, (leave, reject) => {
        stopWaiting = host.clock.alarm(host.clock.now() + roomTimeoutMs, () => {
          const rows = host.rows()
          if (rows.find((row) => row.name === place)?.isolate !== undefined) return
          leave()
          reject(noRoom(name, host.sizeBytes, rows))
        })
      }).finally(stopWaiting)
      lease.release(true)
    },
    acquire,
    promote(live = deployment) {
      if (isOver) throw new Error(`${name}: promoted or discarded before`)
      isOver = true
      outcome.promote(live)
    },
    discard() {
      if (isOver) return
      isOver = true
      outcome.discard()
    },
  }
}

// --- internal ---

function noRoom(name: string, sizeBytes: number, rows: DeploymentSnapshot[]): PelletError {
  const resident = rows.filter(({ sizeBytes }) => sizeBytes > 0)
  const held = resident.map(({ name: other, sizeBytes, inFlight }) => {
    const state = inFlight > 0 ? `busy, ${formatBytes(sizeBytes)}` : formatBytes(sizeBytes)
    return `${other} (${state})`
  })
  const message =
    `${name}: expected room for the new revision (${formatBytes(sizeBytes)}) beside what is loaded, within ` +
    `${roomTimeoutMs / 1000} s, found none; loaded: ${held.join(', ')}; try again when less is going on, unload one of them, or give Pellet more memory (memory)`
  return new PelletError('out_of_memory', message)
}

import type { Readiness } from '../deployments/preloads.ts'
import type { DeviceCounts, DeviceRow } from '../device/device-host.ts'
import type { Pellet } from '../pellet.ts'
import type { CacheCount } from '../results/cache-rows.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'

/** How things are; asked when somebody reads the metrics. */
export interface Facts {
  version: string
  /** A row for each deployment. */
  rows(): DeploymentSnapshot[]
  readinessOf(name: string, row: DeploymentSnapshot | undefined): Readiness
  kept(): CacheCount[]
  /** Memory for loaded isolates, in bytes. */
  budgetBytes(): number
  /** Of requests that are under way. */
  bytesInFlight(): number
  isReady(): boolean
  isStalled(): boolean
  /** Functions and manifests that are refused. */
  refused(): number
  /** The process that owns the NPU, while there is one. */
  device(): DeviceRow | undefined
  deviceCounts(): DeviceCounts
}

/** Asked of a running Pellet, of which no part need be there yet. */
export function factsOf(pellet: Pellet): Facts {
  return {
    version: pellet.version,
    rows: () => pellet.dispatcher.snapshot(),
    readinessOf: (name, row) => pellet.preloads.readinessOf(name, row),
    kept: () => pellet.results.counts(),
    budgetBytes: () => pellet.config.memoryBytes,
    bytesInFlight: () => pellet.proxy.bytesInFlight,
    isReady: () => pellet.isReady(),
    isStalled: () => pellet.vitals.problem() !== undefined,
    device: () => pellet.device.row,
    deviceCounts: () => pellet.device.counts,
    refused: () => pellet.routes.failures.filter(({ missing }) => !missing).length,
  }
}

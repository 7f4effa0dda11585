import heapSizeAndUsed from 'prom-client/lib/metrics/heapSizeAndUsed.js'
import osMemoryHeap from 'prom-client/lib/metrics/osMemoryHeap.js'
import processCpuTotal from 'prom-client/lib/metrics/processCpuTotal.js'
import processMaxFileDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js'
import processOpenFileDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js'
import processStartTime from 'prom-client/lib/metrics/processStartTime.js'
import type { Facts } from './facts.ts'
import type { Families } from './families.ts'
import type { DeployResult } from './instruments.ts'
import { watchLoopDelay } from './loop-delay.ts'

/** Pellet as a whole, and its main process, which has the names that are usual for one of node. */
export function addProcess(families: Families, facts: Facts, deploys: Record<DeployResult, number>): void {
  const flag = (name: string, help: string, isSet: () => boolean) =>
    families.gauge(name, help, () => [[{}, Number(isSet())]])

  flag('pellet_ready', 'Whether Pellet is ready (/health/ready)', () => facts.isReady())
  flag('pellet_stalled', 'Whether Pellet makes no progress (/health/live)', () => facts.isStalled())
  families.gauge('pellet_refused_sources', 'Functions and manifests that are refused (pellet list says why)', () => [
    [{}, facts.refused()],
  ])
  families.gauge('pellet_memory_budget_bytes', 'Memory that loaded isolates may take', () => [
    [{}, facts.budgetBytes()],
  ])
  families.gauge('pellet_request_bytes_in_flight', 'Bytes of requests that are under way (max_bytes_in_flight)', () => [
    [{}, facts.bytesInFlight()],
  ])
  families.counter('pellet_deploys_total', 'Deploys and rollbacks, by how they ended', () =>
    Object.entries(deploys).map(([result, value]) => [{ result }, value]),
  )
  families.gauge('pellet_build_info', 'Always 1; the versions are the labels', () => [
    [{ version: facts.version, node: process.version }, 1],
  ])
  const delays = watchLoopDelay()
  families.histogram('pellet_event_loop_delay_seconds', 'How long the main process keeps what comes waiting', () => [
    [{}, delays],
  ])
  for (const add of [
    processCpuTotal,
    processStartTime,
    osMemoryHeap,
    processOpenFileDescriptors,
    processMaxFileDescriptors,
    heapSizeAndUsed,
  ])
    add(families.registry)
}

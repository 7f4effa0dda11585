import type { Deployment } from '../deployments/deployment.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'
import type { DeploymentCounts } from './counts.ts'
import { addDeployments } from './deployments.ts'
import type { Facts } from './facts.ts'
import { Families } from './families.ts'
import { addDevice } from './device.ts'
import { addProcess } from './process.ts'
import { addRequests } from './requests.ts'
import { addSidecar } from './sidecar.ts'

/** How a deploy or a rollback ended. */
export type DeployResult = 'done' | 'failed'

/** All that is counted. */
export interface Books {
  /** Deployments that are there, by name. */
  live: Map<string, Deployment>
  /** By name, also of those that are gone. */
  counts: Map<string, DeploymentCounts>
  deploys: Record<DeployResult, number>
}

/** What one export shows: the deployments of the whole Pellet, or one of them. */
export interface View {
  facts: Facts
  live(): Deployment[]
  counts(): [name: string, DeploymentCounts][]
  /** Of those that are live. */
  rows(): DeploymentSnapshot[]
}

/** @param only the one deployment that is shown; else all are, and Pellet itself */
export function createInstruments(facts: Facts, books: Books, only?: string): Families {
  const families = new Families()
  const isShown = (name: string) => only === undefined || name === only
  const view: View = {
    facts,
    live: () => [...books.live.values()].filter(({ name }) => isShown(name)),
    counts: () => [...books.counts].filter(([name]) => isShown(name)),
    rows: () => facts.rows().filter(({ name }) => isShown(name) && books.live.has(name)),
  }
  addRequests(families, view)
  addDeployments(families, view)
  addSidecar(families, view)
  if (only !== undefined) return families
  addDevice(families, facts)
  addProcess(families, facts, books.deploys)
  return families
}

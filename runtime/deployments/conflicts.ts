import {
  answersOf,
  fileOf,
  isFailed,
  type Compilation,
  type Deployment,
  type DeploymentResult,
  type FailedSource,
} from './deployment.ts'

/** What stands already while newcomers are looked at. */
export interface Held {
  /** Pellet's own port on TCP; 0: whichever is free then. */
  ownPort?: number
  /** Deployments that stay as they are, whoever else comes. */
  kept?: readonly Deployment[]
  /** What each of the results replaces: what both of them claim stays its own. */
  predecessors?: ReadonlyMap<DeploymentResult, Deployment>
}

/**
 * Names, routes and ports have one holder: of two that claim the same, the one that has it stays, else the first; the other
 * is refused with the reason. Pure.
 */
export function refuseConflicts(
  results: readonly DeploymentResult[],
  { ownPort = 0, kept = [], predecessors = new Map() }: Held = {},
): Compilation {
  const deployments: Deployment[] = []
  const failures: FailedSource[] = []
  const holders = new Map([[`port ${ownPort}`, 'Pellet itself has']])
  for (const deployment of kept)
    for (const { key } of claimsOf(deployment))
      holders.set(key, `${nameOf(deployment)} has, in the revision that keeps serving`)
  const reserved = new Map<string, Deployment>()
  for (const result of results) {
    const predecessor = predecessors.get(result)
    if (isFailed(result) || !predecessor) continue
    const before = new Set(claimsOf(predecessor).map(({ key }) => key))
    for (const { key } of claimsOf(result)) if (before.has(key)) reserved.set(key, result)
  }
  for (const result of results) {
    if (isFailed(result)) {
      failures.push(result)
      continue
    }
    const claims = claimsOf(result)
    const problems = claims.flatMap(({ key, place, expected, found }) => {
      const other = reserved.get(key)
      const holder = holders.get(key) ?? (other && other !== result ? `${nameOf(other)} has` : undefined)
      return holder === undefined ? [] : [`${place}: expected ${expected}, found ${found}, which ${holder}`]
    })
    if (problems.length > 0)
      failures.push({ name: result.name, origin: result.origin, problems, ...answersOf(result.manifest) })
    else {
      for (const { key } of claims) holders.set(key, `${nameOf(result)} has`)
      deployments.push(result)
    }
  }
  return { deployments, failures }
}

// --- internal ---

interface Claim {
  key: string
  place: string
  expected: string
  found: string
}

function claimsOf({ name, manifest, places }: Deployment): Claim[] {
  const claim = (key: string, place: string, expected: string, found = key) => ({ key, place, expected, found })
  return [
    claim(`name ${name}`, places.name, 'a name of its own', JSON.stringify(name)),
    ...manifest.routes.map(({ method, path }, index) =>
      claim(`${method} ${path}`, places.routes[index]!, 'a free route'),
    ),
    ...manifest.listen.map((port, index) => claim(`port ${port}`, places.ports[index]!, 'a free port', String(port))),
  ]
}

function nameOf(deployment: Deployment): string {
  return deployment.origin.deployed ? fileOf(deployment) : `${deployment.name} (${fileOf(deployment)})`
}

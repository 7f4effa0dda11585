import { resolveCalls } from './calls.ts'
import { refuseConflicts } from './conflicts.ts'
import { isFailed, type Compilation, type Deployment, type DeploymentResult, type FailedSource } from './deployment.ts'

export interface Look {
  /** What serves now. */
  live: readonly Deployment[]
  /** What every source of the project gives now. */
  results: readonly DeploymentResult[]
  /** Pellet's own port on TCP; 0: whichever is free. */
  ownPort: number
}

/**
 * What is to serve next, and what is refused. A source that is refused leaves the revision that it had before serving; what
 * serves keeps its name, routes and ports against newcomers; what has no source any more is gone. Starting is the same,
 * from nothing. Pure.
 */
export function reconcile({ live, results, ownPort }: Look): Compilation {
  const predecessors = matchLive(live, results)
  const refusals = new Map<DeploymentResult, FailedSource>()
  for (const result of results) if (isFailed(result)) refusals.set(result, result)
  for (;;) {
    // Every one that falls back to what it was takes back its claims with it, so all others are looked at anew.
    const isKept = (result: DeploymentResult) => refusals.has(result) && predecessors.has(result)
    const attempt = attemptAll(results, predecessors, isKept, ownPort)
    const refused = [...attempt.refused, ...attempt.refusedForCalls]
    const fallen = refused.filter(([result]) => predecessors.has(result) && !refusals.has(result))
    for (const [result, refusal] of fallen) refusals.set(result, refusal)
    if (fallen.length > 0) continue
    const toFailure = (result: DeploymentResult) => {
      const refusal = refusals.get(result) ?? attempt.refused.get(result)
      const old = predecessors.get(result)
      if (!refusal) return []
      return [old ? { ...refusal, serves: { name: old.name, revision: old.revision } } : refusal]
    }
    // Causes stand before what follows from them.
    const failures = [...results.flatMap(toFailure), ...attempt.refusedForCalls.values()]
    return { deployments: attempt.deployments, failures }
  }
}

// --- internal ---

interface Attempt {
  /** In the order of the results. */
  deployments: Deployment[]
  /** What stands against a result. */
  refused: Map<DeploymentResult, FailedSource>
  refusedForCalls: Map<DeploymentResult, FailedSource>
}

function attemptAll(
  results: readonly DeploymentResult[],
  predecessors: ReadonlyMap<DeploymentResult, Deployment>,
  isKept: (result: DeploymentResult) => boolean,
  ownPort: number,
): Attempt {
  const kept = new Map(results.filter(isKept).map((result) => [result, predecessors.get(result)!]))
  const candidates = results.filter((result) => !kept.has(result))
  const settled = refuseConflicts(candidates, { ownPort, kept: [...kept.values()], predecessors })
  const accepted = new Set<DeploymentResult>(settled.deployments)
  const serving = results.flatMap((result) => kept.get(result) ?? (accepted.has(result) ? [result as Deployment] : []))
  const { failures } = settled
  const namesOf = (deployments: Iterable<Deployment>) => new Set([...deployments].map(({ name }) => name))
  const standing = { kept: namesOf(kept.values()), lasting: namesOf(predecessors.values()) }
  const resolved = resolveCalls({ deployments: serving, failures }, standing)

  const refused = new Map<DeploymentResult, FailedSource>()
  const others = candidates.filter((result) => !accepted.has(result))
  others.forEach((result, index) => refused.set(result, failures[index]!))
  const byName = new Map<string, DeploymentResult>(
    settled.deployments.map((deployment) => [deployment.name, deployment]),
  )
  const forCalls = resolved.failures.slice(failures.length)
  const refusedForCalls = new Map(forCalls.map((failure) => [byName.get(failure.name)!, failure]))
  return { deployments: resolved.deployments, refused, refusedForCalls }
}

/** Which result stands for which live deployment: its next revision, or why there is none. Each for one at most. */
function matchLive(
  live: readonly Deployment[],
  results: readonly DeploymentResult[],
): Map<DeploymentResult, Deployment> {
  const predecessors = new Map<DeploymentResult, Deployment>()
  const open = new Set(live)
  for (const isMatch of matches) {
    for (const deployment of open) {
      const isNext = (one: DeploymentResult) => isSuccessor(deployment, one) && isMatch(deployment, one)
      const result = results.find((one) => !predecessors.has(one) && isNext(one))
      if (!result) continue
      predecessors.set(result, deployment)
      open.delete(deployment)
    }
  }
  return predecessors
}

/** What was deployed, and is deleted, does not serve on where its dropped file cannot. */
function isSuccessor(live: Deployment, result: DeploymentResult): boolean {
  return !live.origin.deployed || result.origin.deployed !== undefined
}

/** From the surest to the least sure. */
const matches: ((live: Deployment, result: DeploymentResult) => boolean)[] = [
  (live, result) => isSameFile(live, result) && live.name === result.name,
  // A file that cannot be read may have lost its name.
  (live, result) => isSameFile(live, result) && isFailed(result),
  (live, result) => live.name === result.name && !isFailed(result),
  // Where its manifest was deleted, the function that is left, and wants one, is not what served.
  (live, result) => live.name === result.name && !(live.origin.manifest && !result.origin.manifest),
  // Its name was changed in the file.
  (live, result) => isSameFile(live, result),
]

/** A function that serves alone is still itself when a manifest comes to it. Of what was deployed, the files are elsewhere. */
function isSameFile(live: Deployment, result: DeploymentResult): boolean {
  const { origin } = live
  if (origin.deployed || result.origin.deployed) return live.name === result.name
  return origin.manifest === undefined
    ? origin.function !== undefined && origin.function === result.origin.function
    : origin.manifest === result.origin.manifest
}

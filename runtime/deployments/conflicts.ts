import { answersOf, type Compilation, type Deployment, type FailedSource } from './deployment.ts'

/**
 * Names, routes and ports have one holder: of two that claim the same, the first stays and the other is refused with the
 * reason.
 * @param ownPort Pellet's own on TCP; 0: whichever is free then
 */
export function refuseConflicts(results: (Deployment | FailedSource)[], ownPort = 0): Compilation {
  const deployments: Deployment[] = []
  const failures: FailedSource[] = []
  const holders = new Map([[`port ${ownPort}`, 'Pellet itself']])
  for (const result of results) {
    if ('problems' in result) {
      failures.push(result)
      continue
    }
    const claims = claimsOf(result)
    const problems = claims
      .filter(({ key }) => holders.has(key))
      .map(
        ({ key, place, expected, found }) =>
          `${place}: expected ${expected}, found ${found}, which ${holders.get(key)} has`,
      )
    if (problems.length > 0)
      failures.push({ name: result.name, origin: result.origin, problems, ...answersOf(result.manifest) })
    else {
      for (const { key } of claims) holders.set(key, `${result.name} (${fileOf(result)})`)
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

function fileOf({ origin, name }: Deployment): string {
  return origin.manifest ?? origin.function ?? name
}

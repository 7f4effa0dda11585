import type { Compilation, Deployment, FailedSource } from './deployment.ts'

/** Names and routes have one holder: of two that claim the same, the first stays and the other is refused with the reason. */
export function refuseConflicts(results: (Deployment | FailedSource)[]): Compilation {
  const deployments: Deployment[] = []
  const failures: FailedSource[] = []
  const names = new Map<string, Deployment>()
  const routes = new Map<string, Deployment>()
  for (const result of results) {
    if ('problems' in result) {
      failures.push(result)
      continue
    }
    const problems: string[] = []
    const namesake = names.get(result.name)
    if (namesake)
      problems.push(
        `${result.places.name}: expected a name of its own, found ${JSON.stringify(result.name)}, which ${fileOf(namesake)} has`,
      )
    for (const [index, { method, path }] of result.manifest.routes.entries()) {
      const holder = routes.get(`${method} ${path}`)
      if (holder)
        problems.push(
          `${result.places.routes[index]}: expected a free route, found ${method} ${path}, which ${holder.name} (${fileOf(holder)}) holds`,
        )
    }
    if (problems.length > 0) {
      failures.push({ name: result.name, origin: result.origin, problems })
      continue
    }
    names.set(result.name, result)
    for (const { method, path } of result.manifest.routes) routes.set(`${method} ${path}`, result)
    deployments.push(result)
  }
  return { deployments, failures }
}

// --- internal ---

function fileOf({ origin, name }: Deployment): string {
  return origin.manifest ?? origin.function ?? name
}

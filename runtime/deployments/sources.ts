import { fileOf, isFailed, type Deployment, type DeploymentResult, type Origin } from './deployment.ts'

/** What all sources give together. */
export interface Joined {
  results: DeploymentResult[]
  /** By name: what would serve under it, were nothing deployed there. */
  shadowed: ReadonlyMap<string, DeploymentResult>
}

/**
 * What was deployed stands before what was dropped, and shadows it where the name is the same: also where it cannot serve,
 * for other code under a name is worse than none. Pure.
 */
export function joinSources(dropped: readonly DeploymentResult[], deployed: readonly DeploymentResult[]): Joined {
  const names = new Set(deployed.map(({ name }) => name))
  const shadowed = new Map<string, DeploymentResult>()
  // Of two dropped ones of a name, the first would serve.
  for (const result of dropped)
    if (names.has(result.name) && !shadowed.has(result.name)) shadowed.set(result.name, result)
  return { results: [...deployed, ...dropped.filter(({ name }) => !names.has(name))], shadowed }
}

/** What the project's files and what was deployed give now. */
export class Sources {
  dropped: readonly DeploymentResult[] = []
  readonly #deployed = new Map<string, DeploymentResult>()

  set(name: string, deployed: DeploymentResult | undefined): void {
    if (deployed) this.#deployed.set(name, deployed)
    else this.#deployed.delete(name)
  }

  /** The same revision for other circumstances, or one for which there was no engine before. */
  renew(deployed: Deployment): void {
    const before = this.#deployed.get(deployed.name)
    if (before && (isFailed(before) || before.revision === deployed.revision))
      this.#deployed.set(deployed.name, deployed)
  }

  joined(): Joined {
    return joinSources(this.dropped, [...this.#deployed.values()])
  }

  /** As it were with another one deployed under a name, or none. */
  joinedWith(name: string, deployed: Deployment | undefined): Joined {
    const others = [...this.#deployed.values()].filter((result) => result.name !== name)
    return joinSources(this.dropped, deployed ? [...others, deployed] : others)
  }

  /** What the project's files give, with these instead of what the same files gave before. */
  droppedWith(results: readonly DeploymentResult[]): DeploymentResult[] {
    const byFile = new Map(results.map((result) => [fileOf(result), result]))
    return this.dropped.map((result) => byFile.get(fileOf(result)) ?? result)
  }

  /** The project's files of a name, whether they serve or are shadowed. */
  droppedAs(name: string): Origin | undefined {
    return this.dropped.find((result) => result.name === name)?.origin
  }
}

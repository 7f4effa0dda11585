import { didYouMean } from '../manifest/closest.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { answersOf, type Compilation, type Deployment, type DeploymentCall, type FailedSource } from './deployment.ts'
import type { MissingModel } from './missing-model.ts'
import { routeNames } from '../manifest/paths.ts'

/** The most deployments that one request may go through. Each keeps its lease until those behind it have answered. */
const maxCallDepth = 4

/** Names of deployments that have served before. */
export interface Standing {
  /** Are not refused for their calls: these lead where they still can. */
  kept?: ReadonlySet<string>
  /** Serve on in an older revision where they are refused: nobody is refused for calling them. */
  lasting?: ReadonlySet<string>
}

/** Every `call` step of a manifest: by route, then in the order of its post chain. */
export function callSteps({ routes }: Manifest): { route: number; step: number; options: Record<string, unknown> }[] {
  return routes.flatMap(({ post }, route) =>
    post.flatMap(({ step, options }, index) => (step === 'call' ? [{ route, step: index, options }] : [])),
  )
}

/**
 * Follows the `call` steps: gives each deployment its `calls`, and refuses those whose calls lead nowhere, in a ring,
 * through more than `maxCallDepth` deployments, or to a deployment that is refused or misses its model. Pure.
 * @param compilation all that was compiled. What is refused for its calls may be right when others have changed: keep it.
 */
export function resolveCalls(
  { deployments, failures }: Compilation,
  { kept = new Set(), lasting = new Set() }: Standing = {},
): Compilation {
  const graph = new CallGraph(deployments, failures, { kept, lasting })
  const resolved: Compilation = { deployments: [], failures: [...failures] }
  for (const deployment of deployments) {
    const { name, origin, manifest } = deployment
    const refusal = graph.refusalOf(name)
    if (refusal) resolved.failures.push({ name, origin, ...refusal, ...answersOf(manifest) })
    else resolved.deployments.push({ ...deployment, calls: graph.callsOf(name) })
  }
  return resolved
}

// --- internal ---

type Refusal = Pick<FailedSource, 'problems' | 'missing'>

/** One `call` step: where it is written, whom it calls, and the route, where it names one. */
interface CallStep {
  place: string
  callee: string
  route: unknown
}

class CallGraph {
  readonly #deployments: Map<string, Deployment>
  readonly #failures: Map<string, FailedSource>
  readonly #steps: Map<string, CallStep[]>
  readonly #standing: Required<Standing>
  readonly #refusals = new Map<string, Refusal | undefined>()
  readonly #chains = new Map<string, string[]>()

  constructor(deployments: Deployment[], failures: FailedSource[], standing: Required<Standing>) {
    this.#standing = standing
    this.#deployments = new Map(deployments.map((deployment) => [deployment.name, deployment]))
    this.#failures = new Map(failures.map((failure) => [failure.name, failure]))
    this.#steps = new Map(deployments.map((deployment) => [deployment.name, stepsOf(deployment)]))
  }

  callsOf(name: string): DeploymentCall[] {
    const calls = this.#stepsOf(name).flatMap((step) => this.#targetOf(step) ?? [])
    return [...new Map(calls.map((call) => [JSON.stringify(call), call])).values()]
  }

  /** Why a deployment cannot be, or undefined. Rings end here at their first member: it is refused for itself. */
  refusalOf(name: string): Refusal | undefined {
    if (this.#standing.kept.has(name)) return undefined
    if (!this.#deployments.has(name)) return this.#failures.get(name)
    if (!this.#refusals.has(name)) this.#refusals.set(name, this.#refuse(name))
    return this.#refusals.get(name)
  }

  #refuse(name: string): Refusal | undefined {
    const ring = this.#pathBack(name)
    const own = new Set(this.#stepsOf(name).flatMap((step) => this.#problemOf(name, step, ring) ?? []))
    const inherited = new Set<string>()
    let missing: MissingModel | undefined
    for (const { place, callee } of this.#stepsOf(name)) {
      if (callee === name || this.#pathTo(callee, name) || this.#standing.lasting.has(callee)) continue
      const refusal = this.refusalOf(callee)
      if (!refusal) continue
      missing ??= refusal.missing
      const why = refusal.missing ? 'which misses a model' : 'which is refused itself'
      const line = `${place}: expected a deployment that is there, found ${JSON.stringify(callee)}, ${why}`
      if (refusal.missing) inherited.add(line)
      else own.add(line)
    }
    if (own.size + inherited.size === 0) return undefined
    return { problems: [...own, ...inherited], ...(own.size === 0 && missing && { missing }) }
  }

  /** What is wrong with one step, whatever becomes of the deployment that it calls. */
  #problemOf(name: string, step: CallStep, ring: string[] | undefined): string | undefined {
    const { place, callee, route } = step
    if (ring?.[1] === callee) return `${place}: expected calls that come to an end, found the ring ${ring.join(' -> ')}`
    const deployment = this.#deployments.get(callee)
    if (!deployment) {
      if (this.#failures.has(callee)) return undefined
      const names = [...this.#deployments.keys()].filter((other) => other !== name)
      return `${place}: ${notAmong(callee, 'a deployment', names)}`
    }
    if (!this.#targetOf(step))
      return `${place}: ${notAmong(String(route), `a route of ${callee}`, routeNames(deployment.manifest.routes))}`
    const chain = [name, ...this.#chainFrom(callee)]
    return chain.length > maxCallDepth && !ring
      ? `${place}: expected a chain of at most ${maxCallDepth} deployments, found ${chain.join(' -> ')}`
      : undefined
  }

  #targetOf({ callee, route }: CallStep): DeploymentCall | undefined {
    const routes = this.#deployments.get(callee)?.manifest.routes ?? []
    const found = routes.find(({ method, path }) => route === undefined || route === `${method} ${path}`)
    return found && { deployment: callee, method: found.method, path: found.path }
  }

  /** The longest chain of calls that begins here; it ends before it would go round. */
  #chainFrom(name: string): string[] {
    const known = this.#chains.get(name)
    if (known) return known
    const callees = this.#pathBack(name) ? [] : this.#stepsOf(name).map(({ callee }) => callee)
    const [longest = []] = callees.map((callee) => this.#chainFrom(callee)).sort((a, b) => b.length - a.length)
    this.#chains.set(name, [name, ...longest])
    return [name, ...longest]
  }

  /** The shortest ring that a deployment is in: `a`, `b`, `a`. */
  #pathBack(name: string): string[] | undefined {
    const paths = this.#stepsOf(name).flatMap(({ callee }) => {
      const path = callee === name ? [name] : this.#pathTo(callee, name)
      return path ? [[name, ...path]] : []
    })
    return paths.sort((a, b) => a.length - b.length)[0]
  }

  /** The shortest way of calls from one deployment to another, both included. */
  #pathTo(from: string, to: string): string[] | undefined {
    const seen = new Set([from])
    const paths = [[from]]
    for (const path of paths) {
      const last = path.at(-1)!
      if (last === to) return path
      for (const { callee } of this.#stepsOf(last)) {
        if (seen.has(callee)) continue
        seen.add(callee)
        paths.push([...path, callee])
      }
    }
    return undefined
  }

  #stepsOf(name: string): CallStep[] {
    return this.#steps.get(name) ?? []
  }
}

function stepsOf({ manifest, places }: Deployment): CallStep[] {
  return callSteps(manifest).map(({ options }, index) => ({
    place: places.calls[index]!,
    callee: String(options['deployment']),
    route: options['route'],
  }))
}

function notAmong(found: string, what: string, known: string[]): string {
  const hint = didYouMean(found, known)
  const names = known.length > 0 ? `${what} (${known.join(', ')})` : what
  return `expected ${names}, found ${JSON.stringify(found)}${hint ? `; ${hint}` : ''}`
}

import { callSteps } from '../../deployments/calls.ts'
import type { Deployment } from '../../deployments/deployment.ts'

/** Those that others call come first: a deployment is refused whose calls lead nowhere. Rings stay in the order given. */
export function calleesFirst<One extends Pick<Deployment, 'name' | 'manifest'>>(deployments: readonly One[]): One[] {
  const byName = new Map(deployments.map((deployment) => [deployment.name, deployment]))
  const ordered = new Set<One>()
  const visited = new Set<One>()
  const visit = (deployment: One) => {
    if (visited.has(deployment)) return
    visited.add(deployment)
    for (const { options } of callSteps(deployment.manifest)) {
      const callee = byName.get(String(options['deployment']))
      if (callee) visit(callee)
    }
    ordered.add(deployment)
  }
  for (const deployment of deployments) visit(deployment)
  return [...ordered]
}

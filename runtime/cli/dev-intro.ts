import { fileOf } from '../deployments/deployment.ts'
import { howToGet } from '../deployments/missing-model.ts'
import { examplesOf } from '../http/examples.ts'
import type { Pellet } from '../pellet.ts'

/** What `pellet dev` says once it serves: each route with a call to try, what is refused, and what it does from now on. */
export function toIntro({ address, routes }: Pellet): string {
  const parts = [`Pellet serves at ${address} (docs: ${address}/docs)`]
  for (const deployment of routes.deployments.values())
    for (const route of deployment.manifest.routes)
      parts.push(
        `  ${deployment.name}  ${route.method} ${route.path}\n    ${examplesOf(deployment, route, address)[0]}`,
      )
  if (routes.deployments.size === 0)
    parts.push('  Nothing is deployed yet: save a function in functions/, or a manifest in manifests/.')
  for (const failure of routes.failures) {
    const { name, problems, missing } = failure
    const [file] = missing?.deployment === name ? missing.files : []
    const how = file && (missing?.fetch?.receivedBytes === undefined ? howToGet(name, file) : 'it is being fetched')
    const lines = file ? [`its model is missing: ${file.file}; ${how}`] : problems
    parts.push(`  not deployed: ${name} (${fileOf(failure)})\n${lines.map((line) => `    ${line}`).join('\n')}`)
  }
  parts.push(
    'Watching functions, manifests, models, what they import, and pellet.yaml. Save a file and call its route; Ctrl+C stops.',
  )
  return `\n${parts.join('\n')}\n`
}

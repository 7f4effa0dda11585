import type { Agent } from 'node:http'
import type { RunningPellet } from '../support/pellet.ts'
import { comparable } from './judge.ts'
import { describe, type PlannedRequest } from './plan.ts'
import { deploymentOf, names } from './project.ts'
import { send } from './send.ts'
import { sampleKey } from './wire.ts'

/** One model after the other, one request after the other: what their answers must be in the storm as well. */
export async function calmAnswers(pellet: RunningPellet, agent: Agent): Promise<Map<string, string>> {
  const calm = new Map<string, string>()
  for (const deployment of names) {
    if (deploymentOf(deployment).kind !== 'model') continue
    const accepts = deployment === 'depth' ? ['application/json', 'application/x-npz', 'image/png'] : ['']
    for (const accept of accepts)
      for (const seed of [0, 1, 2]) {
        const planned: PlannedRequest = {
          id: 0,
          name: 0,
          deployment,
          way: 'json',
          seed,
          sizeBytes: 0,
          backBytes: 0,
          ms: 0,
          isPatient: false,
          // Else the storm would be given these very answers.
          cacheControl: 'no-store',
          accept,
        }
        const outcome = await send(pellet.url, agent, planned)
        if (outcome.status !== 200) throw new Error(`calm run, ${describe(planned)}: ${String(outcome.body)}`)
        calm.set(sampleKey(planned), comparable(outcome))
      }
  }
  return calm
}

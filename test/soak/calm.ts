import type { Agent } from 'node:http'
import type { RunningPellet } from '../support/pellet.ts'
import { comparable } from './judge.ts'
import { describe, type Plan, type PlannedRequest } from './plan.ts'
import { deploymentOf, names } from './project.ts'
import { send } from './send.ts'
import { sampleKey } from './wire.ts'

/** What a plan asks of models, one after the other, each once: what their answers must be in the storm as well. */
export async function calmAnswers(pellet: RunningPellet, agent: Agent, { bursts }: Plan): Promise<Map<string, string>> {
  const calm = new Map<string, string>()
  const requests = bursts.flatMap((burst) => burst.requests)
  for (const name of names) {
    if (deploymentOf(name).kind !== 'model') continue
    for (const { deployment, seed, accept = '' } of requests) {
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
        keepAlive: '2s',
        accept,
      }
      if (deployment !== name || calm.has(sampleKey(planned))) continue
      const outcome = await send(pellet.url, agent, planned)
      if (outcome.status !== 200) throw new Error(`calm run, ${describe(planned)}: ${String(outcome.body)}`)
      calm.set(sampleKey(planned), comparable(outcome))
    }
  }
  return calm
}

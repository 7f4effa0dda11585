import type { Config } from '../config.ts'
import type { Deployment } from '../deployments/deployment.ts'
import type { NpuStatus } from '../device/npu.ts'
import { runProbes } from '../deploys/probe/run-probes.ts'
import { messageOf, PelletError } from '../errors.ts'
import { createLogger } from '../log.ts'
import { LogRing } from '../log-ring.ts'
import { Pellet } from '../pellet.ts'

/**
 * Tries deployments as a deploy would, in a Pellet of their own that nobody else sees.
 * @param dataFolder the one that they were compiled in
 * @param all of the project: whom they may call
 * @returns what each of them does not do as it is to, by name
 */
export async function probeAside(
  { config, npu, dataFolder }: { config: Config; npu: NpuStatus; dataFolder: string },
  deployments: readonly Deployment[],
  all: readonly Deployment[],
): Promise<Map<string, string[]>> {
  const own = { host: '127.0.0.1', port: 0, public: false, requireToken: false, fetch: false, watch: false }
  const ring = new LogRing()
  const logs = { ring, log: await createLogger('silent', ring) }
  const compiled = Promise.resolve({ dropped: all.map(withoutOthers), deployed: [] })
  const aside = { ...config, ...own, dataFolder, socketPath: '' }
  const pellet = await Pellet.start(aside, logs, compiled, { npu: Promise.resolve(npu) })
  const found = new Map<string, string[]>()
  try {
    for (const { name } of deployments) {
      const deployment = pellet.routes.deployments.get(name)
      if (deployment) found.set(name, await problemsOf(pellet, deployment))
    }
  } finally {
    await pellet.stop(0)
  }
  return found
}

// --- internal ---

/** Takes no ports, keeps no answers, and is loaded when it is tried. */
function withoutOthers(deployment: Deployment): Deployment {
  const { cache: _cache, ...manifest } = deployment.manifest
  return { ...deployment, manifest: { ...manifest, listen: [], preload: false } }
}

async function problemsOf(pellet: Pellet, deployment: Deployment): Promise<string[]> {
  const staged = pellet.dispatcher.stage(deployment)
  try {
    await staged.load()
    await runProbes(pellet, staged, new AbortController().signal)
    return []
  } catch (error) {
    const details = error instanceof PelletError ? (error.details ?? []).map(({ msg }) => msg) : []
    return details.length > 0 ? details : [messageOf(error)]
  } finally {
    staged.discard()
  }
}

import type { ConfigChange } from '../config.ts'
import type { DraftOptions } from '../deploys/compile-draft.ts'
import { Records } from '../deploys/records.ts'
import type { Storage } from 'unstorage'
import { compileSources } from './compile.ts'
import type { FromCompiler, ProjectTask } from './compiler.ts'
import { ConfigWatch } from './config-watch.ts'
import type { DeploymentResult } from './deployment.ts'
import { ProjectWatch } from './project-watch.ts'

/** Compiles a project and what is deployed, and stays where it is to watch. */
export async function workOnProject(
  { config, flags, watch }: ProjectTask,
  storage: Storage,
  options: DraftOptions,
  send: (message: FromCompiler) => void,
): Promise<void> {
  const deployed = compileKept(new Records(storage), options)
  // Its failure is told when it is waited for.
  deployed.catch(() => {})
  if (!watch) return send({ type: 'compiled', dropped: await compileSources(options), deployed: await deployed })
  const trouble = (text: string) => send({ type: 'trouble', message: text })
  let dropped: DeploymentResult[] = []
  let isTold = false
  const results = (latest: DeploymentResult[]) => {
    dropped = latest
    if (isTold) send({ type: 'results', results: latest })
  }
  const project = new ProjectWatch(options, { results, trouble })
  const changed = (changes: ConfigChange[]) => send({ type: 'config', changes })
  const configWatch = new ConfigWatch(config, flags, { changed, trouble })
  await Promise.all([project.start(), configWatch.start(), deployed])
  send({ type: 'compiled', dropped, deployed: await deployed })
  isTold = true
}

// --- internal ---

async function compileKept(records: Records, options: DraftOptions): Promise<DeploymentResult[]> {
  const names = await records.names()
  if (names.length === 0) return []
  // Loaded where something was deployed: most projects are files alone.
  const { compileDeployed } = await import('../deploys/compile-deployed.ts')
  return compileDeployed(names, records, options)
}

import { dieWithParent } from '../../ffi/libc.ts'
import type { ConfigChange } from '../config.ts'
import { compileDeployed } from '../deploys/compile-deployed.ts'
import { compileDraft } from '../deploys/compile-draft.ts'
import { Records } from '../deploys/records.ts'
import { messageOf } from '../errors.ts'
import { createDataStore, openBlobs } from '../storage/storage.ts'
import { compileSources } from './compile.ts'
import type { FromCompiler, ToCompiler } from './compiler.ts'
import { ConfigWatch } from './config-watch.ts'
import type { DeploymentResult } from './deployment.ts'
import { createMemo } from './memo.ts'
import { ProjectWatch } from './project-watch.ts'

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
// Ctrl+C signals the whole group; main ends this process.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
process.once('message', (task: ToCompiler) => void work(task).catch(fail))

// --- internal ---

async function work(task: ToCompiler): Promise<void> {
  const { config } = task
  const storage = createDataStore({ folder: config.dataFolder })
  const options = { ...config, memo: createMemo(storage), blobs: openBlobs(config.dataFolder) }
  if (task.type === 'draft')
    return answer({
      type: 'draft',
      staged: await compileDraft(task.name, task.draft, { ...options, isDryRun: task.isDryRun }),
    })
  const deployed = compileDeployed(new Records(storage), options)
  if (!task.watch) return answer({ type: 'compiled', dropped: await compileSources(options), deployed: await deployed })
  const trouble = (text: string) => send({ type: 'trouble', message: text })
  let dropped: DeploymentResult[] | undefined
  let isTold = false
  const results = (latest: DeploymentResult[]) => {
    dropped = latest
    if (isTold) send({ type: 'results', results: latest })
  }
  const project = new ProjectWatch(options, { results, trouble })
  const changed = (changes: ConfigChange[]) => send({ type: 'config', changes })
  const configWatch = new ConfigWatch(config, task.flags, { changed, trouble })
  await Promise.all([project.start(), configWatch.start(), deployed])
  send({ type: 'compiled', dropped: dropped ?? [], deployed: await deployed })
  isTold = true
}

function fail(error: unknown): void {
  answer({ type: 'failed', message: messageOf(error) })
}

function send(message: FromCompiler): void {
  process.send!(message)
}

/** The last that there is to say. */
function answer(message: FromCompiler): void {
  // esbuild's service and the stores hold the process open; all that matters has been said.
  process.send!(message, () => process.exit(0))
}

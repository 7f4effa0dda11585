import { dieWithParent } from '../../ffi/libc.ts'
import { messageOf } from '../errors.ts'
import { createDataStore, openBlobs } from '../storage/storage.ts'
import type { FromCompiler, ToCompiler } from './compiler.ts'
import { createMemo } from './memo.ts'

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
// Ctrl+C signals the whole group; main ends this process.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
process.once('message', (task: ToCompiler) => void work(task).catch(fail))

// --- internal ---

async function work(task: ToCompiler): Promise<void> {
  const { config, npu } = task
  const storage = createDataStore({ folder: config.dataFolder })
  const options = { ...config, npu, memo: createMemo(storage), blobs: openBlobs(config.dataFolder) }
  // A draft needs neither the bundler nor the YAML parser, which take as long to load as all else.
  if (task.type === 'draft') {
    const { compileDraft } = await import('../deploys/compile-draft.ts')
    const { name, draft, isDryRun } = task
    return answer({ type: 'draft', staged: await compileDraft(name, draft, { ...options, isDryRun }) })
  }
  const { workOnProject } = await import('./project-work.ts')
  await workOnProject(task, storage, options, task.watch ? send : answer)
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

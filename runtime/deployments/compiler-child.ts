import { dieWithParent } from '../../ffi/libc.ts'
import { messageOf } from '../errors.ts'
import { createDataStore } from '../storage/storage.ts'
import { compileSources } from './compile.ts'
import type { FromCompiler, ToCompiler } from './compiler.ts'
import { ConfigWatch } from './config-watch.ts'
import { createMemo } from './memo.ts'
import { ProjectWatch } from './project-watch.ts'

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
// Ctrl+C signals the whole group; main ends this process.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))
process.once('message', (message: ToCompiler) => {
  const { config, flags, watch } = message
  const options = { ...config, memo: createMemo(createDataStore({ folder: config.dataFolder })) }
  const fail = (error: unknown) => answer({ type: 'failed', message: messageOf(error) })
  if (!watch) return void compileSources(options).then((results) => answer({ type: 'results', results }), fail)
  const trouble = (text: string) => send({ type: 'trouble', message: text })
  const project = new ProjectWatch(options, { results: (results) => send({ type: 'results', results }), trouble })
  const changed = (changes: Extract<FromCompiler, { type: 'config' }>['changes']) => send({ type: 'config', changes })
  const configWatch = new ConfigWatch(config, flags, { changed, trouble })
  Promise.all([project.start(), configWatch.start()]).catch(fail)
})

// --- internal ---

function send(message: FromCompiler): void {
  process.send!(message)
}

/** The last that there is to say. */
function answer(message: FromCompiler): void {
  // esbuild's service and the stores hold the process open; all that matters has been said.
  process.send!(message, () => process.exit(0))
}

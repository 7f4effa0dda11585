import { dieWithParent } from '../../ffi/libc.ts'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import { createDataStore } from '../storage/storage.ts'
import { compileSources } from './compile.ts'
import { createMemo } from './memo.ts'

dieWithParent(Number(process.env['PELLET_PARENT_PID']))
process.once('message', (config: Config) => {
  compileSources({ ...config, memo: createMemo(createDataStore({ folder: config.dataFolder })) }).then(
    answer,
    (error: unknown) => answer({ error: messageOf(error) }),
  )
})

// --- internal ---

function answer(message: unknown): void {
  // esbuild's service and the stores hold the process open; all that matters has been said.
  process.send!(message, () => process.exit(0))
}

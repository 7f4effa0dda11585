import { join } from 'node:path'
import { findCompiler, missingCompiler, type Missing } from '../../../ffi/shim/build.ts'
import { findHailort, missingOf } from '../../../ffi/shim/hailort-files.ts'
import type { ShimFacts } from './facts.ts'
import { namesIn } from './read-files.ts'

/** Whether the shim for the HailoRT that is installed is built, or could be. Builds nothing. */
export async function readShim(dataFolder: string): Promise<ShimFacts> {
  const found = await findHailort()
  const compiler = await findCompiler('c++')
  const missing: Missing[] = [...(compiler === undefined ? [missingCompiler('c++')] : []), ...missingOf(found)]
  const built = namesIn(join(dataFolder, 'npu')).some(
    (name) => name.startsWith(`pellet_npu-${found.version ?? 'unknown'}-`) && name.endsWith('.so'),
  )
  return { isBuilt: built, missing: missing.map(({ what, found: where, advice }) => ({ what, where, advice })) }
}

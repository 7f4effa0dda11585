import { lookAtShim } from '../../../ffi/shim/build.ts'
import type { ShimFacts } from './facts.ts'

/** Whether the shim for the HailoRT that is installed is built, or could be. Builds nothing. */
export async function readShim(dataFolder: string): Promise<ShimFacts> {
  const { built, missing } = await lookAtShim({ dataFolder })
  return {
    isBuilt: built !== undefined,
    missing: missing.map(({ what, found: where, advice }) => ({ what, where, advice })),
  }
}

import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { compileLibrary, sourceFile, type CompiledLibrary } from '../shim/build.ts'

/**
 * Compiles the simulated device with the system's C compiler, unless it is there already, into `npu/` of the data folder. About
 * a second where there is something to do.
 * @throws ShimBuildError where there is no compiler, or it fails
 */
export async function buildSimulated(options: {
  dataFolder: string
  env?: NodeJS.ProcessEnv
  onCompile?: () => void
}): Promise<CompiledLibrary> {
  const { dataFolder, env, onCompile } = options
  const main = sourceFile('sim/simulated_npu.c')
  const names = (await readdir(dirname(main))).filter((name) => name.endsWith('.c')).sort()
  const sources = names.map((name) => join(dirname(main), name)).filter((file) => file !== main)
  return await compileLibrary({
    sources: [main, ...sources],
    headers: [sourceFile('sim/simulated_npu.h'), sourceFile('shim/pellet_npu.h')],
    compiler: 'c',
    // Its inner loops are many independent multiplications: in registers they are twice as fast as in vectors without one.
    flags: ['-std=c11', '-O3', '-fno-tree-vectorize', '-Wall', '-Wextra'],
    libraries: ['-pthread'],
    folder: join(dataFolder, 'npu'),
    key: 'abi1',
    ...(env && { env }),
    onCompile,
  })
}

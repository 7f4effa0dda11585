import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { FailedSource } from '../deployments/deployment.ts'
import { noNpu, type NpuStatus } from '../device/npu.ts'
import { createMemo } from '../deployments/memo.ts'
import { howToGet, otherWays } from '../deployments/missing-model.ts'
import type { CompileOptions } from '../deployments/source.ts'
import { createDataStore } from '../storage/storage.ts'

/**
 * Compiles with a data folder of its own that is gone afterwards: this must work in a folder that cannot be written to,
 * and beside a running Pellet.
 * @param npu of the machine that it is compiled for
 */
export async function compileAside<Value>(
  config: Config,
  compile: (options: CompileOptions) => Promise<Value>,
  npu: NpuStatus = noNpu,
): Promise<Value> {
  const folder = mkdtempSync(join(tmpdir(), 'pellet-compile-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const onSignal = () => {
    remove()
    process.exit(130)
  }
  process.once('SIGINT', onSignal)
  try {
    const memo = createMemo(createDataStore({ folder }))
    return await compile({ ...config, dataFolder: folder, memo, npu, isForAnywhere: true })
  } finally {
    process.off('SIGINT', onSignal)
    remove()
  }
}

/**
 * What is wrong, and below it how to get a model; where that is another's who is told about as well, only there.
 * @param isBrief for other chips only who tells it: of a whole project most people have none
 */
export function toFailureLines(
  { name, origin, problems, missing }: FailedSource,
  failures: FailedSource[],
  isBrief: boolean,
): string[] {
  if (!missing) return problems
  const { deployment, files } = missing
  const others = files.slice(1).map(({ chip }) => chip ?? 'the CPU')
  if (deployment === name && isBrief && others.length > 0)
    return [...problems, `  for ${others.join(', ')}: pellet validate ${origin.manifest ?? origin.function}`]
  if (deployment === name) return [...problems, ...otherWays(missing).map((way) => `  ${way}`)]
  if (failures.some((failure) => failure.name === deployment)) return problems
  return [
    ...problems,
    `  ${deployment}: ${files[0]!.file}; ${howToGet(deployment, files[0]!)}`,
    ...otherWays(missing).map((way) => `  ${way}`),
  ]
}

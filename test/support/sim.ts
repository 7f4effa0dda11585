import { open } from 'node:fs/promises'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { tryLock } from '../../ffi/libc.ts'
import { buildSimulated } from '../../ffi/sim/build.ts'
import { findCompiler } from '../../ffi/shim/build.ts'
import { temporaryFolder } from './fixture-tmp.ts'
import type { ProjectFiles } from './pellet.ts'
import { projectRoot } from './root.ts'

/** Where there is no C compiler its tests are skipped, counted and loudly. */
export { testWithCompiler as testWithSim } from './c-compiler.ts'

/** The data folder that has the simulated device, once it was asked for. */
export const simulatedDataFolder = join(projectRoot, 'dist/test/simulated')

/** The simulated device's library, compiled once for all test files. */
export async function simulatedLibrary(): Promise<string> {
  // Test files that start side by side would each compile it.
  mkdirSync(simulatedDataFolder, { recursive: true })
  const lock = await open(join(simulatedDataFolder, 'npu.lock'), 'w')
  try {
    while (!tryLock(lock.fd)) await setTimeout(20)
    return (await buildSimulated({ dataFolder: simulatedDataFolder })).file
  } finally {
    await lock.close()
  }
}

/** What a project needs so that its Pellet does not compile the simulated device for itself, which takes a second. */
export async function simulatedFiles(): Promise<ProjectFiles> {
  if (!(await findCompiler('c'))) return {}
  const file = await simulatedLibrary()
  return { [`.pellet/npu/${basename(file)}`]: { from: file } }
}

/** A control file of the simulated device, and the environment with which a Pellet follows it. */
export class SimControl {
  readonly file: string
  readonly #folder = temporaryFolder()

  constructor(settings: SimSettings = {}) {
    this.file = join(this.#folder, 'sim')
    this.set(settings)
  }

  get env(): { PELLET_SIM: string; PELLET_HAILORT: string } {
    return { PELLET_SIM: this.file, PELLET_HAILORT: 'simulated' }
  }

  /** All that holds from now on; counts start anew. */
  set(settings: SimSettings): void {
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`)
    // Never half of it.
    writeFileSync(`${this.file}.part`, lines.join(''))
    renameSync(`${this.file}.part`, this.file)
  }
}

type SimCall = 'open' | 'identify' | 'load' | 'configure' | 'unload' | 'close' | 'priority' | 'start' | 'frame'

/** Keys of the control file: docs/npu.md. */
export type SimSettings = Partial<
  Record<`fail.${SimCall}`, number | `${number}:${number}`> &
    Record<`false_timeout.${SimCall}` | `hang.${SimCall}`, number> & {
      chip: 'hailo8' | 'hailo8l' | 'hailo10h'
      device: 'present' | 'absent' | 'busy' | 'lost'
      stall: 0 | 1
      recordings: string
    } & Record<
      | 'frame_us'
      | 'memory_bytes'
      | 'core_ops'
      | 'late_every'
      | 'late_us'
      | 'seed'
      | 'open_ms'
      | 'load_ms'
      | 'close_ms'
      | 'lost_unload_ms'
      | 'restart_ms',
      number
    >
>

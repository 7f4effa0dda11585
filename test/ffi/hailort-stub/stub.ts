import koffi from 'koffi'
import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compileLibrary, findCompiler, lookAtShim } from '../../../ffi/shim/build.ts'
import { temporaryFolder } from '../../support/fixture-tmp.ts'
import { projectRoot } from '../../support/root.ts'

export const cppCompiler = await findCompiler('c++')

/** A HailoRT that the test steers, and the shim compiled against it. */
export interface Stub {
  /** The shim. */
  file: string
  /** From now on a call answers this status. */
  answer(call: 'open' | 'ready' | 'run' | 'shutdown', status: number): void
  /** Frames stay on the chip, whatever comes. */
  stick(isStuck: boolean): void
  /** The oldest frame is done. */
  finish(status?: number): void
  readonly frames: number
  readonly counts: Record<(typeof counted)[number], number>
  readonly openedWith: string
}

export async function buildStub(): Promise<Stub> {
  const prefix = temporaryFolder()
  const folder = join(projectRoot, 'test/ffi/hailort-stub')
  const library = join(prefix, 'lib/libhailort.so.4.23.0')
  mkdirSync(join(prefix, 'lib'))
  mkdirSync(join(prefix, 'include'))
  symlinkSync(join(folder, 'hailo'), join(prefix, 'include/hailo'))
  const flags = ['-std=c++17', '-O0', '-shared', '-fPIC', '-Wl,-soname,libhailort.so.4.23.0']
  await promisify(execFile)(cppCompiler!, [...flags, `-I${folder}`, '-o', library, join(folder, 'hailort.cpp')])
  const { plan } = await lookAtShim({ dataFolder: prefix, env: { ...process.env, PELLET_HAILORT_PREFIX: prefix } })
  // Optimising takes the compiler longer, and shortens no test.
  const { file } = await compileLibrary({ ...plan, flags: plan.flags.map((flag) => (flag === '-O2' ? '-O0' : flag)) })
  return control(library, file)
}

// --- internal ---

const calls = ['open', 'ready', 'run', 'shutdown'] as const
const counted = [
  'runs',
  'undetached',
  'destroyedUnderFrames',
  'shutdowns',
  'mapped',
  'devices',
  'batch',
  'priority',
] as const

function control(hailort: string, file: string): Stub {
  const library = koffi.load(hailort)
  const answer = library.func('void stub_answer(uint32_t call, uint32_t status)')
  const stick = library.func('void stub_stick(uint32_t stuck)')
  const finish = library.func('void stub_finish(uint32_t status)')
  const frames = library.func('uint32_t stub_frames(void)')
  const counts = library.func('void stub_counts(void *out)')
  const openedWith = library.func('const char *stub_opened_with(void)')
  return {
    file,
    answer: (call, status) => void answer(calls.indexOf(call), status),
    stick: (isStuck) => void stick(isStuck ? 1 : 0),
    finish: (status = 0) => void finish(status),
    get frames() {
      return frames() as number
    },
    get counts() {
      const out = new Uint32Array(counted.length)
      counts(out)
      return Object.fromEntries(counted.map((name, i) => [name, out[i]!])) as Stub['counts']
    },
    get openedWith() {
      return openedWith() as string
    },
  }
}

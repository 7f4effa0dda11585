import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Callback, Test } from 'uvu'
import { findCompiler } from '../../ffi/shim/build.ts'

/** Path of the C compiler; undefined where there is none. */
export const compiler = await findCompiler('c')

/** Registers a test that needs a C compiler; counts it as skipped, and says so, where there is none. */
export function testWithCompiler<T>(suite: Test<T>, name: string, fn: Callback<T>): void {
  if (compiler) return suite(name, fn)
  console.error(`SKIPPED for want of a C compiler (apt install gcc): ${name}`)
  suite.skip(name, fn)
}

/** A shared library of C source, in the folder `lib` of a temporary one. @param name Of its file */
export async function withCLibrary<Result>(
  source: string,
  use: (file: string) => Promise<Result>,
  name = 'library.so',
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'c-'))
  try {
    const file = join(folder, 'lib', name)
    mkdirSync(join(folder, 'lib'))
    writeFileSync(join(folder, 'library.c'), source)
    const { status, stderr } = spawnSync(compiler!, ['-shared', '-fPIC', '-o', file, join(folder, 'library.c')], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
    return await use(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Callback, Test } from 'uvu'

/** Registers a test that needs a C compiler; counts it as skipped, and says so, where there is none. */
export function testWithCompiler<T>(suite: Test<T>, name: string, fn: Callback<T>): void {
  if (hasCompiler()) return suite(name, fn)
  console.error(`SKIPPED: ${name}: no C compiler (cc)`)
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
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', file, join(folder, 'library.c')], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
    return await use(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// --- internal ---

let isThere: boolean | undefined

function hasCompiler(): boolean {
  return (isThere ??= spawnSync('cc', ['--version']).status === 0)
}

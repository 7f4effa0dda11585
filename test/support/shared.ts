import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Callback, Test } from 'uvu'
import { projectRoot } from './root.ts'

/** Absolute path of a file of the reference data beside the project (`../shared/data`), undefined where it is absent. */
export function sharedData(path: string): string | undefined {
  return shared('data', path)
}

/** The same for a file of the reference sheets (`../shared/reference`). */
export function sharedReference(path: string): string | undefined {
  return shared('reference', path)
}

/** Registers a test that needs the reference data; counts it as skipped where the data are absent. */
export function testWithShared<T>(suite: Test<T>, name: string, fn: Callback<T>): void {
  if (sharedData('') === undefined) suite.skip(name, fn)
  else suite(name, fn)
}

// --- internal ---

function shared(folder: string, path: string): string | undefined {
  const file = join(projectRoot, '..', 'shared', folder, path)
  return existsSync(file) ? file : undefined
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Callback, Test } from 'uvu'
import { projectRoot } from './root.ts'

/** Absolute path of a file of the reference data beside the project (`../shared/data`), undefined where it is absent. */
export function sharedData(path: string): string | undefined {
  const file = join(projectRoot, '..', 'shared', 'data', path)
  return existsSync(file) ? file : undefined
}

/** Registers a test that needs the reference data; counts it as skipped where the data are absent. */
export function testWithShared<T>(suite: Test<T>, name: string, fn: Callback<T>): void {
  if (sharedData('') === undefined) suite.skip(name, fn)
  else suite(name, fn)
}

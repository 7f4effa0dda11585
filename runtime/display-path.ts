import { relative } from 'node:path'

/** A path as people write it: relative to the project where it lies inside. */
export function displayPath(root: string, file: string): string {
  const short = relative(root, file)
  return short === '' || short.startsWith('..') ? file : short
}

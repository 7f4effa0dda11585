import { PelletError } from '../errors.ts'
import { isFull } from './full.ts'

/**
 * What a caller is told of an error of the store: files and their paths are for the log.
 * @param what could not be done, e.g. `the job could not be kept`
 */
export function toTellable(error: unknown, what: string): PelletError {
  if (error instanceof PelletError) return error
  const [code, problem] = isFull(error)
    ? ([
        'storage_full',
        'expected room where Pellet keeps its data, found none; free some space and try again',
      ] as const)
    : ([
        'storage_failed',
        'expected data that can be read and written, found an error; the log names the file',
      ] as const)
  return new PelletError(code, `${what}: ${problem}`, { cause: error })
}

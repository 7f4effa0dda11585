import { PelletError } from '../errors.ts'

/** Whether an error says that there is no room on the disk. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** @param what could not be kept, for messages; @param found how much room there is */
export function noRoom(what: string, expected = 'room', found = 'the disk full'): PelletError {
  return new PelletError(
    'storage_full',
    `${what}: expected ${expected} where Pellet keeps its data, found ${found}; free some space (pellet models, pellet delete NAME) and send it again`,
  )
}

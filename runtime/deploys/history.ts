import { PelletError } from '../errors.ts'
import type { LiveRecord, Made } from './records.ts'

/** So many revisions of a name are kept, with the one that is live. */
export const keptRevisions = 5
/** A beginning of a revision that is as long as this may stand for it. */
const shortestPrefix = 4

/** What is live once a revision has become so. Pure. */
export function withLive(history: readonly Made[], made: Made): LiveRecord {
  const others = history.filter(({ revision }) => revision !== made.revision)
  return { revision: made.revision, history: [made, ...others].slice(0, keptRevisions) }
}

/**
 * The revision that a rollback means: the one of that beginning, else the one that was live before. Pure.
 * @throws PelletError `not_found`, or `invalid_request` where several begin so
 */
export function toRollback(
  name: string,
  history: Made[],
  live: string | undefined,
  wanted: string | undefined,
): string {
  const known = history.map(({ revision }) => revision.slice(0, 12)).join(', ') || 'none'
  if (wanted === undefined) {
    const before = history.find(({ revision }) => revision !== live)
    if (before) return before.revision
    throw new PelletError('not_found', `${name}: expected a revision from before the live one, found none that is kept`)
  }
  if (!/^[0-9a-f]+$/.test(wanted) || wanted.length < shortestPrefix) {
    const found = JSON.stringify(wanted)
    const expected = `one of ${known}, or at least ${shortestPrefix} of its first digits`
    throw new PelletError('invalid_request', `${name}: revision: expected ${expected}, found ${found}`)
  }
  const found = history.filter(({ revision }) => revision.startsWith(wanted))
  if (found.length === 1) return found[0]!.revision
  if (found.length === 0)
    throw new PelletError('not_found', `${name}: revision: expected one that is kept (${known}), found ${wanted}`)
  const meant = found.map(({ revision }) => revision.slice(0, 12)).join(' and ')
  throw new PelletError('invalid_request', `${name}: revision: expected one, found that ${meant} begin with ${wanted}`)
}

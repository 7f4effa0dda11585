import type { Deployment } from '../deployments/deployment.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { BlobStore, StoredBlob } from '../storage/blobs.ts'
import { formatBytes } from '../units.ts'
import { blobsOf } from './draft.ts'
import { DamagedRecord, type Records } from './records.ts'

/** An upload comes before the deploy that needs it: blobs that nobody needs yet have this long. */
const youngMs = 60 * 60_000
/** What broke off may be gone on with the next day. */
const partMs = 24 * 60 * 60_000

export interface Garbage {
  records: Records
  blobs: BlobStore
  /** What serves, or still runs. */
  running: readonly Deployment[]
  /** Names under which something that was deployed serves. */
  serving: ReadonlySet<string>
  /** By sha256: when a client was told that a blob need not be uploaded. */
  promised: Map<string, number>
  log: Logger
}

/** Removes the records that no history names, and the blobs that no record names. Never throws. */
export async function collectGarbage({ records, blobs, running, serving, promised, log }: Garbage): Promise<void> {
  try {
    const needed = new Set(running.flatMap(({ model, files }) => [model.file, ...Object.values(files)]))
    const kept = await keepRecords(records, serving)
    for (const sha256 of kept) needed.add(blobs.fileOf(sha256))
    const useless = toCollect(await blobs.list(), needed, promised, Date.now())
    for (const { file } of useless) await blobs.discard(file)
    for (const [sha256, atMs] of promised) if (Date.now() - atMs > youngMs) promised.delete(sha256)
    const bytes = useless.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    if (useless.length > 0) log.info(`removed ${formatBytes(bytes)} that no revision needs any more`)
  } catch (error) {
    log.warn(`what is not needed any more could not be removed: ${messageOf(error)}`)
  }
}

/** Which files go: no record and no isolate needs them, and no deploy that is on its way may. Pure. */
export function toCollect(
  stored: readonly StoredBlob[],
  needed: ReadonlySet<string>,
  promised: ReadonlyMap<string, number>,
  nowMs: number,
): StoredBlob[] {
  return stored.filter(({ file, sha256, isPart, ageMs }) => {
    if (isPart) return ageMs > partMs
    return !needed.has(file) && ageMs > youngMs && nowMs - (promised.get(sha256) ?? -Infinity) > youngMs
  })
}

// --- internal ---

/** Removes the records that no history names. @returns the sha256 of every blob that the others name */
async function keepRecords(records: Records, serving: ReadonlySet<string>): Promise<Set<string>> {
  const needed = new Set<string>()
  // A name that serves has a record, or had one that is gone.
  const histories = new Map<string, Set<string> | undefined>([...serving].map((name) => [name, undefined]))
  for (const name of await records.names()) histories.set(name, await revisionsOf(name, records))
  for (const { name, revision } of await records.revisions()) {
    const history = histories.get(name)
    // Of a name whose record is damaged, everything is kept: one of its revisions may be wanted back.
    if (histories.has(name) && (history === undefined || history.has(revision))) {
      const record = await records.revision(name, revision).catch(() => undefined)
      if (record) for (const [, { sha256 }] of blobsOf(record.draft)) needed.add(sha256)
    } else await records.removeRevision(name, revision)
  }
  return needed
}

async function revisionsOf(name: string, records: Records): Promise<Set<string> | undefined> {
  try {
    const live = await records.live(name)
    return new Set(live?.history.map(({ revision }) => revision))
  } catch (error) {
    if (error instanceof DamagedRecord) return undefined
    throw error
  }
}

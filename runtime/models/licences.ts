import { createHash } from 'node:crypto'
import { modelAt, type Catalog } from './catalog.ts'
import { changeLock, type Lock } from './lock.ts'

/** What is shown of a licence before a model under it is fetched for the first time. */
export interface LicenceNotice {
  /** What it is accepted by: a name of the catalogue, or what a manifest says. */
  id: string
  text: string
}

/**
 * The notice for a file: what the catalogue knows of its URL or of the licence's name, else what the manifest says.
 * @returns undefined where nothing is told: there is nothing to accept
 */
export function noticeOf(
  catalog: Catalog,
  { url, license }: { url: string; license?: string },
): LicenceNotice | undefined {
  const id = modelAt(catalog, url)?.licence ?? license
  if (id === undefined) return undefined
  if (!Object.hasOwn(catalog.licences, id))
    return { id, text: `${id}\nSo the manifest says. Read it where the model is published: ${new URL(url).origin}` }
  const { title, notice, url: place } = catalog.licences[id]!
  return { id, text: [title, notice.trim(), ...(place ? [`The whole text: ${place}`] : [])].join('\n') }
}

/** Whether this very text was accepted: in `pellet.lock`, or by its name in the setting `accept_licences`. */
export function isAccepted({ id, text }: LicenceNotice, lock: Lock, accepted: readonly string[]): boolean {
  if (accepted.includes(id)) return true
  return Object.hasOwn(lock.licences, id) && lock.licences[id]!.notice === digestOf(text)
}

/** Keeps that it was accepted now. */
export function acceptNotices(lockFile: string, notices: readonly LicenceNotice[]): Promise<void> {
  return changeLock(lockFile, ({ licences }) => {
    for (const { id, text } of notices) licences[id] = { notice: digestOf(text), accepted: new Date().toISOString() }
  })
}

// --- internal ---

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

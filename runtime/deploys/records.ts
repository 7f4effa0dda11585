import type { Storage } from 'unstorage'
import { messageOf } from '../errors.ts'
import { DamagedEntry } from '../storage/atomic-fs.ts'
import type { Draft } from './protocol.ts'

/** A revision that was deployed. Never changed, but for files of the same manifest that were not there before. */
export interface RevisionRecord {
  revision: string
  /** When it was deployed last, in ms since 1970. */
  atMs: number
  draft: Draft
}

/** What is live under a name: to write it is to deploy. */
export interface LiveRecord {
  revision: string
  /** The live one first, then what was live before; each once. */
  history: Made[]
}

/** How a revision became live last. */
export interface Made {
  revision: string
  atMs: number
  by: 'deploy' | 'rollback'
}

/** A record that cannot be read. It is left where it is. */
export class DamagedRecord extends Error {}

/**
 * What was deployed, in the `deployments:` mount: a record for each revision, and one for each name that says which is
 * live. Reads throw DamagedRecord; writes outlive a power cut.
 */
export class Records {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Every name that has something deployed. */
  async names(): Promise<string[]> {
    const keys = await this.#storage.getKeys('deployments:live')
    return keys.map((key) => key.slice(liveKey('').length)).sort()
  }

  live(name: string): Promise<LiveRecord | undefined> {
    return this.#read<LiveRecord>(liveKey(name), ({ revision, history }) => revision !== '' && history.length > 0)
  }

  revision(name: string, revision: string): Promise<RevisionRecord | undefined> {
    return this.#read<RevisionRecord>(revisionKey(name, revision), ({ draft }) => draft.name === name)
  }

  /** The revisions that have a record, whatever is in it. */
  async revisions(): Promise<{ name: string; revision: string }[]> {
    const keys = await this.#storage.getKeys('deployments:revision')
    return keys.map((key) => {
      const [name, revision] = key.slice('deployments:revision:'.length).split(':') as [string, string]
      return { name, revision }
    })
  }

  /** The revisions of a name that have a record, newest first; for one whose own record cannot be read. */
  async keptOf(name: string): Promise<Made[]> {
    const kept: Made[] = []
    for (const { name: owner, revision } of await this.revisions()) {
      const record = owner === name ? await this.revision(name, revision).catch(() => undefined) : undefined
      if (record) kept.push({ revision, atMs: record.atMs, by: 'deploy' })
    }
    return kept.sort((a, b) => b.atMs - a.atMs)
  }

  putLive(name: string, record: LiveRecord): Promise<void> {
    return this.#storage.setItem(liveKey(name), record as never)
  }

  putRevision(record: RevisionRecord): Promise<void> {
    return this.#storage.setItem(revisionKey(record.draft.name, record.revision), record as never)
  }

  removeLive(name: string): Promise<void> {
    return this.#storage.removeItem(liveKey(name))
  }

  removeRevision(name: string, revision: string): Promise<void> {
    return this.#storage.removeItem(revisionKey(name, revision))
  }

  // --- internal ---

  async #read<Value>(key: string, isWhole: (value: Value) => boolean): Promise<Value | undefined> {
    try {
      const value = (await this.#storage.getItem(key)) as Value | null
      if (value === null) return undefined
      if (isWhole(value)) return value
    } catch (error) {
      throw new DamagedRecord(error instanceof DamagedEntry ? error.damage.reason : messageOf(error))
    }
    throw new DamagedRecord('it does not say what it should')
  }
}

// --- internal ---

function liveKey(name: string): string {
  return `deployments:live:${name}`
}

function revisionKey(name: string, revision: string): string {
  return `deployments:revision:${name}:${revision}`
}

import { join } from 'node:path'
import { createStorage } from 'unstorage'
import type { Driver, Storage } from 'unstorage'
import { atomicFs } from './atomic-fs.ts'
import type { Damage } from './atomic-fs.ts'
import { blobDriver } from './blob-driver.ts'
import { BlobStore } from './blobs.ts'

/**
 * `deployments:` their records, and what was learnt about them, `models:` the blobs of deploys by their sha256, `results:`
 * answers that are kept, `jobs:` those that wait for who asked, `tokens:` what is kept of tokens.
 */
export type MountName = 'deployments' | 'models' | 'results' | 'jobs' | 'tokens'

export interface DataStoreOptions {
  /** The data folder; the entries lie under `storage/<mount>/` in it. Made with the first write. */
  folder: string
  /** Other drivers of unstorage for single mounts, so that machines can share them. */
  mounts?: Partial<Record<MountName, Driver>>
  /** An entry was damaged and has been removed; reads of it are misses. @default a process warning */
  onDamaged?: (damage: Damage) => void
}

const mountNames: MountName[] = ['deployments', 'models', 'results', 'jobs', 'tokens']

/**
 * The data folder as unstorage mounts: `store.getItem('deployments:sizes')`. Writes are atomic; a damaged entry is a
 * miss; I/O errors are thrown with the path. Several processes may use one folder; the last write counts. `clear` takes
 * the name of a mount: unstorage does nothing at all when it is given a part of one.
 */
export function createDataStore({ folder, mounts = {}, onDamaged = warn }: DataStoreOptions): Storage {
  const store = createStorage({ driver: noMount })
  for (const name of mountNames) {
    // A kept answer that a power cut tears is damaged, hence a miss: none is worth waiting for the disk.
    const isSynced = name !== 'results'
    const own = () =>
      name === 'models'
        ? blobDriver(openBlobs(folder))
        : atomicFs({ folder: join(folder, 'storage', name), onDamaged, isSynced, isPrecious: isPreciousIn(name) })
    store.mount(name, mounts[name] ?? own())
  }
  return store
}

/** The files of the `models:` mount. @param folder the data folder */
export function openBlobs(folder: string): BlobStore {
  return new BlobStore(join(folder, 'storage', 'models'))
}

/** For people. */
export function formatDamage({ file, key, reason }: Damage): string {
  return `Storage: the entry "${key}" in ${file} was damaged (${reason}) and has been removed.`
}

// --- internal ---

/** What is learnt is learnt again; what was deployed is not, nor a token. */
function isPreciousIn(mount: MountName): (key: string) => boolean {
  if (mount === 'tokens') return (key) => key !== 'last-used'
  return (key) => mount === 'deployments' && /^(?:live|revision):/.test(key)
}

function refuse(key: string): never {
  const expected = mountNames.map((name) => `${name}:...`).join(', ')
  throw new Error(`Storage key "${key}": expected ${expected}, found no such mount.`)
}

/** unstorage keeps what belongs to no mount in memory, where it would be lost without a word. */
const noMount: Driver = {
  name: 'no-mount',
  hasItem: refuse,
  getItem: refuse,
  setItem: refuse,
  setItemRaw: refuse,
  removeItem: refuse,
  getMeta: refuse,
  getKeys: () => [],
}

function warn(damage: Damage): void {
  process.emitWarning(formatDamage(damage))
}

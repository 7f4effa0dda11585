import { statSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Storage } from 'unstorage'

/** Remembers what was learnt from code and models that did not change since. */
export interface Memo {
  get<Value>(key: string): Promise<Value | undefined>
  set(key: string, value: unknown): Promise<void>
}

const prefix = 'deployments:memo'
/** Each start and each deploy reads a few; what falls out is learnt anew where it is wanted. */
const keptEntries = 1000

/** What was learnt from code, kept in the `deployments:` mount. A build of Pellet trusts only what it learnt itself. */
export function createMemo(storage: Storage): Memo {
  const build = String(statSync(fileURLToPath(import.meta.url)).mtimeMs)
  const toKey = (key: string) => `${prefix}:${createHash('sha256').update(`${build}:${key}`).digest('hex')}`
  return {
    // A disk that is full or broken costs time, as what is not remembered is learnt again, and not the deployment.
    async get<Value>(key: string) {
      return (await storage.getItem<Value>(toKey(key)).catch(() => null)) ?? undefined
    },
    set: (key, value) => storage.setItem(toKey(key), value as never).catch(() => {}),
  }
}

/** Forgets what was learnt longest ago. @param kept so many entries stay */
export async function trimMemo(storage: Storage, kept = keptEntries): Promise<void> {
  const keys = await storage.getKeys(prefix)
  if (keys.length <= kept) return
  const learnt: { key: string; atMs: number }[] = []
  for (const key of keys) learnt.push({ key, atMs: (await storage.getMeta(key)).mtime?.getTime() ?? 0 })
  learnt.sort((a, b) => b.atMs - a.atMs)
  for (const { key } of learnt.slice(kept)) await storage.removeItem(key)
}

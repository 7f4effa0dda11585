import { constants, open, rm, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { tryLock } from '../../ffi/libc.ts'

const pollMs = 25

/**
 * Takes a lock file that processes of this machine share. It is the kernel's lock, so one whose process has ended, however
 * it did, is free; that the file is there says nothing.
 * @param patienceMs how long to wait for whoever has it
 * @returns what gives it back; undefined where another keeps it
 */
export async function takeLock(file: string, patienceMs = 0): Promise<(() => Promise<void>) | undefined> {
  const until = performance.now() + patienceMs
  for (;;) {
    // To lock it, it need not be ours to write.
    const handle = await open(file, constants.O_RDONLY | constants.O_CREAT)
    const isOurs = tryLock(handle.fd)
    // Who had it before removes the file: then this is a lock on nothing.
    if (isOurs && (await isAt(file, handle)))
      return async () => {
        await rm(file, { force: true })
        await handle.close()
      }
    await handle.close()
    if (isOurs) continue
    if (performance.now() >= until) return undefined
    await delay(pollMs)
  }
}

/** Whether somebody has it now. */
export async function isLocked(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined)
  if (!handle) return false
  const isFree = tryLock(handle.fd)
  await handle.close()
  return !isFree
}

// --- internal ---

async function isAt(file: string, handle: FileHandle): Promise<boolean> {
  const [there, own] = await Promise.all([stat(file).catch(() => undefined), handle.stat()])
  return there?.ino === own.ino && there.dev === own.dev
}

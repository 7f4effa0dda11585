import { open, readFile, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** A lock that was not touched for so long belongs to nobody, whoever has its process id now. */
const staleMs = 60_000
const touchMs = 10_000
const pollMs = 25

const own = new Set<string>()

/**
 * Takes a lock file that processes of this machine share. One whose process has ended is taken over.
 * @param patienceMs how long to wait for whoever has it
 * @returns what gives it back; undefined where another keeps it
 */
export async function takeLock(file: string, patienceMs = 0): Promise<(() => Promise<void>) | undefined> {
  const until = performance.now() + patienceMs
  for (;;) {
    const handle = await open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    if (handle) {
      await handle.writeFile(String(process.pid)).finally(() => handle.close())
      own.add(file)
      const timer = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => {}), touchMs)
      timer.unref()
      return async () => {
        clearInterval(timer)
        own.delete(file)
        await rm(file, { force: true })
      }
    }
    if (await isStale(file)) await rm(file, { force: true })
    else if (performance.now() >= until) return undefined
    else await delay(pollMs)
  }
}

// --- internal ---

async function isStale(file: string): Promise<boolean> {
  if (own.has(file)) return false
  try {
    const { mtimeMs } = await stat(file)
    const pid = Number(await readFile(file, 'utf8'))
    const ageMs = Date.now() - mtimeMs
    // Empty for the moment between its making and its writing.
    if (pid === 0) return ageMs > 1000
    return ageMs > staleMs || pid === process.pid || !isAlive(pid)
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
